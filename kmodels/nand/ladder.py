"""The ladder of nand: from the prototype's baseline to the default, one change a step.

The prototype's steps are 0 to 2, 3 "bidirectional", 4 "prototype's step 4" beside what a search found in its place,
5 "features", 6 "operation head" and 7 "ensemble".
"""

import numpy as np

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.nand.data.records import CODES, PAD, READ_UNWRITTEN
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.gates import GATES
from kmodels.nand.recipe import NandRecipe


def legacy_faults(recipe: NandRecipe, trace) -> list[str]:
    """Measure the faults of the prototype's data: label noise, a shortcut, the encoding."""
    data = recipe.data
    legal = ~RuleChecker(data).check(trace).invalid
    labelled = trace.invalid
    by_strategy = ", ".join(
        f"{CODES[code]} {legal[labelled & (trace.strategy == code)].mean():.0%}"
        for code in sorted(set(trace.strategy[labelled]))
    )
    far = (np.where(trace.op == PAD, -1, trace.page) >= 50).any(axis=1)
    unwritten = labelled & (trace.strategy == READ_UNWRITTEN)
    return [
        f"label noise: {legal[labelled].mean():.1%} of the sequences labelled invalid are legal ({by_strategy})",
        f'shortcut: "some page >= 50" finds {far[unwritten].mean():.1%} of read_unwritten and is wrong on '
        f"{far[~labelled].mean():.1%} of the valid sequences: no rule needs to be learned for it",
        f"encoding: neighbouring pages differ by 1/{data.geometry.pages - 1} = {1 / (data.geometry.pages - 1):.0e} of "
        "the input's range, while every rule is about neighbouring pages",
    ]


BASELINE = {
    "data": {"n_sequences": 1000, "corruption": "legacy", "erase_rate": 0.0, "read_rate": (0.4, 0.4)},
    "model": {
        "encoding": "normalized",
        "features": "none",
        "bidirectional": False,
        "sequence_order": "time",
        "pooling": "attention",
        "hidden": 64,
        "num_layers": 1,
        "dropout": 0.4,
        "operation_head": False,
        "threshold": "half",
    },
    "train": {"epochs": 10, "batch_size": 256, "learning_rate": 1e-3, "schedule": "constant", "hard_negatives": False},
}

FEATURE_FREE = (
    Gate("accuracy without features", "accuracy", 0.90, "this project"),
    Gate("F1 of every strategy without features", "worst_strategy_f1", 0.85, "this project"),
)
TOP = tuple(gate for gate in GATES if gate.metric != "distance_from_prior")

LADDER = Ladder(
    (
        Step(
            "baseline",
            "the prototype's baseline: 1000 sequences of its own generator, addresses as fractions, a one-way GRU, "
            "attention pooling, binary cross-entropy, a threshold of 0.5",
            BASELINE,
            (
                Gate("accuracy about 0.52", "accuracy", 0.60, "prototype", "<="),
                Gate("accuracy about 0.52", "accuracy", 0.44, "prototype"),
            ),
            {"accuracy": 0.52, "invalid_f1": 0.32},
            legacy_faults,
        ),
        Step(
            "exact labels",
            "exact corruption, equal numbers of every strategy, 20,000 sequences, blocks and pages embedded instead of "
            "fractions, the threshold chosen on validation data, hard-negative mining",
            {
                "data": {"n_sequences": 20_000, "corruption": "exact", "erase_rate": 0.05},
                "model": {"encoding": "slots", "threshold": "validation"},
                "train": {"hard_negatives": True},
            },
            (
                Gate("invalid F1", "invalid_f1", 0.55, "prototype"),
                Gate("better than the prior", "distance_from_prior", 2.0, "prototype", unit="sigma"),
            ),
            {"accuracy": 0.74, "invalid_f1": 0.00},
        ),
        Step(
            "focal loss",
            "focal loss, alpha 0.7, gamma 2",
            {"train": {"loss": "focal"}},
            (
                Gate("invalid F1", "invalid_f1", 0.65, "prototype"),
                Gate("better than the prior", "distance_from_prior", 2.0, "prototype", unit="sigma"),
            ),
            {"accuracy": 0.55, "invalid_f1": 0.63},
        ),
        Step(
            "bidirectional",
            "a GRU that reads the sequence in both directions, in the order of time; the prototype's step 3",
            {"model": {"bidirectional": True}},
            (
                Gate("accuracy", "accuracy", 0.75, "prototype"),
                Gate("F1 of every strategy", "worst_strategy_f1", 0.70, "prototype"),
            ),
            {"accuracy": 0.45, "invalid_f1": 0.55},
        ),
        Step("block by block", "the GRU reads block after block", {"model": {"sequence_order": "block"}}),
        Step(
            "attention and maximum",
            "pooling also takes the largest logit of each violation",
            {"model": {"pooling": "attention_max"}},
        ),
        Step(
            "larger steps",
            "a learning rate of 5e-3 instead of 1e-3",
            {"train": {"learning_rate": 5e-3}},
            FEATURE_FREE,
        ),
        Step(
            "prototype's step 4",
            "the prototype's own setting: embedding 64, hidden 256, dropout 0.3, up to 30 epochs, early stopping after "
            "5 without gain",
            {"model": {"embedding": 64, "hidden": 256, "dropout": 0.3}, "train": {"epochs": 30, "patience": 5}},
            (Gate("accuracy gain", "accuracy_gain", 0.02, "prototype"), *FEATURE_FREE),
            branch=True,
            apart=True,
        ),
        Step(
            "searched",
            "in its place the best of twelve trials of `python -m tuning.search --study nand_step4`: dropout 0.1 "
            "instead of 0.4, twice the learning rate, falling to zero, batches of 128, eight epochs",
            {
                "model": {"dropout": 0.1},
                "train": {"epochs": 8, "batch_size": 128, "learning_rate": 1e-2, "schedule": "cosine"},
            },
            (Gate("accuracy gain", "accuracy_gain", 0.02, "prototype"), *FEATURE_FREE),
        ),
        Step(
            "features",
            "page and time differences and block statistics as features, trained as the step before; the prototype's "
            "step 5",
            {"model": {"features": "differences"}},
            TOP[:3],
            branch=True,
        ),
        Step(
            "page steps",
            "in their place the steps from page to page in a block, formed by the network, instead of page numbers",
            {"model": {"encoding": "steps"}},
            TOP[:3],
        ),
        Step(
            "operation head",
            "a second head predicts for every operation whether it is the first violation, and its rule; the "
            "prototype's step 6",
            {"model": {"operation_head": True}},
            TOP,
        ),
        Step(
            "cross-entropy",
            "binary cross-entropy instead of the focal loss, for calibrated probabilities",
            {"train": {"loss": "bce"}},
            TOP,
        ),
        Step(
            "one direction",
            "the GRU reads each block forwards only: what makes an operation legal lies before it",
            {"model": {"bidirectional": False}},
            TOP,
        ),
        Step(
            "mixed reads",
            "two to six operations in ten are reads, another share in each sequence, instead of four in all",
            {"data": {"read_rate": (0.2, 0.6)}},
            TOP,
        ),
        Step(
            "ensemble",
            "three networks of different random start and their mean probability (soft voting); the prototype's step 7",
            {"model": {"ensemble_size": 3}},
            TOP,
            branch=True,
        ),
        Step(
            "fourteen epochs",
            "the default: more epochs, in the time that the way back took",
            {"train": {"epochs": 14}},
            TOP,
        ),
    ),
    figures=(
        "accuracy",
        "invalid_f1",
        "worst_strategy_f1",
        "localisation",
        "transfer_accuracy",
        "f1_page_hop",
        "f1_read_unwritten",
        "f1_stale_read",
        "macro_f1",
        "valid_f1",
        "auroc",
        "calibration_error",
    ),
)
