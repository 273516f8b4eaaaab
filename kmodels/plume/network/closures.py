"""What the equation of dispersion leaves open, given by a network: diffusivity, plume rise, a lid, a corrected wind."""

import functools
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kmodels.layers.conv3d import Conv3D
from kmodels.plume.data.flow.courant import MOST
from kmodels.plume.network.dispersion import AXES, STABLE, DispersionStep
from kmodels.plume.network.evidence import SHIFTS, ClosureEvidence
from kmodels.plume.network.settings import Settings
from kmodels.plume.simulator.stability import CLASSES

NEUTRAL = CLASSES["D"].diffusivities(1.0)  # K / u [m], horizontal and vertical
LARGEST = 4.0  # logarithm of a coefficient's multiple
CLOSED = 12.0  # and of a level's: a lid lets nothing pass
WIDTH = 48  # of the dense layers
CLOSURES = ("horizontal", "vertical", "emitted", "wind_correction")
REFINEMENTS = 2  # further steps of Gauss and Newton; more begin to explain what is none of the four numbers


class _Found(NamedTuple):
    """What the features tell.

    numbers (batch, 4): logarithms of the diffusivities as multiples of class D's, the angle [rad] and the logarithm of
    the factor of the wind; passing (batch, z, 1, 1): logarithm of a level's multiple of the vertical diffusivity;
    emitted (batch, z, y, x) in a frame [c0]; hidden (batch, WIDTH): what the numbers were made of.
    """

    numbers: object
    passing: object
    emitted: object
    hidden: object


def solve_with_closures(x, inputs: dict, settings: Settings) -> dict:
    """Solve the equation from the last frame on, with the closures that the features x tell.

    A first guess of the closures forecasts the last frame from the one before; how it misses corrects them (see
    `ClosureEvidence`): at first through dense layers, which are trained, then by steps of Gauss and Newton alone. What
    they still miss is added to the forecast:

    ::

        c(t+1) = S(c(t)) + memory (c(t) - S(c(t-1))),   S: the equation over a frame

    Outputs: future; carried, S(c(t)) before those last steps, which is trained; missed, c(t) - S(c(t-1)) [c0]; and the
    closures. `continuation` goes on with them.
    """
    step = DispersionStep(settings.substeps, name="dispersion_step")
    air = 1.0 - inputs["static"][..., 0]
    before, last = (ops.expm1(inputs["past"][:, k]) * air for k in (-2, -1))
    found = _find(x, inputs, settings)

    def weigh(found, name):
        return ClosureEvidence(name=name)(_probe(step, before, inputs, found, air, settings), last, air)

    found = found._replace(numbers=_corrected_numbers(found, weigh(found, "evidence")))
    carried = _solve(step, last, inputs, _closures(found, inputs, settings), air)
    for k in range(REFINEMENTS):
        numbers = ops.stop_gradient(found.numbers) + weigh(found, f"evidence_{k + 1}")[:, : len(SHIFTS)]
        found = found._replace(numbers=numbers)
    closures = _closures(found, inputs, settings)
    missed = (last - _solve(step, before, inputs, closures, air, inputs["wind_before"])) * air
    future = ops.maximum(_solve(step, last, inputs, closures, air) + settings.memory * missed, 0.0)
    return {"future": ops.log1p(future), "carried": ops.log1p(carried), "missed": missed} | closures


@functools.lru_cache(maxsize=8)  # to be compiled once
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
        network's outputs `CLOSURES` and missed, the latter times memory for every step since. Output: future.
    """
    given = {tensor.name: tensor for tensor in network.inputs}
    shapes = {name: given[name].shape[1:] for name in ("static", *AXES)}
    shapes |= {name: network.output[name].shape[1:] for name in (*CLOSURES, "missed")} | {"last": network.grid}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    air = 1.0 - inputs["static"][..., 0]
    step = DispersionStep(network.substeps, name="dispersion_step")
    carried = _solve(step, ops.expm1(inputs["last"]) * air, inputs, inputs, air)
    future = ops.maximum(carried + network.memory * inputs["missed"], 0.0)
    return keras.Model(inputs, {"future": ops.log1p(future)})


def _solve(step: DispersionStep, field, inputs: dict, closures: dict, air, turned=None):
    """Advance a field [c0] by one frame, never negative; turned (batch, 2): cosine and sine of another wind."""
    future = step(
        field,
        _limited_flows(_corrected_flows(closures["wind_correction"], inputs, turned), step.substeps),
        closures["emitted"],
        ops.minimum(closures["horizontal"], STABLE * step.substeps),
        closures["vertical"] * ops.ones_like(air),
        air,
    )
    return ops.maximum(future, 0.0) * air


def _probe(step: DispersionStep, before, inputs: dict, found: _Found, air, settings: Settings):
    """Forecast the last frame from the one before, and with each of the numbers shifted: (5, batch, z, y, x)."""
    shifts = np.vstack([np.zeros(len(SHIFTS)), np.diag(SHIFTS)]).astype("float32")

    def repeated(values):
        return ops.concatenate([values] * len(shifts), axis=0)

    numbers = ops.concatenate([ops.stop_gradient(found.numbers) + shift for shift in shifts], axis=0)
    passing, emitted = (repeated(ops.stop_gradient(of)) for of in (found.passing, found.emitted))
    many = {name: repeated(inputs[name]) for name in (*AXES, "wind", "wind_before")}
    closures = _closures(_Found(numbers, passing, emitted, None), many, settings)
    forecasts = _solve(step, repeated(before), many, closures, repeated(air), many["wind_before"])
    return ops.reshape(forecasts, (len(shifts), -1, *settings.grid))


def _closures(found: _Found, inputs: dict, settings: Settings) -> dict:
    """Make the coefficients of the equation: a tensor for each of `CLOSURES`."""
    stretch = found.numbers[:, 3]  # of the wind, which the diffusivities are proportional to
    horizontal, vertical = (
        ops.reshape(_limited(found.numbers[:, k], LARGEST) + stretch + ops.log(number), (-1, 1, 1, 1))
        for k, number in enumerate(_neutral_diffusion(inputs["wind"], settings))
    )
    return {
        "horizontal": ops.exp(horizontal),
        "vertical": ops.exp(vertical + found.passing),
        "emitted": found.emitted,
        "wind_correction": found.numbers[:, 2:],
    }


def _find(x, inputs: dict, settings: Settings) -> _Found:
    """Make a first guess from the features in the cloud, its mass by level, and the wind's profile."""
    dense = functools.partial(layers.Dense, dtype=settings.policy)
    air = 1.0 - inputs["static"][..., 0]
    cloud = (inputs["past"][:, -1] * air)[..., None] + 1e-3
    wide = ops.cast(dense(2 * settings.filters, activation="relu", name="closure_cells")(x), "float32")
    weight, features = ops.sum(cloud, axis=(2, 3)), ops.sum(wide * cloud, axis=(2, 3))  # of levels
    mass = ops.transpose(_mass_of_levels(inputs["past"], air), (0, 2, 1))  # (batch, z, past)
    profile = ops.concatenate([_profile(inputs["wind"]), ops.reshape(mass, (-1, mass.shape[1] * mass.shape[2]))], -1)
    hidden = ops.concatenate([ops.sum(features, axis=1) / ops.sum(weight, axis=1), profile], axis=-1)
    for k in (0, 1):
        hidden = dense(WIDTH, activation="relu", name=f"closure_{k}")(hidden)
    numbers = ops.cast(dense(4, kernel_initializer="zeros", name="closure")(hidden), "float32")
    levels = ops.concatenate([features / weight, mass, ops.ones_like(weight) * hidden[:, None]], axis=-1)
    for k, width in enumerate((32, 16)):
        levels = layers.Conv1D(width, 3, padding="same", activation="relu", dtype=settings.policy, name=f"passing_{k}")(
            levels
        )
    passing = layers.Conv1D(1, 1, kernel_initializer="zeros", dtype=settings.policy, name="passing")(levels)
    passing = _limited(ops.cast(passing, "float32"), CLOSED)[..., None]
    return _Found(numbers, passing, _emitted(x, inputs, settings), hidden)


def _corrected_numbers(found: _Found, evidence):
    """Correct the first guess by how it missed the last frame."""
    hidden = ops.concatenate([ops.cast(found.hidden, "float32"), evidence], axis=-1)
    hidden = layers.Dense(WIDTH, activation="relu", dtype="float32", name="correction_0")(hidden)
    hidden = ops.concatenate([hidden, evidence], axis=-1)
    return found.numbers + layers.Dense(4, kernel_initializer="zeros", dtype="float32", name="correction")(hidden)


def _emitted(x, inputs: dict, settings: Settings):
    """Share out what each column's stacks emit in a frame among its levels: (batch, z, y, x) [c0]."""
    air = 1.0 - inputs["static"][..., 0]
    level = Conv3D(settings.filters, 3, padding="same", activation="relu", dtype=settings.policy, name="level_0")(x)
    level = ops.cast(Conv3D(1, 1, dtype=settings.policy, name="level")(level), "float32")[..., 0]
    rate = ops.sum(ops.expm1(inputs["static"][..., 1]), axis=1, keepdims=True)  # g/s
    amount = 1e-3 * settings.seconds / math.prod(settings.cell) / settings.c0
    return ops.softmax(level - 1e9 * (1.0 - air), axis=1) * rate * amount


def _mass_of_levels(past, air):
    """Sum up each level of each frame: its logarithm, (batch, past, z), about 1."""
    return ops.log1p(ops.sum(ops.expm1(past) * air[:, None], axis=(3, 4))) / 10.0


def _limited(log, largest):
    """Keep a logarithm within +-largest, smoothly."""
    return largest * ops.tanh(log / largest)


def _speed(wind):
    """Compute the speed of every level in the last frame, (batch, z) [10 m/s]; nothing is quite calm."""
    return ops.sqrt(ops.sum(ops.square(wind[:, -1]), axis=-1) + 1e-6)


def _profile(wind):
    """Compute the logarithm of the lowest level's speed, and how it grows from level to level: (batch, z)."""
    speed = ops.log(_speed(wind))
    return ops.concatenate([speed[:, :1], 10.0 * (speed[:, 1:] - speed[:, :-1])], axis=-1)


def _neutral_diffusion(wind, settings: Settings):
    """Compute K dt / dx^2 and K dt / dz^2 of class D, (batch,) each: K is a length times the lowest level's wind."""
    dz, _, dx = settings.cell
    speed = 10.0 * _speed(wind)[:, 0]
    return [length * speed * settings.seconds / width**2 for length, width in zip(NEUTRAL, (dx, dz), strict=True)]


def _limited_flows(flows: dict, substeps: int) -> dict:
    """Slow a wind down, the whole of it, that would cross more than a cell in a substep."""
    most = functools.reduce(ops.maximum, [ops.max(ops.abs(flow), axis=(1, 2, 3)) for flow in flows.values()])
    factor = ops.reshape(1.0 / ops.maximum(most / (MOST * substeps), 1.0), (-1, 1, 1, 1))
    return {name: factor * flow for name, flow in flows.items()}


def _corrected_flows(correction, flows: dict, turned=None) -> dict:
    """Turn and stretch the given wind; turned (batch, 2): first into another frame's."""
    turn, stretch = correction[:, 0], correction[:, 1]
    along, across = ops.exp(stretch) * ops.cos(turn), ops.exp(stretch) * ops.sin(turn)
    if turned is not None:
        cos, sin = turned[:, 0], turned[:, 1]
        along, across = along * cos - across * sin, along * sin + across * cos
    along, across = (ops.reshape(part, (-1, 1, 1, 1)) for part in (along, across))
    return {name: along * flows[name][..., 0] + across * flows[name][..., 1] for name in AXES}
