"""Thirty steps on the model's own output."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.plain_runs import RECIPE, plain_run

from kmodels.plume.data import cf_writer, load
from kmodels.plume.evaluation import diagnostics
from kmodels.plume.evaluation.extended import LEADS, evaluate_rollouts, rollout_rows

RECIPE_30 = RECIPE.with_changes({"data": {"horizon": 1}, "model": {"base": "persistence"}})


class _Last:
    """Says that the next frame is the last one, `growth` higher in log space."""

    def __init__(self, growth=0.0):
        self.growth = growth

    def predict_on_batch(self, inputs):
        return {"future": np.where(inputs["past"][:, -1] > 0, inputs["past"][:, -1] + self.growth, 0)}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Two runs in which nothing changes."""
    folder = tmp_path_factory.mktemp("runs")
    for name in "ab":
        run = plain_run(name, frames=40)
        cf_writer.write_run(folder / f"{name}.nc", replace(run, concentration=np.repeat(run.concentration[:1], 40, 0)))
    return load.load(folder, RECIPE_30)


def test_roll_outs_start_where_thirty_frames_follow_spread_over_every_run(windows):
    rows = rollout_rows(windows)
    assert windows.groups[rows].tolist() == ["a"] * 3 + ["b"] * 3
    assert windows.first[rows].tolist() == [0, 3, 7] * 2 and windows.leads[rows].min() == LEADS


def test_a_right_forecast_is_perfect_and_one_that_grows_is_not(windows):
    right, wrong = (evaluate_rollouts(_Last(growth), windows, RECIPE_30) for growth in (0.0, 0.05))
    assert right.scores.values["rollout_fac2"] == right.scores.values["fac2_lead_30"] == 1.0
    assert right.scores.values["rollout_abs_fb"] == pytest.approx(0.0, abs=1e-5)
    assert wrong.scores.values["rollout_fac2"] < 0.9 and wrong.scores.values["fac2_lead_30"] == 0.0
    assert wrong.scores.values["rollout_fb"] < -0.2, "too much, so below zero"
    assert right.baselines["persistence"].values["rollout_fac2"] == 1.0
    assert right.files["rollout.gif"].startswith(b"GIF89a") and set(right.pictures) == {
        "roll-out",
        "roll-out under a wrong wind",
    }


def test_a_model_that_skips_frames_is_not_rolled_out(windows):
    found = evaluate_rollouts(_Last(), windows, RECIPE_30.with_changes({"data": {"horizon": 2}}))
    assert found.scores.values == {} and not found.files


def test_every_few_epochs_a_window_of_each_run_is_rolled_out_for_tensorboard(windows):
    for growth, perfect in ((0.0, True), (0.05, False)):
        callback = diagnostics.RollOuts(windows, RECIPE_30)
        assert callback.windows.groups.tolist() == ["a", "b"]
        callback.set_model(_Last(growth))
        logs, looked = {}, []
        for epoch in range(7):
            callback.on_epoch_end(epoch, logs)
            looked += [epoch] if callback.pictures else []
        assert looked == [0, 3, 6]
        assert set(logs) == {f"val_rollout/{name}_lead_{lead}" for name in ("fac2", "fb") for lead in (1, 5, 10, 30)}
        assert (logs["val_rollout/fac2_lead_30"] == 1.0) is perfect
        assert abs(logs["val_rollout/fb_lead_30"]) < 1e-5 if perfect else logs["val_rollout/fb_lead_30"] < -0.2


def test_what_is_not_rolled_out_is_not_shown(windows):
    short = windows.take(np.flatnonzero(windows.leads < LEADS))
    for some, recipe in ((short, RECIPE_30), (windows, RECIPE_30.with_changes({"data": {"horizon": 2}}))):
        callback, logs = diagnostics.RollOuts(some, recipe), {}
        callback.set_model(_Last())
        callback.on_epoch_end(0, logs)
        assert not logs and not callback.pictures
