"""EchoNet: the magnitude of a spectrogram in, depths out."""

import numpy as np
from keras import ops

from kmodels.echo.data.encode import QUIET
from kmodels.exports.signature import Signature, Tensor


def signature(recipe) -> Signature:
    """Put the logarithm of the magnitude into the network, where the recipe takes one."""
    scaled = recipe.model.spectrogram == "log"
    what = "(frequency, time, ear) magnitude of the recording's spectrogram (EchoPairs.spectrogram)"
    encode = (lambda x: ops.log1p(x / QUIET)) if scaled else None
    decode = (lambda x: np.expm1(x) * np.float32(QUIET)) if scaled else None
    return Signature(
        inputs={"spectrogram": Tensor("parts of full scale", what, encode, decode)},
        outputs={
            "depth": Tensor("m", "(y, x)"),
            "base": Tensor("m", "(y, x) the coarse part"),
            "residual": Tensor("m", "(y, x) the signed rest"),
        },
        sample=("n_rooms", 12),
    )
