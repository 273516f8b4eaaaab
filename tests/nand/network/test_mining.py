"""Hard-negative mining: who is trained on again, and that a training with it can be resumed."""

import numpy as np

from kmodels.core.training import inference
from kmodels.nand.data import encode
from kmodels.nand.network.classifier import build
from kmodels.nand.network.mining import mine_hard_negatives
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences


def set_up(**train):
    recipe = NandRecipe().with_changes(
        {
            "data": {"seq_len": 20, "n_sequences": 200},
            "model": {"hidden": 8, "embedding": 8, "num_layers": 1, "dropout": 0.0},
            "train": {"batch_size": 32, "learning_rate": 0.01, "schedule": "constant", **train},
        }
    )
    trace = sequences.sample_pairs(np.random.default_rng(0), 40, recipe.data)
    return recipe, trace, encode.encode(trace, recipe), build(recipe, 100)


def test_mining_reduces_the_missed():
    recipe, trace, examples, model = set_up()
    logit = inference.predict(model, examples, 32)["invalid"]
    p = 1 / (1 + np.exp(-logit.astype("float64")))
    model.threshold.assign(np.quantile(p[trace.invalid], 0.4))
    missed = (p[trace.invalid] < float(model.threshold)).sum()
    first = mine_hard_negatives(model, trace, examples, recipe)
    assert first["missed"] == missed > 0
    for _ in range(50):
        last = mine_hard_negatives(model, trace, examples, recipe)
    assert last["missed"] < missed


def test_only_pairs_of_the_missed_are_trained_on(monkeypatch):
    recipe, trace, examples, model = set_up()
    logit = inference.predict(model, examples, 32)["invalid"]
    p = 1 / (1 + np.exp(-logit.astype("float64")))
    model.threshold.assign(np.sort(p[trace.invalid])[2:4].mean())  # three are missed
    seen = []
    monkeypatch.setattr(model, "train_on_batch", lambda x, y, w: seen.append((x, y, w)))
    assert mine_hard_negatives(model, trace, examples, recipe)["missed"] == 3
    ((_, y, weight),) = seen
    counted = inference.as_numpy(weight) > 0
    assert counted.sum() == 6 and inference.as_numpy(y["invalid"])[counted].sum() == 3, "each with its valid one"


def test_mining_leaves_the_schedule_alone_and_can_be_switched_off():
    recipe, trace, examples, model = set_up()
    model.threshold.assign(0.99)
    mine_hard_negatives(model, trace, examples, recipe)
    assert int(model.optimizer.iterations) == 0
    off, trace, examples, model = set_up(hard_negatives=False)
    assert mine_hard_negatives(model, trace, examples, off) == {}
