"""Search plume's channels, layers and learning rate.

Compared by the correlation of forecast and truth over validation runs.
"""

from kmodels.plume.recipe import PlumeRecipe
from tuning.study import Study, nested

BASE = PlumeRecipe()


def space(hp) -> PlumeRecipe:
    """Choose channels, layers and learning rate."""
    chosen = {
        "model.filters": hp.Choice("model.filters", [4, 8, 16], default=BASE.model.filters),
        "model.num_layers": hp.Choice("model.num_layers", [1, 2, 3], default=BASE.model.num_layers),
        "train.learning_rate": hp.Float(
            "train.learning_rate", 2e-4, 2e-2, sampling="log", default=BASE.train.learning_rate
        ),
    }
    return BASE.with_changes(nested(chosen))


STUDY = Study(
    name="plume",
    question="How large a ConvLSTM forecasts the cloud best?",
    base=BASE,
    space=space,
    objective="val_pearson",
    direction="max",
    tuner="bayesian",
    max_trials=12,
    beside=("val_fac2", "val_nmse", "val_vg", "val_mass_residual"),
    held_out=("pearson", "fac2", "mse_ratio_best", "rollout_fac2"),
)
