"""A model's outputs for all examples, in batches of one shape; and gradients with respect to inputs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kmodels.core.io import rows as stored
from kmodels.core.training import backend, batching
from kmodels.core.training.devices import distribution


def predict(
    model: keras.Model, examples: Any, batch_size: int, progress: Callable[[int, int], None] | None = None
) -> dict:
    """Predict for all examples, in their order, in batches of one shape.

    Parameters
    ----------
    model : keras.Model
        With a dictionary of outputs.
    examples : Examples
        n of them.
    batch_size : int
        Examples of a batch.
    progress : callable, optional
        ``progress(done, total)`` shows how far it is.

    Returns
    -------
    dict of str to numpy.ndarray
        Each (n, ...); those that are too large for memory on disk, see `kmodels.core.io.rows`.
    """
    made = stored.AppendedTogether()
    for rows, inputs, _ in _in_order(examples, batch_size):
        made.append(_outputs(model, inputs, len(rows)))
        if progress:
            progress(int(rows[-1]) + 1, len(examples))
    return made.arrays()


def predict_and_score(model: keras.Model, examples: Any, batch_size: int) -> tuple[dict, dict[str, float]]:
    """Predict for all examples, and average the loss terms over them.

    Parameters
    ----------
    model : TermModel
        With a dictionary of outputs.
    examples : Examples
        n of them, with targets.
    batch_size : int
        Examples of a batch.

    Returns
    -------
    outputs : dict of str to numpy.ndarray
        Each (n, ...), as `predict` gives them.
    losses : dict of str to float
        The mean of every loss term, and their weighted sum `loss`.
    """
    made, terms = stored.AppendedTogether(), stored.AppendedTogether()
    for rows, inputs, targets in _in_order(examples, batch_size):
        n = len(rows)
        outputs = _outputs(model, inputs, n)
        made.append(outputs)
        inputs, targets = ({k: v[:n] for k, v in part.items()} for part in (inputs, targets))
        values = model.terms(*as_tensors((inputs, targets, outputs)))
        terms.append({name: as_numpy(value).astype("float64") for name, value in values.items()})
    means = {name: float(values.mean()) for name, values in terms.arrays().items()}
    loss = sum(float(as_numpy(model.term_weights[name])) * value for name, value in means.items())
    return made.arrays(), {"loss": loss} | means


def as_tensors(arrays: Any) -> Any:
    """Turn the NumPy arrays of any structure into the backend's tensors."""
    return keras.tree.map_structure(ops.convert_to_tensor, arrays)


def as_numpy(tensor: Any) -> np.ndarray:
    """Turn any backend's tensor into a NumPy array."""
    return ops.convert_to_numpy(tensor)


def _in_order(examples, batch_size):
    """Yield (rows, inputs, targets) of batches in order, each filled up to the full size."""
    for start in range(0, len(examples), batch_size):
        rows = np.arange(start, min(start + batch_size, len(examples)))
        yield rows, *examples.take(batching.filled(rows, batch_size))


def _outputs(model, inputs, n):
    outputs = distribution.current().predicted(model, inputs)
    return {name: np.asarray(value)[:n] for name, value in outputs.items()}


def gradient(function: Callable) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Differentiate a function with respect to its input, compiled where that is quick.

    Parameters
    ----------
    function : callable
        Of one float32 tensor, built of `keras.ops` and layers; returns one number, a tensor of shape (). Its weights do
        not change.

    Returns
    -------
    callable
        ``x -> (function(x), d function / d x at x)``, NumPy in and out; x keeps one shape from call to call.
    """
    of_tensor = backend.value_and_gradient(function)

    def of_array(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = of_tensor(np.asarray(x, "float32"))
        return float(value), slope

    return of_array
