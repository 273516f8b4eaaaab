"""Data larger than memory: the same batches and scores as in memory, and a bound on what a training holds."""

import json

import numpy as np
import pytest
from helpers import scale

from kmodels.core.io import rows
from kmodels.core.runs import pipeline, user_data
from kmodels.core.spec import registry
from kmodels.core.training import inference

FEW = {"ngram", "decision_tree", "boosted_trees", "summary_trees"}  # learn from as many sequences as memory holds
MODELS = [name for name in registry.NAMES if name != "nand.generator"]


@pytest.fixture(scope="module", params=MODELS)
def simulated(request, tmp_path_factory):
    """A smoke recipe and a folder with its data."""
    name, folder = request.param, tmp_path_factory.mktemp("data")
    recipe = registry.recipe_type(name)().with_changes(registry.recipe_type(name).SMOKE)
    registry.simulator(name)(recipe, folder, lambda done, total: None)
    return name, recipe, folder


def loaded(recipe, folder, monkeypatch, kept):
    monkeypatch.setenv(rows.VARIABLE, kept)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1 << 14)  # several blocks of even so little
    return user_data.load(recipe, folder)


def test_batches_from_disk_are_those_from_memory(simulated, monkeypatch):
    name, recipe, folder = simulated
    task, taken = registry.task(name), []
    for kept in ("1GB", "0"):
        records = loaded(recipe, folder, monkeypatch, kept)
        train = records.take(user_data.split(recipe, records, folder)["train"])
        examples = task.training_examples(train, recipe)
        taken.append(examples.take(np.random.default_rng(0).permutation(len(examples))[:20]))
    for kind, other in zip(*taken, strict=True):
        assert kind.keys() == other.keys()
        for key, values in kind.items():
            assert values.dtype == other[key].dtype
            np.testing.assert_array_equal(values, other[key], err_msg=key)


def test_scores_and_statistics_from_disk_are_those_from_memory(simulated, monkeypatch):
    """The same network, untrained: its statistics of the training data, outputs, scores and intervals, baselines."""
    name, recipe, folder = simulated
    task, found = registry.task(name), []
    for kept in ("1GB", "0"):
        records = loaded(recipe, folder, monkeypatch, kept)
        parts = {part: records.take(of) for part, of in user_data.split(recipe, records, folder).items()}
        pipeline.backend.seed_everything(0)
        model = task.build(recipe, 100)
        task.adapt(model, parts["train"])
        prediction = task.predict(model, parts["test"], recipe)
        outputs, losses = inference.predict_and_score(model, task.encode(parts["test"], recipe), 8)
        scores = task.metrics(parts, prediction, 0)
        judged = parts if name != "plume" else {"test": parts["test"]}  # a solver is fitted on its training runs
        of_baselines = {other: one.values for other, one in task.baselines(recipe, judged).items() if other not in FEW}
        found.append((outputs, losses, scores.values, scores.intervals, of_baselines))
    for one, other in zip(*found, strict=True):
        same(one, other)


def same(one, other, where=""):
    """Equal but for rounding: sums of blocks are added in another order than those of all rows."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where} {key}")
    elif one is None or other is None:
        assert one is other, where
    else:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7, err_msg=where)


@pytest.mark.slow
@pytest.mark.parametrize("name", scale.MODELS)
def test_a_training_on_eight_times_the_limit_stays_below_it_and_does_not_wait(name, tmp_path):
    found = scale.measured(name, tmp_path)
    scale.record(name, found)
    assert found["data_mb"] >= scale.TIMES * found["limit_mb"] - scale.TIMES
    assert found["more_mb"]["training"] < found["limit_mb"], json.dumps(found)
    assert found["more_mb"]["scoring"] < found["limit_mb"], json.dumps(found)
    assert found["stall"] < scale.STALL, json.dumps(found)
