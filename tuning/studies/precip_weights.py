"""Search precip's weight of heavy rain and of the latent divergence.

The prototype turned both between its versions 1 and 2: w_max from 2 to 10, beta_kl from 0.05 to 0.01. The base is its
version 3, whose beta is fixed: with `beta: elbo` the divergence has the weight that makes the loss a bound, whatever
beta_kl says. Grid, network and training are small: what two cores train in a minute.

Trials are compared by the CRPS of fields from the prior, the path that is used later, never by the loss: its weights
are what is searched. The tail stands beside: P99 and maximum over the real ones, and the error of the wettest cells.
"""

from kmodels.precip.recipe import PrecipRecipe
from tuning.study import Study, nested

SMALL = {
    "data": {
        "n_days": 400,
        "grid": {"ny": 24, "nx": 24},
        "outer_scale": 12.0,
        "block_days": 15,
        "split": [0.70, 0.15, 0.15],  # of so few days the default's shares leave one block to validate on
    },
    "model": {"base_filters": 8, "d_z": 32, "rain_pool": 6, "rain_hidden": 128, "decoder_hidden": 128, "members": 20},
    "train": {"epochs": 10, "beta_warmup_epochs": 3},
}
BASE = PrecipRecipe().with_changes(PrecipRecipe.VARIANTS["v3"]).with_changes(SMALL)


def space(hp) -> PrecipRecipe:
    """Choose one of four by four; the prototype's versions 1 and 2 are two of the sixteen."""
    chosen = {
        "train.w_max": hp.Choice("train.w_max", [2.0, 5.0, 10.0, 20.0], default=BASE.train.w_max),
        "train.beta_kl": hp.Choice("train.beta_kl", [0.002, 0.01, 0.05, 0.25], default=BASE.train.beta_kl),
    }
    return BASE.with_changes(nested(chosen))


STUDY = Study(
    name="precip_weights",
    question="How do w_max and beta_kl trade the sharpness of samples for their calibration?",
    base=BASE,
    space=space,
    objective="val_crps",
    direction="min",
    tuner="grid",
    max_trials=None,
    beside=("val_prior_mae_tail", "val_p99_ratio", "val_max_ratio", "val_diversity", "val_gap_p99_ratio"),
    held_out=("crps", "twcrps_p95", "twcrps_p99", "p99_ratio", "max_ratio", "diversity"),
)
