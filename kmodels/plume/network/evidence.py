"""What the miss of a forecast says about the equation's coefficients: one weighted step of Gauss and Newton."""

import math

import keras
from keras import layers, ops

from kmodels.plume.network.dispersion import AXES, diffuse, divergence, mix, opened_faces

PROBE = 0.3  # of the vertical diffusivity, whose effect saturates: a column is mixed or not
OUTLIER = 0.1  # misses of a logarithm above this count less and less: release and lid are none of the coefficients
RIDGE = 1e-3  # of the normal equations, relative to their trace, and absolute
CLEAN = 0.1  # c / c0 of forecast and truth together below which a cell tells nothing
LARGEST = 2.0  # miss or effect in a cell, step


@keras.saving.register_keras_serializable("kmodels.plume")
class ClosureEvidence(layers.Layer):
    """Estimate what would have made a forecast right.

    ::

        minimise  sum w (r - J d)^2,   r = ln (seen + 1) / (forecast + 1),   J_k = d ln (forecast + 1) / d theta_k

    theta: logarithms of the horizontal and the vertical diffusivity, angle of the wind, logarithm of its speed. J is
    their effect on the forecast field in one frame, to first order; w = 1 / (1 + (r - J d)^2 / OUTLIER^2) of the
    solution with w = 1. No gradient passes.
    """

    def __init__(self, **options):
        super().__init__(**(options | {"dtype": "float32"}))

    def call(self, forecast, seen, flows, horizontal, vertical, air):
        """Weigh the evidence.

        Parameters
        ----------
        forecast, seen : tensor (batch, z, y, x)
            The last frame, forecast from the one before, and as it was [c0].
        flows : dict of tensor
            flow_x, flow_y and flow_z of the network, along the wind and across it.
        horizontal, vertical : tensor
            That the forecast was made with, see `DispersionStep`.
        air : tensor (batch, z, y, x)
            1 above ground.

        Returns
        -------
        tensor (batch, 10)
            The step d, within +-LARGEST; the logarithm of how well each theta is determined; and that of the mean
            squared miss before and after.
        """
        effects = _effects(forecast, flows, horizontal, vertical, air)
        jacobian = ops.stack([_flat(_bounded(effect / (forecast + 1.0))) for effect in effects], axis=-1)
        miss = _flat(_bounded((ops.log1p(seen) - ops.log1p(forecast)) * air))
        cloud = _flat(air * ops.cast(seen + forecast > CLEAN, "float32"))
        step, _ = _solve(jacobian, miss, cloud)
        weight = cloud / (1.0 + ops.square((miss - _applied(jacobian, step)) / OUTLIER))
        step, information = _solve(jacobian, miss, weight)
        total = ops.sum(weight, axis=1) + 1.0
        left = [ops.sum(weight * ops.square(r), axis=1) / total for r in (miss, miss - _applied(jacobian, step))]
        told = [_bounded(step), ops.log(information + 1e-3) / 5.0, ops.log(ops.stack(left, axis=-1) + 1e-8) / 5.0]
        return ops.stop_gradient(ops.concatenate(told, axis=-1))

    def compute_output_shape(self, forecast_shape, *others, **named):
        """Return (batch, 10)."""
        return forecast_shape[0], 10


def _effects(field, flows: dict, horizontal, vertical, air) -> list:
    """Compute what a larger logarithm of each coefficient, or a turned wind, makes of a field in a frame."""
    spread = field
    for name in ("flow_x", "flow_y"):
        spread = diffuse(spread, horizontal * opened_faces(air, AXES[name]), AXES[name])
    mixed = mix(field, PROBE * vertical, air)
    winds = [{name: flows[name][..., k] for name in AXES} for k in (1, 0)]  # across, along
    changes = [spread - field, (mixed - field) / PROBE, *(-divergence(field, wind) for wind in winds)]
    return [change * air for change in changes]


def _solve(jacobian, miss, weight):
    """Solve the normal equations: the step (batch, 4) and the diagonal (batch, 4)."""
    weighted = jacobian * weight[..., None]
    normal = ops.matmul(ops.transpose(weighted, (0, 2, 1)), jacobian)
    right = ops.sum(weighted * miss[..., None], axis=1)
    information = ops.sum(weighted * jacobian, axis=1)
    ridge = RIDGE * (ops.sum(information, axis=1) + 1.0)
    table = ops.concatenate([normal + ridge[:, None, None] * ops.eye(4), right[..., None]], axis=-1)
    for k in range(4):  # eliminated by hand, see `_implicit_diffusion`; the ridge keeps all pivots above 0
        row = table[:, k] / table[:, k, k : k + 1]
        table = table - table[:, :, k : k + 1] * row[:, None] + ops.eye(4)[k][None, :, None] * row[:, None]
    return table[..., 4], information


def _applied(jacobian, step):
    return ops.sum(jacobian * step[:, None], axis=-1)


def _bounded(values):
    return ops.clip(values, -LARGEST, LARGEST)


def _flat(field):
    return ops.reshape(field, (-1, math.prod(field.shape[1:])))
