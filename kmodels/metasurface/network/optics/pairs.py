"""Complex fields as pairs of real and imaginary part: Keras has no complex weights and gradients on every backend."""

import numpy as np
from keras import ops


def tensors(*arrays: np.ndarray) -> list:
    """Constants as the backend's: torch multiplies no tensor that asks for a gradient with an array."""
    return [ops.convert_to_tensor(values) for values in arrays]


def pair(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part a complex array."""
    return np.ascontiguousarray(values.real, "float32"), np.ascontiguousarray(values.imag, "float32")


def cis(phase):
    """exp(i phase)."""
    return ops.cos(phase), ops.sin(phase)


def multiply(a, b):
    """Multiply complex numbers."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def matmul_right(a, matrix):
    """Complex fields times a complex matrix from the right."""
    real, imaginary = matrix
    return (
        ops.matmul(a[0], real) - ops.matmul(a[1], imaginary),
        ops.matmul(a[0], imaginary) + ops.matmul(a[1], real),
    )


def transposed(field):
    """Swap the last two axes."""
    return tuple(ops.swapaxes(part, -1, -2) for part in field)


def interpolate(between, values):
    """Interpolate (batch, w, ...) of values at the nodes (batch, nodes, ...), the last axes as one."""
    nodes = values.shape[1]
    return ops.matmul(between, ops.reshape(values, (-1, nodes, int(np.prod(values.shape[2:], dtype=int)))))
