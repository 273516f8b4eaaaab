"""PrecipVAE: a coarse state and noise in, ensembles of fine rain out."""

import numpy as np
from keras import ops

from kmodels.exports.signature import Signature, Tensor
from kmodels.precip.data.encode import COAST_KM
from kmodels.precip.data.statistics import rain_column
from kmodels.precip.data.variables import predictors


def signature(recipe) -> Signature:
    """Put the logarithm of the coarse rain and the scale of the coast into the network."""
    names = predictors(recipe.data)
    column = rain_column(names)

    def encode_state(x):
        parts = [x[..., k] for k in range(len(names))]
        if column is not None:
            parts[column] = ops.log1p(ops.maximum(parts[column], 0.0))
        return ops.stack(parts, -1)

    def decode_state(x):
        x = x.copy()
        if column is not None:
            x[..., column] = np.expm1(x[..., column])
        return x

    def encode_static(x):
        return ops.stack([x[..., 0], x[..., 1] / COAST_KM], -1)

    def decode_static(x):
        return np.stack([x[..., 0], x[..., 1] * COAST_KM], -1)

    fields = "(member, y, x) rain, decoded from z of the"
    state = f"(Y, X, variable) {', '.join(names)}, in the units of the training; rain in mm/day"
    return Signature(
        inputs={
            "state": Tensor("as trained", state, encode_state, decode_state),
            "rain": Tensor(
                "mm/day", "(y, x) the day's fine rain, for the posterior alone; zeros where nobody knows it"
            ),
            "static": Tensor(
                "1, km", "(y, x, 2) land (1) or sea (0); distance to the coast", encode_static, decode_static
            ),
            "noise_z": Tensor("1", "(member, d_z) standard normal; the posterior's members first"),
        },
        outputs={
            "prior": Tensor("mm/day", f"{fields} prior: the prediction"),
            "posterior": Tensor("mm/day", f"{fields} posterior"),
            "coarse": Tensor("mm/day", "(Y, X) the coarse rain that the fields keep"),
        },
        sample=("n_days", 90),
    )
