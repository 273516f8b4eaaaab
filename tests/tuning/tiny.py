"""The smallest study: a network of a few units, read one way."""

from kmodels.nand.recipe import NandRecipe
from tuning.study import Study, nested

SMALL = {
    "data": {"n_sequences": 80, "seq_len": 12},
    "model": {
        "hidden": 4,
        "embedding": 4,
        "num_layers": 1,
        "bidirectional": False,
        "sequence_order": "time",
        "operation_head": False,
    },
    "train": {"epochs": 2, "batch_size": 32, "learning_rate": 5e-3, "hard_negatives": False},
}
BASE = NandRecipe().with_changes(SMALL)


def space(hp) -> NandRecipe:
    """Two by two; n_sequences, so that --smoke leaves it as small as it is."""
    chosen = {
        "data.n_sequences": hp.Choice("data.n_sequences", [80]),
        "model.hidden": hp.Choice("model.hidden", [4, 6]),
        "train.learning_rate": hp.Choice("train.learning_rate", [5e-3, 1e-2]),
    }
    return BASE.with_changes(nested(chosen))


STUDY = Study(
    name="tiny",
    question="Is the machinery sound?",
    base=BASE,
    space=space,
    objective="val_accuracy",
    direction="max",
    tuner="grid",
    max_trials=None,
    beside=("val_auroc",),
    held_out=("accuracy",),
)
