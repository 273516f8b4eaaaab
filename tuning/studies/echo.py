"""Search echo's loss weights and the length of its warm-up.

`warmup_epochs` is searched with a curriculum only; there `lambda_base` is the base's weight at the beginning. The
objective is the validation RMSE of the depth.
"""

from kmodels.echo.recipe import EchoRecipe
from tuning.study import Study, nested

BASE = EchoRecipe()


def space(hp) -> EchoRecipe:
    """Choose weights of base and residual, and the length of the warm-up."""
    train = BASE.train
    chosen = {
        "train.lambda_sparse": hp.Choice(
            "train.lambda_sparse", [0.0, 0.02, 0.05, 0.1, 0.2], default=train.lambda_sparse
        ),
        "train.lambda_base": hp.Choice("train.lambda_base", [0.3, 0.6, 1.0, 1.5, 2.0], default=train.lambda_base),
        "train.curriculum": hp.Choice("train.curriculum", ["none", "adaptive"], default=train.curriculum),
    }
    with hp.conditional_scope("train.curriculum", ["adaptive"]):
        chosen["train.warmup_epochs"] = hp.Choice("train.warmup_epochs", [2, 4, 6], default=train.warmup_epochs)
    return BASE.with_changes(nested({key: value for key, value in chosen.items() if value is not None}))


STUDY = Study(
    name="echo",
    question="Which loss weights, and how long a warm-up, give the lowest depth error?",
    base=BASE,
    space=space,
    objective="val_rmse",
    direction="min",
    tuner="bayesian",
    max_trials=12,
    beside=("val_mae", "val_delta1", "val_sparse", "val_base_detail"),
    held_out=("rmse", "delta1", "sparse", "shuffled_audio_gap"),
)
