"""Scores by hand; the simulator passes, copies and one-sided writers fail."""

import numpy as np
import pytest
from helpers.plain_nand import trace_of

from kmodels.core.runs import pipeline
from kmodels.core.spec.errors import UserError
from kmodels.nand.data import load
from kmodels.nand.generator.data.encode import make_vocabulary
from kmodels.nand.generator.data.split import split
from kmodels.nand.generator.evaluation import baselines, beliefs, metrics, prediction
from kmodels.nand.generator.gates import GATES
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.generator.task import TASK
from kmodels.nand.simulator import sequences

RECIPE = GeneratorRecipe().with_changes({"data": {"seq_len": 30}})
KNOWN = make_vocabulary(RECIPE.data, RECIPE.model.max_offset)


def labelled(*texts):
    return load.labelled(trace_of(*texts), RECIPE.data)


def simulated(seed, n=400):
    trace = sequences.sample_pairs(np.random.default_rng(seed), n, RECIPE.data)
    return trace.take(~trace.invalid)


def status(scores):
    return {gate.metric: gate.judge(scores.values)["status"] for gate in GATES}


def test_scores_by_hand():
    parts = {
        "train": labelled("e0 p0.0 r0.0", "e0 e1 e1"),
        "test": labelled("e0 p0.0 p0.1", "e0 p0.0 r0.0"),
    }
    evaluator = metrics.SampleEvaluator(parts, RECIPE.data, KNOWN, 0)
    free = labelled("e0 p0.0 p0.1", "e0 p0.0 p0.2", "e0 p0.0 r0.0", "e0 p0.0 r0.0")
    constrained = labelled("e0 p0.0 p0.1", "e0 p0.0 p0.1", "e0 p0.0 p0.1", "e0 e1 e1")
    found = evaluator.evaluate(free, constrained, np.array([3.0, 6.0]), np.array([3, 3])).values
    assert found["validity_free"] == 0.75 and found["validity_constrained"] == 1.0
    assert found["novelty"] == 0.75 and found["novelty_free"] == 0.5
    assert found["coverage"] == pytest.approx(2 / 3), "erase and program, but no read"
    assert found["nats_per_operation"] == pytest.approx(1.5)
    p, q = np.array([6, 6, 0]) / 12, np.array([2, 3, 1]) / 6
    middle = (p + q) / 2
    divergence = sum((a[a > 0] * np.log2(a[a > 0] / middle[a > 0])).sum() for a in (p, q)) / 2
    assert found["mix_distance"] == pytest.approx(np.sqrt(divergence), rel=1e-5)


def test_what_the_data_does_not_have_is_not_measured():
    evaluator = metrics.SampleEvaluator({"test": simulated(0, 10)}, RECIPE.data, KNOWN, 0)
    found = evaluator.evaluate(simulated(1, 10), simulated(1, 10)).values
    assert [found[name] for name in ("novelty", "coverage", "nats_per_operation")] == [None] * 3


def test_the_simulator_passes_every_gate_and_biased_writers_fail_theirs():
    parts = {"train": simulated(0), "test": simulated(1)}
    evaluator = metrics.SampleEvaluator(parts, RECIPE.data, KNOWN, 0)
    fresh = simulated(2)
    good = evaluator.evaluate(fresh, fresh)
    unknown = {name for name, found in status(good).items() if found != "passed"}
    assert unknown == {"nats_per_operation"}, "a file of sequences has no probabilities"
    assert good.intervals["validity_free"] == (pytest.approx(1 - 3 / 400), 1.0)
    low, high = good.intervals["mix_distance"]
    assert 0 < low <= high < 0.03
    copied = evaluator.evaluate(fresh, parts["train"].take(slice(0, 200)))
    assert status(copied)["novelty"] == "failed"
    erasing = evaluator.evaluate(fresh, labelled(*["e0 e1 e2 " + "e0 " * 27] * 20))
    assert {status(erasing)[name] for name in ("coverage", "mix_distance")} == {"failed"}
    broken = labelled(*["e0 p0.0 p0.0"] * 20)
    assert status(evaluator.evaluate(broken, broken))["validity_constrained"] == "failed"


def test_log_probability_by_hand():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]])) + 7.0
    found = prediction.log_probability(logits, np.array([[2, 1]]))
    np.testing.assert_allclose(found, np.log([[0.25, 0.8]]))


def predicted(model, trace, wrong=()):
    """A prediction of equal logits, but for very low ones at (row, step, word of slot 0)."""
    logits = np.zeros((*trace.op.shape, model.vocabulary.size))
    for row, step, word in wrong:
        logits[row, step, model.vocabulary.names.index(word)] = -20.0
    return logits, prediction.decode(model, trace, {"token": logits})


def test_an_operation_without_a_token_has_no_likelihood():
    """Tokens of legal operations alone, as earlier versions had."""
    from kmodels.nand.generator.network.generator import build

    model = build(RECIPE.with_changes({"model": {"max_hop": 3}}), 1)
    table = predicted(model, trace_of("e0 p0.0 p0.1", "e0 p0.0 p0.2"))[1].frame()
    assert table["log_likelihood_per_operation"].tolist() == [pytest.approx(-np.log(model.vocabulary.size)), -np.inf]
    assert table["perplexity"].tolist() == [pytest.approx(model.vocabulary.size), np.inf]
    assert table["violation_index"].tolist() == [-1, 2] and table["valid"].tolist() == [True, False]
    assert set(table["threshold_name"]) == {prediction.BY_RULES}


def test_what_surprises_more_than_legal_operations_did_is_called_illegal():
    from kmodels.nand.generator.evaluation.calibration import calibrate
    from kmodels.nand.generator.network.generator import build

    model = build(RECIPE, 1)
    trace = trace_of("e0 p0.0 p0.1", "e0 p0.0 r0.0")
    logits, before = predicted(model, trace)
    assert before.valid.all(), "no threshold yet"
    calibrate(model, trace, {"token": logits})
    assert float(model.threshold) == pytest.approx(np.log(model.vocabulary.size))
    unlikely = [(1, 2, f"read -{k}") for k in range(3, 17)] + [(1, 2, f"read +{k}") for k in range(17)]
    found = predicted(model, trace_of("e0 p0.0 p0.1", "e0 p0.0 r0.7"), unlikely)[1].frame()
    assert found["valid"].tolist() == [True, False] and found["violation_index"].tolist() == [-1, 2]
    assert found["operation"].tolist() == ["", "read die 0 plane 0 block 0 page 7"]
    assert found["rule"].tolist() == ["", "read at offset -7, believed legal 0..1"]
    assert found["threshold"].tolist() == [pytest.approx(float(model.threshold))] * 2


def test_intervals_are_written_in_short():
    assert beliefs.intervals([3, 4, 0, 1, 2, 9, -3]) == "-3, 0..4, 9" and beliefs.intervals([]) == "nowhere"


def test_detection_by_hand():
    trace = labelled("e0 p0.0 p0.1", "e0 p0.0 p0.2", "e0 p0.0 p0.0", "e0 e1 e1")
    surprise = np.array([[1, 1, 2], [1, 1, 9], [5, 1, 9], [1, 6, 1]], float)
    found = metrics.detection(trace, surprise, 4.0)
    assert found == {"false_alarms": 0.5, "auroc": 1.0, "detected": 1.0, "localisation": 0.5}
    assert metrics.detection(trace, surprise, 8.0)["localisation"] == 1.0
    alone = metrics.detection(trace.take([0, 3]), surprise[[0, 3]], 4.0)
    assert alone == {"false_alarms": 0.5, "auroc": None, "detected": None, "localisation": None}


def test_only_valid_sequences_are_split_and_no_pair_is_parted():
    parts = pipeline.load_splits(TASK, RECIPE.with_changes({"data": {"n_sequences": 200}}), None)
    pairs = {name: set(part.pair) for name, part in parts.all().items()}
    assert sum(map(len, pairs.values())) == 100 and not pairs["train"] & pairs["test"]
    assert not any(part.invalid.any() for part in parts.all().values())


def test_a_sequence_that_is_called_valid_and_is_not_is_refused():
    table = trace_of("e0 p0.0 p0.0").frame().assign(valid=True)
    with pytest.raises(
        UserError, match=r"sequence 0: labelled valid, but step 2 breaks a rule of the recipe, overwrite"
    ):
        split(load.load(table, RECIPE), RECIPE)


def test_baselines_stand_in_order():
    """The simulator is legal; words drawn one by one are not; a word's predecessor helps a little."""
    recipe = RECIPE.with_changes({"model": {"samples": 100}})
    parts = {"train": simulated(0), "validation": simulated(1, 100), "test": simulated(2, 100)}
    found = {name: scores.values for name, scores in baselines.baselines(recipe, parts).items()}
    assert found["simulator"]["validity_free"] == 1.0 > found["markov"]["validity_free"] + 0.3
    assert found["unigram"]["validity_free"] < 0.1 and found["unigram"]["validity_constrained"] == 1.0
    assert found["markov"]["nats_per_operation"] < found["unigram"]["nats_per_operation"]
    assert baselines.baselines(recipe, {"test": parts["test"]}) == {}
