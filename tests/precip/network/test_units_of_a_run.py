"""A run keeps the units that it was trained in: `predict` and `evaluate` convert what comes in others, or refuse it."""

import json
import shutil

import numpy as np
import pytest
from helpers.small_days import RECIPE_SMALL, contents, rewrite, with_attribute, with_value, written

import kmodels
from kmodels import predict
from kmodels.fit import _begun
from kmodels.precip.recipe import RECIPE
from kmodels.precip.task import TASK

COARSE = "coarse-00000.nc"
DAYS = RECIPE().with_changes(RECIPE.SMOKE).with_changes({"seed": 5, "data": {"n_days": 6}})
TRAINED = {"pr": "mm day-1", "prw": "kg m-2", "psl": "Pa", "tas": "K", "uas": "m s-1", "vas": "m s-1"}


@pytest.fixture(scope="module")
def run(smoke_runs):
    return smoke_runs("precip")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return written(tmp_path_factory.mktemp("days"), DAYS)


@pytest.fixture
def folder(once, tmp_path):
    return shutil.copytree(once, tmp_path / "days")


def predicted(run, folder, capsys):
    """(rain that the verb writes for a folder, what it says to standard error)."""
    out = folder.parent / "ensemble.nc"
    words = ["--run", str(run), "--data", str(folder), "--members", "2", "--out", str(out)]
    assert predict.main(words) == 0
    return contents(out).pr.values, capsys.readouterr().err


def in_other_units(data):
    data = data.assign(psl=(data.psl.dims, data.psl.values / 100, data.psl.attrs | {"units": "hPa"}))
    return data.assign(tas=(data.tas.dims, data.tas.values - 273.15, data.tas.attrs | {"units": "degC"}))


def test_a_run_stores_unit_mean_and_standard_deviation_of_each_predictor(run):
    stored = json.loads((run / "run.json").read_text())["inputs"]
    assert {name: known["unit"] for name, known in stored.items()} == TRAINED
    assert stored["psl"]["mean"] == pytest.approx(101300, abs=900) and 300 < stored["psl"]["sd"] < 1500


def test_predict_converts_to_the_units_of_the_training(run, folder, capsys):
    expected, said = predicted(run, folder, capsys)
    assert said == ""
    rewrite(folder / COARSE, in_other_units)
    found, said = predicted(run, folder, capsys)
    assert said == ""
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-7)
    rewrite(folder / COARSE, with_attribute("psl", units="Pa"))  # which it is not
    wrong, said = predicted(run, folder, capsys)
    assert "psl: mean 10" in said and "Pa; in training 10" in said and "are its units right?" in said
    assert abs(wrong - expected).max() > 100 * abs(found - expected).max()


def test_predict_refuses_a_unit_of_another_kind(run, folder, capsys):
    rewrite(folder / COARSE, with_attribute("psl", units="K"))
    words = ["--run", str(run), "--data", str(folder), "--members", "2", "--out", str(folder.parent / "e.nc")]
    assert predict.main(words) == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1 and "psl: units 'K'; " in said and "was trained on psl in Pa: give it that unit" in said
    )


def test_records_that_were_read_before_are_converted_too(run, folder):
    rewrite(folder / COARSE, in_other_units)
    predictor = kmodels.load(run)
    days = TASK.load(folder, predictor.recipe, labels=False)
    trained = predictor._records(days)
    assert trained.origin["tas"].unit == "K" and trained.state([0])[..., 3].mean() > 200
    assert predictor._records(trained) is trained


def test_what_was_clipped_as_a_run_began_is_in_its_log(tmp_path, capsys):
    folder = written(tmp_path / "days", RECIPE_SMALL)
    rewrite(folder / "fine-00000.nc", with_value("pr", (4, 1, 2), -1e-12))
    recipe = RECIPE_SMALL.with_changes({"data": {"split": [0.4, 0.3, 0.3]}})
    run, _ = _begun(recipe, folder, tmp_path / "runs", None, True, None)
    line = "fine-00000.nc: pr: 1 of 576 values were off by at most 8.6e-08 mm day-1: clipped; rain is 0 or more"
    assert line in (run.path / "log.txt").read_text() and capsys.readouterr().err.count(line) == 1
    assert run.records.rain(np.arange(12)).min() == 0


def old_run(run, folder, **metadata):
    """A run as an earlier version wrote it."""
    known = json.loads((run / "run.json").read_text()) | metadata
    del known["inputs"]
    shutil.copytree(run, folder)
    (folder / "run.json").write_text(json.dumps(known))
    return kmodels.load(folder)


def test_old_runs_know_the_units_of_simulated_days_and_take_a_user_s_as_they_are(run, folder, tmp_path, capsys):
    expected = TASK.load(folder, DAYS)
    rewrite(folder / COARSE, in_other_units)
    simulated = old_run(run, tmp_path / "simulated").load(folder)
    np.testing.assert_allclose(simulated.states, expected.states, rtol=1e-6, atol=1e-4)
    of_a_user = old_run(run, tmp_path / "of a user", data=str(folder)).load(folder)
    assert of_a_user.origin["psl"].unit == "hPa" and of_a_user.like is None
    assert capsys.readouterr().err == ""
