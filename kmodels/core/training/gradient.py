"""Gradients with respect to inputs, which `keras.ops` does not have: one code for three backends."""

from collections.abc import Callable

import numpy as np

from kmodels.core.training import backend


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
