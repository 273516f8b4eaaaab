"""What the equation of dispersion leaves open, given by a network: diffusivity, plume rise, a corrected wind."""

import functools
import math

from keras import layers, ops

from kmodels.layers.conv3d import Conv3D
from kmodels.plume.network.dispersion import AXES, STABLE, DispersionStep
from kmodels.plume.network.settings import Settings
from kmodels.plume.simulator.stability import CLASSES

NEUTRAL = CLASSES["D"].diffusivities(1.0)  # K / u [m], horizontal and vertical
LARGEST = 4.0  # logarithm of a coefficient's multiple


def solve_with_closures(x, inputs: dict, settings: Settings) -> dict:
    """Solve the equation from the last frame on, with the coefficients that the features x tell.

    For the whole volume: the diffusivities as multiples of class D's, and what the given wind is turned and stretched
    by. For every cell: a multiple of the vertical diffusivity (a lid has none), and the share of each level in what a
    stack emits. All begin at class D and the given wind.
    """
    air = 1.0 - inputs["static"][..., 0]

    def of_cells(name, **options):
        return ops.cast(Conv3D(1, 1, dtype=settings.policy, name=name, **options)(x), "float32")[..., 0]

    closure = _closure(x, inputs, settings)
    horizontal, vertical = (
        ops.reshape(_limited(closure[:, k]) + ops.log(number), (-1, 1, 1, 1))
        for k, number in enumerate(_neutral_diffusion(inputs["wind"], settings))
    )
    local = _limited(of_cells("diffusivity", kernel_initializer="zeros"))
    levels = ops.softmax(of_cells("level") - 1e9 * (1.0 - air), axis=1)
    rate = ops.sum(ops.expm1(inputs["static"][..., 1]), axis=1, keepdims=True)  # g/s
    amount = 1e-3 * settings.seconds / math.prod(settings.cell) / settings.c0
    future = DispersionStep(settings.substeps, name="dispersion_step")(
        ops.expm1(inputs["past"][:, -1]) * air,
        _corrected(closure, inputs),
        levels * rate * amount,
        ops.minimum(ops.exp(horizontal), STABLE * settings.substeps),
        ops.exp(vertical + local),
        air,
    )
    return {"future": ops.log1p(ops.maximum(future, 0.0) * air)}


def _closure(x, inputs: dict, settings: Settings):
    """Give four numbers of the whole volume, (batch, 4), from the features in the cloud and the wind's profile."""
    dense = functools.partial(layers.Dense, dtype=settings.policy)
    air = 1.0 - inputs["static"][..., 0]
    cloud = (inputs["past"][:, -1] * air)[..., None] + 1e-3
    wide = dense(2 * settings.filters, activation="relu", name="closure_cells")(x)
    mean = ops.sum(ops.cast(wide, "float32") * cloud, axis=(1, 2, 3)) / ops.sum(cloud, axis=(1, 2, 3))
    speed = ops.log(_speed(inputs["wind"]))
    profile = ops.concatenate([speed[:, :1], 10.0 * (speed[:, 1:] - speed[:, :-1])], axis=-1)
    hidden = ops.concatenate([mean, profile], axis=-1)
    for k in (0, 1):
        hidden = dense(48, activation="relu", name=f"closure_{k}")(hidden)
    return ops.cast(dense(4, kernel_initializer="zeros", name="closure")(hidden), "float32")


def _limited(log):
    """Keep a logarithm within +-LARGEST, smoothly."""
    return LARGEST * ops.tanh(log / LARGEST)


def _speed(wind):
    """Compute the speed of every level in the last frame, (batch, z) [10 m/s]; nothing is quite calm."""
    return ops.sqrt(ops.sum(ops.square(wind[:, -1]), axis=-1) + 1e-6)


def _neutral_diffusion(wind, settings: Settings):
    """Compute K dt / dx^2 and K dt / dz^2 of class D, (batch,) each: K is a length times the lowest level's wind."""
    dz, _, dx = settings.cell
    speed = 10.0 * _speed(wind)[:, 0]
    return [length * speed * settings.seconds / width**2 for length, width in zip(NEUTRAL, (dx, dz), strict=True)]


def _corrected(closure, inputs: dict) -> dict:
    """Turn and stretch the given wind."""
    turn, stretch = (ops.reshape(closure[:, k], (-1, 1, 1, 1)) for k in (2, 3))
    along, across = ops.exp(stretch) * ops.cos(turn), ops.exp(stretch) * ops.sin(turn)
    return {name: along * inputs[name][..., 0] + across * inputs[name][..., 1] for name in AXES}
