"""Search nand's size and training for the prototype's step 4, without features.

The search begins with the ladder's network before that step and trains it in batches of 128 and with the learning rate
falling to zero, for eight epochs: what a core trains in two minutes. What is best becomes the ladder's step "searched".
"""

from kmodels.nand.ladder import LADDER
from kmodels.nand.recipe import NandRecipe
from tuning.study import Study, nested

BASE = LADDER.recipe(NandRecipe(), LADDER.index("larger steps")).with_changes(
    {"train": {"epochs": 8, "batch_size": 128, "schedule": "cosine"}}
)


def space(hp) -> NandRecipe:
    """Choose widths, depth, dropout and learning rate."""
    model, train = BASE.model, BASE.train
    chosen = {
        "model.embedding": hp.Choice("model.embedding", [16, 32, 64], default=model.embedding),
        "model.hidden": hp.Choice("model.hidden", [32, 48, 64, 96], default=model.hidden),
        "model.num_layers": hp.Choice("model.num_layers", [1, 2], default=model.num_layers),
        "model.dropout": hp.Choice("model.dropout", [0.0, 0.1, 0.2, 0.4], default=model.dropout),
        "train.learning_rate": hp.Choice("train.learning_rate", [2e-3, 5e-3, 1e-2, 2e-2], default=train.learning_rate),
    }
    return BASE.with_changes(nested(chosen))


STUDY = Study(
    name="nand_step4",
    question="How large a network, trained how, finds the rules without features?",
    base=BASE,
    space=space,
    objective="val_accuracy",
    direction="max",
    tuner="bayesian",
    max_trials=12,
    beside=("val_invalid_f1", "val_auroc"),
    held_out=("accuracy", "worst_strategy_f1"),
)
