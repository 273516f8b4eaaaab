"""How fast the ConvLSTM is: against Keras' own layer, and in each form that its convolution can take."""

from collections.abc import Callable

import keras
import numpy as np

from kmodels.core import measure
from kmodels.layers import convolution3d
from kmodels.layers.conv_lstm3d import ConvLSTM3D

SHAPE = (2, 6, 21, 45, 45, 1)  # (batch, time, z, y, x, channels)
FILTERS = (16, 32)
SMOKE_SHAPE, SMOKE_FILTERS = (1, 2, 3, 5, 5, 1), (2,)


def bench(report: Callable[[int, int, str], None], smoke: bool = False) -> list[dict]:
    """Time every case in turn with what it is compared to.

    report(done, total, text) shows progress. smoke: tiny sizes, whose figures mean nothing.
    Returns a dictionary for each case: its name, and what `measure.in_turn` found.
    """
    todo = _cases(*((SMOKE_SHAPE, SMOKE_FILTERS) if smoke else (SHAPE, FILTERS)))
    found = []
    for k, (name, pair) in enumerate(todo.items()):
        report(k, len(todo), name)
        found.append({"case": name} | measure.in_turn(*pair()))
    return found


def _cases(shape, filters) -> dict[str, Callable]:
    """{name: function that makes (ours, theirs)}; made only when their turn comes, for their memory."""
    cases = {}
    for n in filters:
        cases[f"train, {n} filters, vs Keras"] = lambda n=n: (
            training_step(ConvLSTM3D, shape, n),
            training_step(keras.layers.ConvLSTM3D, shape, n),
        )
        cases[f"predict, {n} filters, vs Keras"] = lambda n=n: (
            prediction(ConvLSTM3D, shape, n),
            prediction(keras.layers.ConvLSTM3D, shape, n),
        )
    for form in convolution3d.FORMS:
        cases[f"train, {filters[0]} filters, vs {form}"] = lambda form=form: (
            training_step(ConvLSTM3D, shape, filters[0]),
            training_step(ConvLSTM3D, shape, filters[0], form=form),
        )
    return cases


def training_step(layer: type, shape, filters: int, **options) -> Callable[[], float]:
    """A function that takes one step of gradient descent on two such layers and returns the loss."""
    model = _model(layer, shape, filters, **options)
    x, y = _random(shape), _random((shape[0], *shape[2:-1], filters))
    return lambda: float(model.train_on_batch(x, y))


def prediction(layer: type, shape, filters: int, **options) -> Callable[[], np.ndarray]:
    """A function that applies two such layers."""
    model = _model(layer, shape, filters, **options)
    x = _random(shape)
    return lambda: model.predict_on_batch(x)


def _model(layer, shape, filters, **options) -> keras.Model:
    inputs = keras.Input(shape[1:])
    hidden = layer(filters, 3, padding="same", return_sequences=True, **options)(inputs)
    model = keras.Model(inputs, layer(filters, 3, padding="same", **options)(hidden))
    model.compile("sgd", "mse")
    return model


def _random(shape) -> np.ndarray:
    return np.random.default_rng(0).random(shape, "float32")
