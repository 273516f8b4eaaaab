"""PlumeNet: concentrations, winds and maps in SI units in, concentrations out."""

import functools

import numpy as np
from keras import ops

from kmodels.exports.signature import Signature, Tensor
from kmodels.plume.data.encode import EMISSION_SCALE, HEIGHT_SCALE, WIND_SCALE


def signature(recipe) -> Signature:
    """Put the scaling of `kmodels.plume.data.encode` into the network.

    The wind over hills, and what transport alone does, stay inputs.
    """
    c0 = recipe.model.c0

    def to_log(x):
        return ops.log1p(x / c0)

    def from_log(x):
        return np.expm1(x) * np.float32(c0)

    concentration = {"encode": to_log, "decode": from_log}
    maps = "(z, y, x, 3) 1 in the ground; emission [kg s-1]; stack height [m]"
    carried = "(z, y, x, 4) what transport alone gives, see kmodels.plume.data.encode.transport_maps"
    logarithm = f"(z, y, x) log1p(c / {c0:g} kg m-3) one frame later"
    return Signature(
        inputs={
            "past": Tensor("kg m-3", "(frame, z, y, x) concentrations of the frames seen", **concentration),
            "static": Tensor("1, kg s-1, m", maps, _encode_maps, _decode_maps),
            "wind": Tensor("m s-1", "(frame, z, 2) eastward, northward", lambda x: x / WIND_SCALE, _decode_wind),
            "transport": Tensor("kg m-3", carried, **concentration),
            "base": Tensor("kg m-3", "(z, y, x) the forecast that the network corrects", **concentration),
            **_flows(recipe),
        },
        outputs={
            "future": Tensor("1", logarithm),
            "carried": Tensor("1", f"(z, y, x) log1p(c / {c0:g} kg m-3) by transport or the equation alone"),
            **_closures(c0),
            "concentration": Tensor("kg m-3", "(z, y, x) one frame later", lambda x: ops.expm1(x) * c0, None, "future"),
        },
        sample=("n_runs", 4),
        plain={"remat": False},
    )


def _flows(recipe) -> dict[str, Tensor]:
    """Name what base "solver" is given of the wind: at the faces between cells, see `courant_numbers`."""
    grid, seconds = recipe.data.grid, recipe.data.frame_seconds
    faces = {"x": ("(z, y, x + 1, 2)", grid.dx), "y": ("(z, y + 1, x, 2)", grid.dx), "z": ("(z + 1, y, x, 2)", grid.dz)}
    before = "(2,) the wind before: cosine and sine of its angle to the last one, times the ratio of the speeds"
    return {"wind_before": Tensor("1", before)} | {
        f"flow_{axis}": Tensor(
            "m s-1",
            f"{shape} wind over the hills along {axis}, at the faces: of the last frame, and that turned to the left",
            functools.partial(_times, seconds / width),
            functools.partial(_times, width / seconds),
        )
        for axis, (shape, width) in faces.items()
    }


def _closures(c0: float) -> dict[str, Tensor]:
    """Name what base "solver" found on the way; dt: from a frame to the next."""
    amount = f"{c0:g} kg m-3"
    return {
        "missed": Tensor(amount, "(z, y, x) the last frame less its forecast by the equation"),
        "emitted": Tensor(amount, "(z, y, x) what the stacks add in dt"),
        "horizontal": Tensor("1", "(1, 1, 1) horizontal diffusivity, K dt / dx^2"),
        "vertical": Tensor("1", "(z, 1, 1) vertical diffusivity between a level and the one above it, K dt / dz^2"),
        "wind_correction": Tensor("rad, 1", "(2,) angle to the left, and logarithm of the factor, of the wind"),
    }


def _times(factor: float, x):
    return x * np.float32(factor)


def _encode_maps(x):
    ground, emission, height = x[..., 0], x[..., 1], x[..., 2]
    return ops.stack([ground, ops.log1p(emission / EMISSION_SCALE), height / HEIGHT_SCALE], -1)


def _decode_maps(x):
    return np.stack([x[..., 0], np.expm1(x[..., 1]) * EMISSION_SCALE, x[..., 2] * HEIGHT_SCALE], -1)


def _decode_wind(x):
    return x * np.float32(WIND_SCALE)
