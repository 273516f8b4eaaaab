"""The ladder of nand: what each step's recipe is, and what step 0 says of its data."""

import numpy as np
import pytest

from kmodels.nand.ladder import LADDER, legacy_faults
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences


def recipe(k):
    return LADDER.recipe(NandRecipe(), k)


def test_steps_are_those_of_the_roadmap():
    first = recipe(0)
    assert (first.data.corruption, first.data.n_sequences) == ("legacy", 1000)
    assert (first.train.batch_size, first.train.epochs, first.train.loss) == (256, 10, "bce")
    assert (first.model.encoding, first.model.bidirectional, first.model.threshold) == ("normalized", False, "half")
    assert recipe(1).data.corruption == "exact" and recipe(1).train.hard_negatives
    assert (recipe(2).train.loss, recipe(2).train.focal_alpha, recipe(2).train.focal_gamma) == ("focal", 0.7, 2.0)
    assert recipe(3).model.bidirectional and not recipe(2).model.bidirectional
    searched = recipe(4)  # which values: tests/tuning compares them with the best of the search
    assert searched.data == recipe(3).data and searched.train.loss == "focal"
    assert searched.train.epochs == 8, "the prototype has up to 30; the ladder is to take forty minutes"
    assert [recipe(k).model.features for k in (3, 4, 5)] == ["none", "none", "differences"]
    assert [recipe(k).model.operation_head for k in (5, 6)] == [False, True]
    assert recipe(7).model.ensemble_size == 3 and recipe(6) == NandRecipe(), "the ensemble stands on the default recipe"


def test_no_step_uses_rule_flags():
    assert all(recipe(k).model.features != "rule_flags" for k in range(8))


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


@pytest.mark.parametrize("k", range(8))
def test_every_gate_has_a_bound_that_can_be_missed(k):
    for gate in LADDER.steps[k].gates:
        assert gate.judge({gate.metric: float("nan")})["status"] == "failed"
        bad = 1e9 if gate.direction == "<=" else -1e9
        assert gate.judge({gate.metric: bad})["status"] == "failed"
