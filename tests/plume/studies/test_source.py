"""Where a cloud comes from: releases, the library of puffs, and the gradients through the roll-out."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.checks import fails_cleanly
from keras import ops

from kmodels.core.cli import cli
from kmodels.core.training import inference
from kmodels.core.training.batching import ArrayExamples
from kmodels.fit import main as fit
from kmodels.plume.data import encode
from kmodels.plume.network.closures import continuation
from kmodels.plume.network.dispersion import AXES
from kmodels.plume.network.model import PlumeNet
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.studies import puffs, source, source_report, source_roll_out, source_search
from kmodels.plume.studies.release import DETECTION, SEEING, VISIBLE, Release, Source, sample_release

DATA = PlumeRecipe().with_changes(PlumeRecipe.SMOKE).with_changes({"data": {"wind_speed": (1.0, 3.0)}}).data
MODEL = {"base": "solver", "transport": False, "substeps": 4}
RECIPE = PlumeRecipe().with_changes(PlumeRecipe.SMOKE).with_changes({"model": MODEL})
FRAMES, MASTS = 6, 4


@pytest.fixture(scope="module")
def case() -> Release:
    return sample_release(np.random.default_rng(3), DATA, FRAMES, MASTS, 0.1)


@pytest.fixture(scope="module")
def network() -> PlumeNet:
    return PlumeNet.from_recipe(RECIPE)


def test_a_release_begins_in_clean_air_and_masts_stand_on_the_ground(case):
    assert case.recorded.shape == (FRAMES, MASTS) and case.wind.shape == (FRAMES + 2, 2, 6)
    assert (case.recorded.max(axis=0) > 0.5 * VISIBLE).sum() >= SEEING
    assert not ((case.recorded > 0) & (case.recorded < DETECTION)).any()
    level, y, x = case.masts.T
    assert not case.below_ground[level, y, x].any()
    assert case.below_ground[:, y, x].sum(axis=0).tolist() == level.tolist()
    assert len(set(zip(y.tolist(), x.tolist(), strict=True))) == MASTS


def flat(wind, frames=40, seconds=60.0) -> Release:
    """A release over flat ground in a wind that does not change, with two masts downwind and one aside."""
    nz, ny, nx = 6, 12, 24
    masts = np.array([[0, 6, 10], [0, 6, 16], [0, 8, 16]])
    winds = np.tile(np.array([[wind], [0.0]]), (frames + 2, 1, nz)).reshape(frames + 2, 2, nz)
    recorded = np.zeros((frames, 3))
    ground = np.zeros((nz, ny, nx), bool)
    truth = Source(450.0, 650.0, 35.0, 1e-2)
    return Release(truth, np.zeros((ny, nx)), ground, winds, masts, recorded, (20.0, 100.0, 100.0), seconds)


def test_puffs_are_a_gaussian_plume_in_steady_wind():
    """Far behind its source a row of puffs is a plume: c = q / (2 pi u sy sz) exp(-y^2 / 2 sy^2) [...]."""
    case, speed = flat(2.0), 2.0
    found = puffs.unit_response(case, 35.0)[6, 4, -1]  # from the column of (450 m, 650 m)
    horizontal, vertical = puffs.CLASSES["D"].diffusivities(speed)
    for value, (_, row, column) in zip(found, case.masts, strict=True):
        seconds = (column - 4) * 100.0 / speed
        wide, tall = 2 * horizontal * seconds + 100.0**2 / 12, 2 * vertical * seconds + 20.0**2 / 12
        aside = np.exp(-(((row - 6) * 100.0) ** 2) / (2 * wide))
        up = sum(np.exp(-((10.0 + sign * 35.0) ** 2) / (2 * tall)) for sign in (1, -1))
        assert value == pytest.approx(aside * up / (2 * np.pi * speed * np.sqrt(wide * tall)), rel=0.15)


def test_the_library_finds_what_it_simulated_itself():
    case = flat(1.5)
    series = 3e-2 * puffs.unit_response(case, 35.0)[6, 4]
    best, surface, order = puffs.search(replace(case, recorded=series), 1e-8)
    assert (best.x, best.y, best.height) == (450.0, 650.0, 35.0) and best.rate == pytest.approx(3e-2, rel=0.08)
    assert surface.argmin() == 6 * 24 + 4 and len(order) == 12 * 24


def test_the_roll_out_is_that_of_the_model_under_the_same_closures(case, network):
    """In the middle of a cell, where nothing is spread, with the network's diffusivities, and a stack in that cell."""
    roll_out, given = source_roll_out.SourceRollOut(network, RECIPE), source_roll_out.describe(network, RECIPE, case)
    level = int(case.below_ground[:, 5, 4].sum()) + 1
    height = level + 0.5 - case.terrain[5, 4] / case.cell[0]
    place = np.array([[4.0, 5.0, height, np.log(2e-3), 0.0, 0.0]], "float32")
    tensors = {name: ops.convert_to_tensor(value) for name, value in given.items()}
    found = ops.convert_to_numpy(roll_out.series(ops.convert_to_tensor(place), tensors))[:, 0]
    shape = case.below_ground.shape
    emitted, static = np.zeros((1, *shape), "float32"), np.zeros((1, *shape, 3), "float32")
    emitted[0, level, 5, 4] = 2e-3 * case.seconds / np.prod(case.cell) / network.c0
    static[..., 0] = case.below_ground
    kept = {name: given[name] for name in ("horizontal", "vertical")} | {"emitted": emitted, "static": static}
    kept |= {"wind_correction": np.zeros((1, 2), "float32"), "missed": np.zeros((1, *shape), "float32")}
    step, last = continuation(network), np.zeros((1, *shape), "float32")
    for k in range(FRAMES):
        flows = {name: np.stack([given[name][k], 0 * given[name][k]], axis=-1) for name in AXES}
        last = inference.predict(step, ArrayExamples(kept | flows | {"last": last}, {}), 1)["future"]
        expected = encode.from_log(last, network.c0)[0][tuple(case.masts.T)]
        np.testing.assert_allclose(found[k], expected, rtol=2e-3, atol=1e-12)
    assert found.max() > 0


def test_the_gradient_is_that_of_finite_differences(case, network):
    roll_out, given = source_roll_out.SourceRollOut(network, RECIPE), source_roll_out.describe(network, RECIPE, case)
    place = np.array([4.3, 5.2, 1.6, np.log(2e-3), 0.3, -0.3])
    _, slope = roll_out.cost_and_slope(place, given)
    for axis in range(6):
        aside = [place + sign * 0.02 * np.eye(6)[axis] for sign in (1, -1)]
        high, low = (roll_out.cost_and_slope(one, given)[0] for one in aside)
        assert slope[axis] == pytest.approx((high - low) / 0.04, rel=0.1, abs=2e-3)
    residuals = roll_out.residuals(place[None], given)
    assert (residuals**2).sum() == pytest.approx(roll_out.cost_and_slope(place, given)[0], rel=1e-4)


def test_a_source_is_found_again_where_the_records_are_the_roll_out_s_own(case, network):
    roll_out, given = source_roll_out.SourceRollOut(network, RECIPE), source_roll_out.describe(network, RECIPE, case)
    place = np.array([[4.0, 5.0, 2.0, np.log(2e-3), 0.0, 0.0]], "float32")
    tensors = {name: ops.convert_to_tensor(value) for name, value in given.items()}
    records = ops.convert_to_numpy(roll_out.series(ops.convert_to_tensor(place), tensors))[:, 0]
    start = Source(500.0, 500.0, 50.0, 4e-3)
    found = source_search.search(roll_out, replace(case, recorded=records), [start])
    assert abs(found.source.x - 450.0) < 100 and abs(found.source.y - 550.0) < 100
    assert found.path.shape[1] == 7 and found.path[:, -1].min() < 0.2 * found.path[0, -1]
    assert found.place_sd > 0 and found.rate_sd > 0


def test_scores():
    cases = [
        {
            "network": {"distance_cells": distance, "rate_factor": factor, "seconds": 1.0}
            | {"place_sd": distance, "rate_sd": 0.1},
            "library of puffs": {"distance_cells": 5.0, "rate_factor": 9.0, "seconds": 1.0},
        }
        for distance, factor in ((0.2, 1.1), (1.0, 1.6), (0.9, 1.5), (1.1, 1.2), (0.5, 1.4))
    ]
    assert source.shares(cases, "network") == (0.8, 0.8, 0.6)
    assert source.is_reached(cases) and not source.is_reached(cases[1:])
    assert "80% (38% to 96%)" in source_report.table(cases)
    assert "open in 1 of 5 cases; in the others 100%" in source_report.left_open(cases)


@pytest.fixture(scope="module")
def solver_run(tmp_path_factory):
    """A run of fit whose model has base "solver"."""
    out = tmp_path_factory.mktemp("solver")
    words = ["--model.base", "solver", "--model.transport", "false", "--model.filters", "4", "--train.epochs", "1"]
    assert fit(["--model", "plume", "--smoke", *words, "--out", str(out)]) == 0
    (run,) = (path for path in out.iterdir() if path.is_dir())
    return run


def test_the_study_from_end_to_end(solver_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(source_search, "EVALUATIONS", 2)
    monkeypatch.setattr(source_search, "STEPS", 2)
    monkeypatch.setattr(source_search, "STARTS", 1)
    monkeypatch.setattr(source_search, "ROUNDS", 1)
    out = tmp_path / "s.json"
    words = ["--run", str(solver_run), "--out", str(out), "--cases", "2", "--frames", "5", "--masts", "5"]
    assert source.main(words) in (0, 1)
    record = json.loads(out.read_text())
    assert len(record["cases"]) == 2 and record["cases"][0]["network"]["distance_cells"] >= 0
    told = capsys.readouterr().out
    assert (tmp_path / "s.png").stat().st_size > 1000 and "within one cell" in told and "leave place or rate" in told
    fails_cleanly(capsys, source.main([*words, "--seed", "1"]), "was measured with")


def test_a_run_whose_model_is_no_solver_is_refused(tmp_path, capsys, monkeypatch):
    predictor = SimpleNamespace(model=SimpleNamespace(base="transport"))
    monkeypatch.setattr(cli, "load_predictor", lambda *given: predictor)
    words = ["--run", "r", "--out", str(tmp_path / "a.json")]
    fails_cleanly(capsys, source.main(words), "model.base = transport; use one of kmodels fit")


def test_bad_input(tmp_path, capsys):
    base = ["--run", str(tmp_path), "--out", "a.json"]
    fails_cleanly(capsys, source.main([*base[:3], "a.csv"]), "suffix must be .json")
    fails_cleanly(capsys, source.main([*base, "--masts", "2"]), "3 to 50")
    fails_cleanly(capsys, source.main(base), "no run folder")
