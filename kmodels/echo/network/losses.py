"""The loss terms. Depths are (batch, y, x) [m]; valid is 1 where the true depth is known, else 0."""

from keras import ops

AXES = (1, 2)


def mean_absolute(values, valid):
    """Average |values| over the valid pixels of each image: (batch,), 0 where there is none."""
    return ops.sum(valid * ops.abs(values), axis=AXES) / ops.maximum(ops.sum(valid, axis=AXES), 1.0)


def reconstruction(truth, depth, valid):
    """Compute the L1 error of the final depth [m]: (batch,)."""
    return mean_absolute(depth - truth, valid)


def base_error(coarse_depth, base, valid):
    """Compute the L1 error of the base against the low-passed truth [m]: (batch,)."""
    return mean_absolute(base - coarse_depth, valid)


def sparsity(residual, valid):
    """Compute the mean size of the residual [m]: (batch,)."""
    return mean_absolute(residual, valid)


def partly_detached(value, gate):
    """Return `value` with its gradient multiplied by 1 - gate, a variable that a schedule moves."""
    return value + gate * (ops.stop_gradient(value) - value)
