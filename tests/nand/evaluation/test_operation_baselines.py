"""The baselines that judge operation by operation: their windows by a plain loop, their counts by hand."""

import numpy as np
import pytest

from kmodels.nand.data.records import ERASE, PAD, PROGRAM, Trace
from kmodels.nand.evaluation import operation_baselines
from kmodels.nand.evaluation.metrics import metrics
from kmodels.nand.evaluation.operation_baselines import Ngrams
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator.sequences import sample_pairs


def pairs(seed, n, recipe=None):
    return sample_pairs(np.random.default_rng(seed), n, (recipe or NandRecipe()).data)


def test_windows_are_those_of_a_plain_loop():
    trace = pairs(0, 5)
    found = operation_baselines._before(trace, 3)
    slot = trace.slots()
    for i in range(len(trace)):
        for t in range(trace.op.shape[1]):
            earlier = [u for u in range(t) if slot[i, u] == slot[i, t]][::-1]
            for k, (kind, distance) in enumerate(found):
                if k < len(earlier):
                    assert kind[i, t] == trace.op[i, earlier[k]]
                    assert distance[i, t] == trace.page[i, t] - trace.page[i, earlier[k]]
                else:
                    assert np.isnan(kind[i, t]) and np.isnan(distance[i, t])


def one_block(*sequences, broken=()):
    """Sequences of (operation, page) on one block; broken: the first violation's index, -1 for none."""
    longest = max(len(s) for s in sequences)
    op = np.array([[o for o, _ in s] + [PAD] * (longest - len(s)) for s in sequences])
    page = np.array([[p for _, p in s] + [-1] * (longest - len(s)) for s in sequences])
    zero, number, at = np.zeros_like(op), np.arange(len(op)), np.array(broken)
    return Trace(op, zero, zero, zero, page, number, number, invalid=at >= 0, violation_index=at)


def test_ngrams_by_hand():
    """Two of three programs of page 1 after page 0 are called wrong, and the only one of page 2."""
    start = [(ERASE, -1), (PROGRAM, 0)]
    train = one_block(
        [*start, (PROGRAM, 1)], [*start, (PROGRAM, 1)], [*start, (PROGRAM, 1)], [*start, (PROGRAM, 2)],
        broken=[2, 2, -1, 2],
    )  # fmt: skip
    score = Ngrams(train).score(one_block([*start, (PROGRAM, 1)], [*start, (PROGRAM, 2)], start, broken=[-1] * 3))
    assert score.shape == (3, 3) and score[2, 2] == 0, "behind the end nothing is suspect"
    c, prior = operation_baselines.SMOOTHING, 3 / 12
    p = (2 + c * prior) / (7 + c)  # a program, one page further: 4 of page 0, 3 of page 1
    for _ in range(2):  # after program 0, and after erase and program 0
        p = (2 + c * p) / (3 + c)
    assert score[0, 2] == pytest.approx((2 + c * p) / (3 + c))
    assert score[1, 2] > score[0, 2] > score[0, 1]


def test_they_find_violations_and_their_places():
    recipe = NandRecipe()
    parts = {"train": pairs(1, 700), "validation": pairs(2, 150)}
    judged = {"test": pairs(3, 150), "transfer": pairs(4, 9)}
    found = operation_baselines.predict(recipe, parts, judged)
    assert set(found) == {"ngram", "decision_tree", "boosted_trees"}
    scores = {name: metrics(judged["test"], of["test"], 0).values for name, of in found.items()}
    assert all(one["accuracy"] > 0.8 and one["localisation"] > 0.8 for one in scores.values()), scores
    assert all(len(of["transfer"].probability) == 18 for of in found.values())


def test_without_places_there_are_none():
    train = pairs(1, 20)
    blind = Trace(**{**vars(train), "violation_index": np.full(len(train), -1)})
    assert operation_baselines.predict(NandRecipe(), {"train": blind}, {"test": train}) == {}
