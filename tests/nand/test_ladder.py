"""The ladder of nand: what each step's recipe is, and what step 0 says of its data."""

import numpy as np
import pytest

from kmodels.core.report import tables
from kmodels.nand.ladder import LADDER, legacy_faults
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences

NAMES = [step.name for step in LADDER.steps]


def recipe(k):
    """The recipe of a step, by its number or name."""
    return LADDER.recipe(NandRecipe(), LADDER.index(k) if isinstance(k, str) else k)


def changes(k) -> dict:
    """The fields in which a step's recipe differs from that of the step it is compared with."""
    old, new = (tables.flat(recipe(step).model_dump(mode="json")) for step in (LADDER.compared_with(k), k))
    return {name: value for name, value in new.items() if value != old[name]}


def test_steps_are_those_of_the_roadmap():
    first = recipe(0)
    assert (first.data.corruption, first.data.n_sequences) == ("legacy", 1000)
    assert (first.train.batch_size, first.train.epochs, first.train.loss) == (256, 10, "bce")
    assert (first.model.encoding, first.model.bidirectional, first.model.threshold) == ("normalized", False, "half")
    assert recipe(1).data.corruption == "exact" and recipe(1).train.hard_negatives
    assert (recipe(2).train.loss, recipe(2).train.focal_alpha, recipe(2).train.focal_gamma) == ("focal", 0.7, 2.0)
    assert recipe("bidirectional").model.bidirectional and not recipe(2).model.bidirectional
    prototype, searched = recipe("prototype's step 4"), recipe("searched")
    assert (prototype.model.embedding, prototype.model.hidden, prototype.model.dropout) == (64, 256, 0.3)
    assert (prototype.train.epochs, prototype.train.patience) == (30, 5)
    # Which values the searched one has: tests/tuning compares them with the best of the search.
    assert searched.data == recipe(3).data and searched.train.loss == "focal"
    assert recipe("features").train == searched.train, "step 5 is trained as step 4"
    assert recipe("fourteen epochs") == NandRecipe() and recipe("ensemble").model.ensemble_size == 3


def test_one_change_a_step():
    """Four changes that were once made at once, and the features, which once came with another training."""
    assert {NAMES[k]: changes(k) for k in range(3, len(NAMES)) if len(changes(k)) == 1} == {
        "bidirectional": {"model.bidirectional": True},
        "block by block": {"model.sequence_order": "block"},
        "attention and maximum": {"model.pooling": "attention_max"},
        "larger steps": {"train.learning_rate": 5e-3},
        "features": {"model.features": "differences"},
        "page steps": {"model.encoding": "steps"},
        "operation head": {"model.operation_head": True},
        "cross-entropy": {"train.loss": "bce"},
        "one direction": {"model.bidirectional": False},
        "mixed reads": {"data.read_rate": [0.2, 0.6]},
        "fourteen epochs": {"train.epochs": 14},
        "ensemble": {"model.ensemble_size": 3},
    }


def test_the_prototypes_setting_and_the_searched_one_stand_side_by_side():
    both = [LADDER.index(name) for name in ("prototype's step 4", "searched")]
    assert [LADDER.compared_with(k) for k in both] == [LADDER.index("larger steps")] * 2
    assert {"macro_f1", "valid_f1"} <= set(LADDER.figures)


def test_no_step_uses_rule_flags():
    assert all(recipe(k).model.features != "rule_flags" for k in range(len(NAMES)))


def test_step_0_names_what_is_wrong_with_its_data():
    """Against the faults of the prototype's generator, and on exact data, where there is no label noise."""
    old = recipe(0)
    noise, shortcut, encoding = legacy_faults(old, sequences.sample_pairs(np.random.default_rng(0), 1000, old.data))
    assert 5 < float(noise.split()[2].rstrip("%")) < 20 and "page_hop" in noise
    assert float(shortcut.split("finds ")[1].split("%")[0]) > 90 and encoding.startswith("encoding")
    new = recipe(1)
    noise, shortcut, _ = legacy_faults(new, sequences.sample_pairs(np.random.default_rng(0), 500, new.data))
    assert noise.startswith("label noise: 0.0%")
    assert float(shortcut.split("finds ")[1].split("%")[0]) == 0


@pytest.mark.parametrize("k", range(len(NAMES)))
def test_every_gate_has_a_bound_that_can_be_missed(k):
    for gate in LADDER.steps[k].gates:
        assert gate.judge({gate.metric: float("nan")})["status"] == "failed"
        bad = 1e9 if gate.direction == "<=" else -1e9
        assert gate.judge({gate.metric: bad})["status"] == "failed"
