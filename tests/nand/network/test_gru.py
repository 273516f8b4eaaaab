"""The GRU beside Keras' own: the same numbers and gradients, with masks, both ways; and over several series."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.core.training import backend
from kmodels.nand.network.gru import GRU
from kmodels.nand.network.series_gru import SeriesGRU

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 5)).astype("float32")
MASKS = {
    "no mask": None,
    "ends": np.arange(6) < np.array([[6], [2], [0]]),
    "holes": np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1]], bool),
}


def pair(both_ways, **options):
    """(ours, Keras') with the same random weights, biases among them."""
    layers = [kind(4, **options) for kind in (GRU, keras.layers.GRU)]
    layers = [keras.layers.Bidirectional(layer) if both_ways else layer for layer in layers]
    for layer in layers:
        layer.build(X.shape)
    weights = [RNG.normal(size=w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_outputs_are_those_of_keras(mask, both_ways, sequences):
    found = [layer(X, mask=MASKS[mask]) for layer in pair(both_ways, return_sequences=sequences)]
    ours, theirs = (ops.convert_to_numpy(y) for y in found)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_a_training_step_is_that_of_keras(mask):
    after = []
    for layer in pair(True, return_sequences=True):
        inputs = keras.Input(X.shape[1:]), keras.Input(X.shape[1:2], dtype="bool")
        model = keras.Model(inputs, layer(inputs[0], mask=None if MASKS[mask] is None else inputs[1]))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.train_on_batch([X, np.ones(X.shape[:2], bool) if MASKS[mask] is None else MASKS[mask]], 2 * X[..., :1])
        after.append(model.get_weights())
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_on_torch_a_sequence_is_one_operation_unless_something_is_dropped_in_it(monkeypatch):
    calls = []
    monkeypatch.setattr(backend, "whole_gru", lambda: calls.append(1))
    GRU(4)(X), GRU(4, dropout=0.1)(X), GRU(4, activation="relu")(X)
    assert len(calls) == 1


def test_bfloat16():
    y = GRU(4, return_sequences=True, dtype="mixed_bfloat16")(ops.cast(X, "bfloat16"), mask=MASKS["holes"])
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))).all()


@pytest.mark.parametrize("make", [GRU, SeriesGRU])
def test_it_saves_and_loads(make, tmp_path):
    x = X if make is GRU else np.stack([X, X + 1], 1)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, make(4)(inputs))
    model.save(tmp_path / "gru.keras")
    again = keras.saving.load_model(tmp_path / "gru.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    assert type(again.layers[-1]) is make


def test_series_are_read_each_for_itself_with_the_same_weights():
    x = RNG.normal(size=(2, 3, 5, 6)).astype("float32")
    layer = SeriesGRU(4)
    y = ops.convert_to_numpy(layer(x))
    for series in range(3):
        alone = ops.convert_to_numpy(layer(x[:, series : series + 1]))
        np.testing.assert_allclose(y[:, series : series + 1], alone, atol=1e-6)
    step, _ = layer.cell(x[:, 1, 0], [np.zeros((2, 4), "float32")])
    np.testing.assert_allclose(ops.convert_to_numpy(step), y[:, 1, 0], atol=1e-6)
    low = SeriesGRU(4, dtype="mixed_bfloat16")(ops.cast(x, "bfloat16"))
    assert keras.backend.standardize_dtype(low.dtype) == "bfloat16"
