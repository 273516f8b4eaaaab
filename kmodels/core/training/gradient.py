"""Gradients with respect to inputs, which `keras.ops` does not have: one code for three backends."""

from collections.abc import Callable

import numpy as np

from kmodels.core.training import backend


def gradient(function: Callable) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Return x -> (function(x), d function / d x at x), compiled where that is quick.

    function: of one float32 tensor, built of `keras.ops` and layers; returns one number, a tensor of shape ().
    The returned function takes and gives NumPy arrays; x keeps one shape from call to call. Weights do not change.
    """
    of_tensor = backend.value_and_gradient(function)

    def of_array(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = of_tensor(np.asarray(x, "float32"))
        return float(value), slope

    return of_array
