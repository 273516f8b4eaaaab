"""Ladders: changes add up, but for those of a rung that stands beside the way up."""

import pytest

from kmodels.core.spec.ladder import Ladder, Step
from kmodels.nand.recipe import NandRecipe


@pytest.fixture
def ladder():
    return Ladder(
        (
            Step("first", "", {"train": {"epochs": 1}}),
            Step("beside", "", {"train": {"epochs": 7}, "model": {"hidden": 99}}, branch=True),
            Step("also beside", "", {"model": {"dropout": 0.0}}, branch=True),
            Step("second", "", {"model": {"embedding": 8}}),
            Step("control", "", {"model": {"num_layers": 1}}),
        ),
        ("accuracy",),
    )


def test_a_branch_changes_itself_alone(ladder):
    base = NandRecipe()
    first = base.with_changes({"train": {"epochs": 1}})
    assert ladder.recipe(base, 1) == base.with_changes({"train": {"epochs": 7}, "model": {"hidden": 99}})
    assert ladder.recipe(base, 2) == first.with_changes({"model": {"dropout": 0.0}})
    assert ladder.recipe(base, 3) == first.with_changes({"model": {"embedding": 8}})
    assert ladder.recipe(base, 4) == first.with_changes({"model": {"embedding": 8, "num_layers": 1}})


def test_rungs_are_compared_with_the_way_below_them(ladder):
    assert [ladder.compared_with(k) for k in range(5)] == [None, 0, 0, 0, 3]
