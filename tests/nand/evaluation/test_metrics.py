"""Metrics: a perfect prediction passes, a biased one fails, hand-worked values agree."""

import numpy as np
import pytest

from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.data.records import PAGE_HOP, STALE_READ, Trace
from kmodels.nand.evaluation.baselines import baselines
from kmodels.nand.evaluation.diagnostics import diagnostics
from kmodels.nand.evaluation.metrics import metrics
from kmodels.nand.evaluation.prediction import Prediction
from kmodels.nand.gates import GATES
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences

RECIPE = NandRecipe()


@pytest.fixture(scope="module")
def trace():
    return sequences.sample_pairs(np.random.default_rng(0), 300, RECIPE.data)


def perfect(trace, wrong=()):
    probability = np.where(trace.invalid, 0.99, 0.01)
    probability[list(wrong)] = 1 - probability[list(wrong)]
    violation_probability = np.zeros(trace.op.shape)
    violation_probability[np.arange(len(trace)), np.maximum(trace.violation_index, 0)] = 1.0
    return Prediction(trace.name, probability, 0.5, violation_probability, trace.violation_code)


def passes(scores) -> bool:
    """All gates of the test part; that of the transfer data needs a second prediction."""
    gates = [gate for gate in GATES if not gate.metric.startswith("transfer_")]
    return all(gate.judge(scores.values)["status"] == "passed" for gate in gates)


def test_perfect_passes(trace):
    scores = metrics(trace, perfect(trace), 0)
    assert passes(scores)
    assert scores.values["accuracy"] == scores.values["localisation"] == scores.values["auroc"] == 1.0
    assert scores.intervals["accuracy"] == (1 - 3 / 300, 1.0), "300 pairs without a failure"
    assert scores.intervals["worst_strategy_f1"] == (1 - 3 / 100, 1.0), "100 pairs a strategy"


def test_one_strategy_missed_fails(trace):
    """All of page_hop called valid: accuracy 5/6, and the other strategies keep their F1."""
    scores = metrics(trace, perfect(trace, np.flatnonzero(trace.strategy == PAGE_HOP)), 0)
    assert not passes(scores)
    assert scores.values["accuracy"] == pytest.approx(5 / 6)
    assert scores.values["f1_page_hop"] == 0.0 == scores.values["worst_strategy_f1"]
    assert scores.values["f1_stale_read"] == 1.0


def test_always_invalid_does_not_look_good(trace):
    """The prototype scored a strategy on its own sequences, where this gets 1.0. Against all valid ones it gets 0.4."""
    found = baselines(RECIPE, {"test": trace})
    values = found["always_invalid"].values
    assert values["f1_page_hop"] == pytest.approx(2 * 100 / (2 * 100 + 300))
    assert values["accuracy"] == 0.5 and values["invalid_f1"] == pytest.approx(2 / 3)
    assert values["distance_from_prior"] == 0.0 and not passes(found["always_invalid"])
    assert values["mcc"] is None and values["auroc"] == 0.5
    assert found["always_valid"].values["invalid_f1"] == 0.0 and not passes(found["always_valid"])
    assert passes(found["rule_checker"]) and found["rule_checker"].values["violation_code"] == 1.0


def test_without_places_trees_on_summaries_are_trained_on_the_training_part(trace):
    recipe = RECIPE.with_changes({"model": {"encoding": "slots", "features": "differences"}})
    train = sequences.sample_pairs(np.random.default_rng(1), 300, RECIPE.data)
    train.violation_index[:] = -1
    values = baselines(recipe, {"train": train, "test": trace})["summary_trees"].values
    assert 0.7 < values["accuracy"] < 1.0
    np.random.default_rng(2).shuffle(train.invalid)
    values = baselines(recipe, {"train": train, "test": trace})["summary_trees"].values
    assert abs(values["accuracy"] - 0.5) < 0.1


def test_a_wrong_place_fails_localisation(trace):
    prediction = perfect(trace)
    moved = Prediction(
        trace.name,
        prediction.probability,
        0.5,
        np.roll(prediction.violation_probability, 1, axis=1),
        trace.violation_code,
    )
    values = metrics(trace, moved, 0).values
    assert values["localisation"] == 0.0 and values["accuracy"] == 1.0


def test_counts_by_hand():
    """Four valid, one called invalid; three page_hop, two found; one stale_read, found."""
    invalid = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    strategy = np.array([0, 0, 0, 0, PAGE_HOP, PAGE_HOP, PAGE_HOP, STALE_READ])
    zero, n = np.zeros((8, 3), int), np.arange(8)
    index = np.where(invalid, 1, -1)
    trace = Trace(zero, zero, zero, zero, zero, n, n // 2, invalid, strategy, strategy, index)
    said = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    values = metrics(trace, Prediction(n, said * 0.8 + 0.1), 0).values
    assert values["accuracy"] == 6 / 8 and values["balanced_accuracy"] == 6 / 8
    assert values["precision"] == 3 / 4 and values["recall"] == 3 / 4
    assert values["f1_page_hop"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert values["f1_stale_read"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 0))
    assert values["mcc"] == pytest.approx((3 * 3 - 1 * 1) / 16)
    assert values["brier_score"] == pytest.approx((6 * 0.01 + 2 * 0.81) / 8)
    assert values["localisation"] is None
    assert values["distance_from_prior"] == pytest.approx(0.25 / np.sqrt(0.25 / 8))


def test_chance_is_within_two_sigma_and_fails(trace):
    rng = np.random.default_rng(3)
    guess = Prediction(trace.name, rng.random(len(trace)))
    scores = metrics(trace, guess, 0)
    assert scores.values["distance_from_prior"] < 2.6 and not passes(scores)
    low, high = scores.intervals["accuracy"]
    assert low < 0.5 < high and high - low < 0.12


def test_the_frame_of_a_prediction(trace):
    frame = perfect(trace).frame()
    assert (frame["valid"] == ~trace.invalid).all()
    assert set(frame["violation_index"][~trace.invalid]) == {-1}
    bad = frame[trace.invalid]
    assert (bad["violation_index"] == trace.violation_index[trace.invalid]).all()
    assert set(bad["violation_code"]) == {"page_hop", "read_unwritten", "stale_read"}


def test_pictures_of_an_epoch(trace):
    _, pictures = diagnostics(EvaluationInput(trace, perfect(trace)))
    assert set(pictures) == {"confusion matrix", "reliability", "precision and recall"}
    valid = trace.take(np.flatnonzero(~trace.invalid))
    _, pictures = diagnostics(EvaluationInput(valid, perfect(valid)))
    assert "precision and recall" not in pictures, "there is nothing to find"
