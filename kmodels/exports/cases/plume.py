"""PlumeNet: concentrations, winds and maps in SI units in, concentrations out."""

import numpy as np
from keras import ops

from kmodels.exports.signature import Signature, Tensor
from kmodels.plume.data.encode import EMISSION_SCALE, HEIGHT_SCALE, WIND_SCALE


def signature(recipe) -> Signature:
    """Put the scaling of `kmodels.plume.data.encode` into the network; what transport alone does stays an input."""
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
        },
        outputs={
            "future": Tensor("1", logarithm),
            "carried": Tensor("1", f"(z, y, x) log1p(c / {c0:g} kg m-3) by transport alone"),
            "concentration": Tensor("kg m-3", "(z, y, x) one frame later", lambda x: ops.expm1(x) * c0, None, "future"),
        },
        sample=("n_runs", 4),
        plain={"remat": False},
    )


def _encode_maps(x):
    ground, emission, height = x[..., 0], x[..., 1], x[..., 2]
    return ops.stack([ground, ops.log1p(emission / EMISSION_SCALE), height / HEIGHT_SCALE], -1)


def _decode_maps(x):
    return np.stack([x[..., 0], np.expm1(x[..., 1]) * EMISSION_SCALE, x[..., 2] * HEIGHT_SCALE], -1)


def _decode_wind(x):
    return x * np.float32(WIND_SCALE)
