"""Forecasts under a wind that is wrong, and the ensemble that knows it."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers.checks import fails_cleanly

from kmodels.plume.data.flow.wind_error import with_error
from kmodels.plume.studies import uncertain_wind, uncertain_wind_report


@dataclass(frozen=True)
class Winds:
    """A run, or windows of runs, as far as their winds go."""

    u: np.ndarray | None = None
    v: np.ndarray | None = None
    runs: tuple = ()


def test_each_run_is_turned_and_stretched_by_its_own_error():
    windows = Winds(runs=tuple(Winds(np.full((5, 3), 4.0), np.full((5, 3), 3.0)) for _ in range(4000)))
    found = with_error(windows, np.random.default_rng(0), 20.0, 0.2).runs
    speed = np.array([np.hypot(run.u[0, 0], run.v[0, 0]) for run in found])
    angle = np.degrees([np.arctan2(run.v[2, 1], run.u[2, 1]) - np.arctan2(3, 4) for run in found])
    assert np.log(speed / 5).std() == pytest.approx(0.2, rel=0.05) and abs(np.log(speed / 5).mean()) < 0.02
    assert angle.std() == pytest.approx(20.0, rel=0.05)
    assert all(np.ptp(run.u) == 0 for run in found[:10]), "one error for all frames and levels"
    same = with_error(replace(windows, runs=windows.runs[:2]), np.random.default_rng(0), 0.0, 0.0)
    np.testing.assert_allclose(same.runs[0].u, 4.0)


def test_a_truth_that_is_one_more_member_has_ratio_one():
    """Members and truth drawn from one law around a centre that is itself uncertain by it no more."""
    rng = np.random.default_rng(1)
    shape = (3, 4, 5, 6, 7)
    every = 1e-8 * np.expm1(np.abs(3 + rng.normal(size=(11, *shape))))
    found = uncertain_wind.ensemble_scores(every[1:], every[0], np.ones((3, 5, 6, 7), bool))
    assert found["spread_skill"] == pytest.approx(1.0, abs=0.03)
    assert found["brier"] < found["brier_of_one"]
    for mean, observed, count in found["reliability"]:
        assert count < 200 or observed == pytest.approx(mean, abs=0.06)
    narrow = every[1:].mean(axis=0) * np.exp(0.01 * rng.normal(size=(10, *shape)))
    assert uncertain_wind.ensemble_scores(narrow, every[0], np.ones((3, 5, 6, 7), bool))["spread_skill"] < 0.1


def test_what_counts_as_reached():
    single = {name: {"fac2_lead_30": value} for name, value in (("network", 0.8), ("persistence", 0.5))}
    record = {"single": single, "ensemble": {"network": {"spread_skill": 0.9}}}
    assert uncertain_wind.is_reached(record)
    assert not uncertain_wind.is_reached(record | {"ensemble": {"network": {"spread_skill": 1.3}}})
    single["class_d_solver"] = {"fac2_lead_30": 0.81}
    assert not uncertain_wind.is_reached(record)


def test_the_study_from_end_to_end(smoke_runs, tmp_path, capsys):
    out = tmp_path / "w.json"
    run = str(smoke_runs("plume"))
    assert uncertain_wind.main(["--run", run, run, "--members", "2", "--out", str(out)]) in (0, 1)
    record = json.loads(out.read_text())
    assert set(record["single"]) == {"network", "persistence", "class_d_solver", "refitted_solver", "fitted_solver"}
    assert record["runs"] == 2 and set(record["ensemble"]) == {"network", "class_d_solver"}
    assert "FAC2 at lead 30" in capsys.readouterr().out and uncertain_wind_report.table(record)
    assert (tmp_path / "w.png").stat().st_size > 1000


def test_bad_input(tmp_path, capsys):
    words = ["--run", str(tmp_path), "--out"]
    fails_cleanly(capsys, uncertain_wind.main([*words, "w.csv"]), "suffix must be .json")
    fails_cleanly(capsys, uncertain_wind.main([*words, "w.json", "--members", "1"]), "2 or more")
    fails_cleanly(capsys, uncertain_wind.main([*words, "w.json"]), "no run folder")
