"""What the network is trained on. Fields are log1p(c / c0), (batch, z, y, x); air is 1 above ground and else 0."""

from keras import ops

AXES = (1, 2, 3)


def log_error(truth, forecast, air):
    """Average (forecast - truth)^2 over the air's cells: (batch,). A factor counts, not a difference."""
    return ops.sum(air * ops.square(forecast - truth), axis=AXES) / ops.maximum(ops.sum(air, axis=AXES), 1.0)


def mass_error(truth, forecast, air):
    """Square the logarithm of the ratio of the masses, (batch,): errors in log space leave a bias in the sum.

    Masses are in units of c0 times a cell, one of which is added to both, so that an empty volume has none.
    """
    masses = (ops.sum(air * ops.expm1(field), axis=AXES) for field in (forecast, truth))
    forecast, truth = (ops.log1p(mass) for mass in masses)
    return ops.square(forecast - truth)


def peak_error(truth, forecast, air):
    """Compute sum (c' - c)^2 / sum c^2 of the concentrations, (batch,): in log space a peak counts like any cell.

    In units of c0; one is added to the denominator, so that an empty volume has none that is zero.
    """
    forecast, truth = ops.expm1(forecast), ops.expm1(truth)
    return ops.sum(air * ops.square(forecast - truth), axis=AXES) / (ops.sum(air * ops.square(truth), axis=AXES) + 1.0)
