"""What the equation of dispersion leaves open, given by a network: diffusivity, plume rise, a corrected wind."""

import functools
import math

import keras
from keras import layers, ops

from kmodels.layers.conv3d import Conv3D
from kmodels.plume.network.dispersion import AXES, STABLE, DispersionStep
from kmodels.plume.network.settings import Settings
from kmodels.plume.simulator.stability import CLASSES

NEUTRAL = CLASSES["D"].diffusivities(1.0)  # K / u [m], horizontal and vertical
LARGEST = 4.0  # logarithm of a coefficient's multiple
CLOSED = 12.0  # and of a level's: a lid lets nothing pass


CLOSURES = ("horizontal", "vertical", "emitted", "wind_correction")


def solve_with_closures(x, inputs: dict, settings: Settings) -> dict:
    """Solve the equation from the last frame on, with the closures that the features x tell.

    Outputs: future, and the closures. `continuation` goes on with them.
    """
    closures = _closures(x, inputs, settings)
    return {"future": _solve(inputs["past"][:, -1], inputs, closures, settings.substeps)} | closures


def continuation(network: keras.Model) -> keras.Model:
    """Make the model of the next step under closures that were found before.

    They belong to the weather and the stacks, not to the minute: whoever forecasts many frames looks for them once.

    Parameters
    ----------
    network : PlumeNet
        With base "solver".

    Returns
    -------
    keras.Model
        Inputs: last (batch, z, y, x) = log1p(c / c0); static, flow_x, flow_y, flow_z as the network's, and the
        network's outputs `CLOSURES`. Output: future.
    """
    given = {tensor.name: tensor for tensor in network.inputs}
    shapes = {name: given[name].shape[1:] for name in ("static", *AXES)}
    shapes |= {name: network.output[name].shape[1:] for name in CLOSURES} | {"last": network.grid}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    return keras.Model(inputs, {"future": _solve(inputs["last"], inputs, inputs, network.substeps)})


def _solve(last, inputs: dict, closures: dict, substeps: int):
    """Advance log1p(c / c0) by one frame."""
    air = 1.0 - inputs["static"][..., 0]
    future = DispersionStep(substeps, name="dispersion_step")(
        ops.expm1(last) * air,
        _corrected(closures["wind_correction"], inputs),
        closures["emitted"],
        closures["horizontal"],
        closures["vertical"] * ops.ones_like(air),
        air,
    )
    return ops.log1p(ops.maximum(future, 0.0) * air)


def _closures(x, inputs: dict, settings: Settings) -> dict:
    """Give what the equation leaves open: a tensor for each of `CLOSURES`."""
    air = 1.0 - inputs["static"][..., 0]
    level = Conv3D(settings.filters, 3, padding="same", activation="relu", dtype=settings.policy, name="level_0")(x)
    level = Conv3D(1, 1, dtype=settings.policy, name="level")(level)
    levels = ops.softmax(ops.cast(level, "float32")[..., 0] - 1e9 * (1.0 - air), axis=1)
    rate = ops.sum(ops.expm1(inputs["static"][..., 1]), axis=1, keepdims=True)  # g/s
    amount = 1e-3 * settings.seconds / math.prod(settings.cell) / settings.c0
    numbers, passing = _closure(x, inputs, settings)
    horizontal, vertical = (
        ops.reshape(_limited(numbers[:, k], LARGEST) + ops.log(number), (-1, 1, 1, 1))
        for k, number in enumerate(_neutral_diffusion(inputs["wind"], settings))
    )
    return {
        "horizontal": ops.minimum(ops.exp(horizontal), STABLE * settings.substeps),
        "vertical": ops.exp(vertical + ops.reshape(passing, (-1, settings.grid[0], 1, 1))),
        "emitted": levels * rate * amount,
        "wind_correction": numbers[:, 2:],
    }


def _closure(x, inputs: dict, settings: Settings):
    """Give four numbers of the whole volume, (batch, 4), and one of every level, (batch, z).

    From the features in the cloud, the cloud's mass by level in each frame, and the wind's profile.
    """
    dense = functools.partial(layers.Dense, dtype=settings.policy)
    air = 1.0 - inputs["static"][..., 0]
    cloud = (inputs["past"][:, -1] * air)[..., None] + 1e-3
    wide = ops.cast(dense(2 * settings.filters, activation="relu", name="closure_cells")(x), "float32")
    weight = ops.sum(cloud, axis=(2, 3))
    by_level = ops.sum(wide * cloud, axis=(2, 3))  # (batch, z, features)
    mean = ops.sum(by_level, axis=1) / ops.sum(weight, axis=1)
    by_level = by_level / weight
    speed = ops.log(_speed(inputs["wind"]))
    shear = 10.0 * (speed[:, 1:] - speed[:, :-1])
    masses = ops.log1p(ops.sum(ops.expm1(inputs["past"]) * air[:, None], axis=(3, 4)))  # (batch, past, z)
    masses = ops.transpose(masses, (0, 2, 1)) / 10.0
    cells = ops.sum(air, axis=(2, 3))[..., None] / (settings.grid[1] * settings.grid[2])
    hidden = ops.concatenate(
        [mean, speed[:, :1], shear, ops.reshape(masses, (-1, masses.shape[1] * masses.shape[2]))], axis=-1
    )
    for k in (0, 1):
        hidden = dense(48, activation="relu", name=f"closure_{k}")(hidden)
    numbers = ops.cast(dense(4, kernel_initializer="zeros", name="closure")(hidden), "float32")
    everywhere = ops.ones_like(weight) * hidden[:, None]
    h = ops.concatenate([by_level, masses, cells, everywhere], axis=-1)
    h = layers.Conv1D(32, 3, padding="same", activation="relu", dtype=settings.policy, name="passing_0")(h)
    h = layers.Conv1D(16, 3, padding="same", activation="relu", dtype=settings.policy, name="passing_1")(h)
    passing = layers.Conv1D(1, 1, kernel_initializer="zeros", dtype=settings.policy, name="passing")(h)[..., 0]
    return numbers, _limited(ops.cast(passing, "float32"), CLOSED)


def _limited(log, largest):
    """Keep a logarithm within +-largest, smoothly."""
    return largest * ops.tanh(log / largest)


def _speed(wind):
    """Compute the speed of every level in the last frame, (batch, z) [10 m/s]; nothing is quite calm."""
    return ops.sqrt(ops.sum(ops.square(wind[:, -1]), axis=-1) + 1e-6)


def _neutral_diffusion(wind, settings: Settings):
    """Compute K dt / dx^2 and K dt / dz^2 of class D, (batch,) each: K is a length times the lowest level's wind."""
    dz, _, dx = settings.cell
    speed = 10.0 * _speed(wind)[:, 0]
    return [length * speed * settings.seconds / width**2 for length, width in zip(NEUTRAL, (dx, dz), strict=True)]


def _corrected(correction, flows: dict) -> dict:
    """Turn and stretch the given wind."""
    turn, stretch = (ops.reshape(correction[:, k], (-1, 1, 1, 1)) for k in (0, 1))
    along, across = ops.exp(stretch) * ops.cos(turn), ops.exp(stretch) * ops.sin(turn)
    return {name: along * flows[name][..., 0] + across * flows[name][..., 1] for name in AXES}
