"""The loss terms. Depths are (batch, y, x) [m]; valid is 1 where the true depth is known, else 0."""

from keras import ops

AXES = (1, 2)
NEAREST = 0.1  # m


def mean_absolute(values, valid):
    """Average |values| over the valid pixels of each image: (batch,), 0 where there is none."""
    return ops.sum(valid * ops.abs(values), axis=AXES) / ops.maximum(ops.sum(valid, axis=AXES), 1.0)


def depth_error(truth, depth, valid, relative: float = 0.0):
    """Compute mean |depth - truth| + relative mean |log(depth / truth)|, in metres and parts of one: (batch,).

    Depths below NEAREST count as that in the logarithm.
    """
    error = mean_absolute(depth - truth, valid)
    if not relative:
        return error
    ratio = ops.log(ops.maximum(depth, NEAREST)) - ops.log(ops.maximum(truth, NEAREST))
    return error + relative * mean_absolute(ratio, valid)


def sparsity(residual, valid):
    """Compute the mean size of the residual [m]: (batch,)."""
    return mean_absolute(residual, valid)


def partly_detached(value, gate):
    """Return `value` with its gradient multiplied by 1 - gate, a variable that a schedule moves."""
    return value + gate * (ops.stop_gradient(value) - value)
