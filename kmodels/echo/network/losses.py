"""The loss terms. Depths are (batch, y, x) [m]; valid is 1 where the true depth is known, else 0."""

from keras import ops

AXES = (1, 2)
NEAREST = 0.1  # m


def mean_absolute(values, valid):
    """Average |values| over the valid pixels of each image: (batch,), 0 where there is none."""
    return ops.sum(valid * ops.abs(values), axis=AXES) / ops.maximum(ops.sum(valid, axis=AXES), 1.0)


def depth_error(truth, depth, valid, relative: float = 0.0, quantile: float = 0.5):
    """Compute mean |depth - truth| + relative mean |log(depth / truth)|, in metres and parts of one: (batch,).

    Depths below NEAREST count as that in the logarithm. A depth that is too near counts 2 quantile times, one that is
    too far 2 (1 - quantile) times: where several depths are possible, the best answer is that quantile of them (Koenker
    and Bassett 1978, Econometrica 46, 33).
    """
    errors = [depth - truth]
    if relative:
        ratio = ops.log(ops.maximum(depth, NEAREST)) - ops.log(ops.maximum(truth, NEAREST))
        errors.append(relative * ratio)
    if quantile != 0.5:
        side = ops.where(depth < truth, 2 * quantile, 2 * (1 - quantile))
        errors = [side * error for error in errors]
    return sum(mean_absolute(error, valid) for error in errors)


def sparsity(residual, valid):
    """Compute the mean size of the residual [m]: (batch,)."""
    return mean_absolute(residual, valid)


def partly_detached(value, gate):
    """Return `value` with its gradient multiplied by 1 - gate, a variable that a schedule moves."""
    return value + gate * (ops.stop_gradient(value) - value)
