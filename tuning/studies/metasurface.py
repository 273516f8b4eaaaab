"""Search metasurface's loss weights and its number of tokens.

Evaluated by the mean absolute error of the spectra, whose meaning no weight of the loss changes.
"""

from kmodels.metasurface.recipe import MetasurfaceRecipe
from tuning.study import Study, nested

BASE = MetasurfaceRecipe()


def space(hp) -> MetasurfaceRecipe:
    """Choose weights of the loss terms beside the squared error's, which stays, and the number of tokens."""
    train = BASE.train
    chosen = {
        "train.w_rel": hp.Choice("train.w_rel", [0.0, 0.02, 0.1, 0.3], default=train.w_rel),
        "train.w_grad": hp.Choice("train.w_grad", [0.0, 10.0, 30.0, 100.0, 300.0], default=train.w_grad),
        "train.w_curvature": hp.Choice("train.w_curvature", [0.0, 0.02, 0.1, 1.0], default=train.w_curvature),
        "model.tokens": hp.Choice("model.tokens", [17, 65], default=BASE.model.tokens),
    }
    return BASE.with_changes(nested(chosen))


STUDY = Study(
    name="metasurface",
    question="Which weights of the loss, and how many tokens, give the truest spectra?",
    base=BASE,
    space=space,
    objective="val_mae",
    direction="min",
    tuner="bayesian",
    max_trials=12,
    beside=("val_rmse", "val_peak_error"),
    held_out=("mae", "r2", "peak_error"),
)
