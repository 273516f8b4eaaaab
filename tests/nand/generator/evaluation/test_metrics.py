"""Scores by hand; the simulator passes, copies and one-sided writers fail."""

import numpy as np
import pytest
from helpers.plain_nand import trace_of

from kmodels.core.runs import pipeline
from kmodels.core.spec.errors import UserError
from kmodels.nand.data import load
from kmodels.nand.generator.data.encode import make_vocabulary
from kmodels.nand.generator.data.split import split
from kmodels.nand.generator.evaluation import baselines, metrics, prediction
from kmodels.nand.generator.gates import GATES
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.generator.task import TASK
from kmodels.nand.simulator import sequences

RECIPE = GeneratorRecipe().with_changes({"data": {"seq_len": 30}})
KNOWN = make_vocabulary(RECIPE.data, RECIPE.model.max_hop)


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


def test_log_likelihood_by_hand():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]])) + 7.0
    found = prediction._log_likelihood(logits, np.array([[0, -1]]))
    assert found == pytest.approx(np.log(0.5))
    assert prediction._log_likelihood(logits, np.array([[2, 1]])) == pytest.approx(np.log(0.25) + np.log(0.8))


def test_an_illegal_sequence_has_no_likelihood():
    from kmodels.nand.generator.network.generator import build

    model = build(RECIPE, 1)
    trace = trace_of("e0 p0.0 p0.1", "e0 p0.0 p0.2")
    outputs = {"token": np.zeros((2, 3, KNOWN.size))}
    table = prediction.decode(model, trace, outputs).frame()
    assert table["log_likelihood_per_operation"].tolist() == [pytest.approx(-np.log(KNOWN.size)), -np.inf]
    assert table["perplexity"].tolist() == [pytest.approx(KNOWN.size), np.inf]
    assert table["violation_index"].tolist() == [-1, 2]


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
