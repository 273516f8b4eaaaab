"""EchoNet and RangeAzimuthNet: what was heard in, depths out."""

import numpy as np
from keras import ops

from kmodels.echo.data.encode import QUIET
from kmodels.exports.signature import Signature, Tensor


def signature(recipe) -> Signature:
    """Put the logarithm of a spectrogram's magnitude into the network, where the recipe takes one."""
    return Signature(
        inputs=_spectrogram(recipe) if recipe.model.front_end == "spectrogram" else _range_azimuth(recipe),
        outputs={
            "depth": Tensor("m", "(y, x)"),
            "base": Tensor("m", "(y, x) the coarse part"),
            "residual": Tensor("m", "(y, x) the signed rest"),
        },
        sample=("n_rooms", 12),
    )


def _spectrogram(recipe) -> dict[str, Tensor]:
    scaled = recipe.model.spectrogram == "log"
    what = "(frequency, time, ear) magnitude of the recording's spectrogram (EchoPairs.sound)"
    encode = (lambda x: ops.log1p(x / QUIET)) if scaled else None
    decode = (lambda x: np.expm1(x) * np.float32(QUIET)) if scaled else None
    return {"spectrogram": Tensor("parts of full scale", what, encode, decode)}


def _range_azimuth(recipe) -> dict[str, Tensor]:
    profile = "(range, band and ear) log10 of power (kmodels.echo.data.range_azimuth.hear)"
    found = {"profile": Tensor("1", profile)}
    if recipe.model.front_end == "range_azimuth":
        found["correlation"] = Tensor("1", "(range, direction, band) of both ears, in -1 to 1")
    return found
