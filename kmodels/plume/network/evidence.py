"""What the miss of a forecast says about the equation's coefficients: one robust step of Gauss and Newton."""

import math

import keras
import numpy as np
from keras import layers, ops

SHIFTS = (0.5, 0.5, 0.1, 0.1)  # of the coefficients, each by itself: logarithms of K_h and K_v, angle, log of the speed
SPREADS = (0.5, 0.5, 0.2, 0.2)  # standard deviations that they are taken to have
NOISE = 1.0  # of a miss; large, since those of neighbouring cells are alike
OUTLIER = 0.1  # misses of a logarithm above this count less and less: release and lid are none of the coefficients
CLEAN = 0.1  # c / c0 of forecast and truth together below which a cell tells nothing
LARGEST_MISS, LARGEST_EFFECT, LARGEST_STEP = 3.0, 10.0, 1.5


@keras.saving.register_keras_serializable("kmodels.plume")
class ClosureEvidence(layers.Layer):
    """Estimate what would have made a forecast right.

    ::

        minimise  sum w (r - J d)^2 / NOISE^2 + sum (d / SPREADS)^2,   w = 1 / (1 + (r - J d)^2 / s^2)
        r = ln (seen + 1) / (forecast + 1),   J: how ln (forecast + 1) changes with each coefficient

    d: logarithms of the horizontal and the vertical diffusivity, angle [rad] and logarithm of the speed of the wind.
    w is that of the solution with w = 1, s half the root mean square of what that leaves, and OUTLIER. No gradient
    passes.
    """

    def __init__(self, **options):
        super().__init__(**(options | {"dtype": "float32"}))

    def call(self, forecasts, seen, air):
        """Weigh the evidence.

        Parameters
        ----------
        forecasts : tensor (5, batch, z, y, x)
            The last frame, forecast from the one before, and with each coefficient shifted by one of SHIFTS [c0].
        seen : tensor (batch, z, y, x)
            As it was.
        air : tensor (batch, z, y, x)
            1 above ground.

        Returns
        -------
        tensor (batch, 10)
            d; the logarithm of how well each coefficient is determined; and that of the mean squared miss before and
            after.
        """
        logs = ops.log1p(forecasts)
        effects = [(logs[k + 1] - logs[0]) / shift for k, shift in enumerate(SHIFTS)]
        jacobian = ops.stack([_flat(_bounded(effect * air, LARGEST_EFFECT)) for effect in effects], axis=-1)
        miss = _flat(_bounded((ops.log1p(seen) - logs[0]) * air, LARGEST_MISS))
        cloud = _flat(air * ops.cast(seen + forecasts[0] > CLEAN, "float32"))
        weight, step = cloud, _solve(jacobian, miss, cloud)
        left = ops.square(miss - _applied(jacobian, step))
        scale = OUTLIER + 0.5 * ops.sqrt(_mean(left, cloud))[:, None]
        weight = cloud / (1.0 + left / ops.square(scale))
        step = _solve(jacobian, miss, weight)
        information = ops.sum(weight[..., None] * ops.square(jacobian), axis=1)
        after = ops.square(miss - _applied(jacobian, step))
        errors = ops.stack([_mean(ops.square(miss), weight), _mean(after, weight)], axis=-1)
        told = [step, ops.log(information + 1e-3) / 5.0, ops.log(errors + 1e-8) / 5.0]
        return ops.stop_gradient(ops.concatenate(told, axis=-1))

    def compute_output_shape(self, forecasts_shape, *others, **named):
        """Return (batch, 10)."""
        return forecasts_shape[1], 10


def _solve(jacobian, miss, weight):
    """Solve the normal equations, (batch, 4), by elimination written out; the prior keeps all pivots above 0."""
    weighted = ops.transpose(jacobian * weight[..., None], (0, 2, 1))
    prior = ops.convert_to_tensor(np.diag((NOISE / np.array(SPREADS)) ** 2), "float32")
    normal = ops.matmul(weighted, jacobian) + prior
    table = ops.concatenate([normal, ops.matmul(weighted, miss[..., None])], axis=-1)
    for k in range(len(SPREADS)):
        row = table[:, k] / table[:, k, k : k + 1]
        unit = ops.convert_to_tensor(np.eye(len(SPREADS))[k][None, :, None], "float32")
        table = table - table[:, :, k : k + 1] * row[:, None] + unit * row[:, None]
    return _bounded(table[..., -1], LARGEST_STEP)


def _applied(jacobian, step):
    return ops.sum(jacobian * step[:, None], axis=-1)


def _mean(values, weight):
    return ops.sum(values * weight, axis=1) / (ops.sum(weight, axis=1) + 1.0)


def _bounded(values, largest: float):
    return ops.clip(values, -largest, largest)


def _flat(field):
    return ops.reshape(field, (-1, math.prod(field.shape[1:])))
