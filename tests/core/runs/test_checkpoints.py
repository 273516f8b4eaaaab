"""Saved states of a run, judged one by one."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kmodels.core.runs import checkpoints
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.task import Scores


def predictor(saved: dict[int, list]):
    """A model of one weight, and a run with these states; its only score is that weight."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    run = SimpleNamespace(
        path="runs/one",
        saved_steps=lambda: sorted(saved),
        load_state=lambda step: (saved[step], {"history": [{}] * (step // 5)}),
    )
    task = SimpleNamespace(
        predict=lambda model, records, recipe: float(model(np.ones((1, 1)))[0, 0]) * records,
        metrics=lambda parts, prediction, seed: Scores({"weight": prediction}),
    )
    return SimpleNamespace(task=task, model=model, run=run, recipe=SimpleNamespace(seed=0))


def test_every_state_is_judged_and_the_model_is_as_it_was():
    # A state goes on with the optimizer's variables, which a loaded model has not.
    some = predictor({5: [np.full((1, 1), 2.0), np.zeros(7)], 10: [np.full((1, 1), 3.0), np.zeros(7)]})
    seen = []
    found = checkpoints.judged(some, {"test": 10}, lambda done, total: seen.append((done, total)))
    assert {epoch: scores.values["weight"] for epoch, scores in found.items()} == {1: 20.0, 2: 30.0}
    assert float(some.model(np.ones((1, 1)))[0, 0]) == 1.0 and seen == [(1, 2), (2, 2)]
    assert [column.header for column in checkpoints.table(found, ("weight",)).columns] == [
        "metric",
        "epoch 1",
        "epoch 2",
    ]


def test_states_of_another_model_are_refused():
    with pytest.raises(UserError, match="another model"):
        checkpoints.judged(predictor({5: [np.zeros((2, 1))]}), {"test": 1}, lambda done, total: None)
    with pytest.raises(UserError, match="no saved states"):
        checkpoints.judged(predictor({}), {"test": 1}, lambda done, total: None)
