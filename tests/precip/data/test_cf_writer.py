"""Simulated days as CF NetCDF: what a CF checker says, how days lie on disk, what comes back."""

import h5py
import numpy as np
import pytest
from helpers.cf_check import check_cf
from helpers.small_days import RECIPE_SMALL, written

from kmodels.precip.data.load import load
from kmodels.precip.recipe import PLAIN
from kmodels.precip.simulator import days as simulator
from kmodels.precip.simulator.exact_posterior import ExactPosterior
from kmodels.precip.simulator.land import simulate_land
from kmodels.precip.simulator.weather import Weather

LATENT = RECIPE_SMALL.with_changes({"data": {"exact_posterior": True, **PLAIN, "n_days": 5}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("days"))


def test_a_cf_checker_finds_nothing(folder, tmp_path):
    latent = written(tmp_path / "latent", LATENT)
    paths = [*sorted(folder.glob("*.nc")), latent / "coarse-00000.nc"]
    done = check_cf(*paths)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("All tests passed!") == 4, done.stdout


def test_a_day_of_rain_is_a_compressed_chunk(folder):
    with h5py.File(folder / "fine-00000.nc") as file:
        assert file["pr"].chunks == (1, 8, 6) and file["pr"].compression == "gzip" and file["pr"].dtype == "float32"


def test_what_was_simulated_comes_back(folder):
    days = load(folder, RECIPE_SMALL)
    of_land, of_days = map(np.random.default_rng, np.random.SeedSequence(RECIPE_SMALL.seed).spawn(2))
    height = simulate_land(of_land, RECIPE_SMALL.data.grid.fine)[1]
    for k, day in zip(range(12), Weather(RECIPE_SMALL.data, height).days(of_days), strict=False):
        np.testing.assert_allclose(days.rain([k])[0], day.rain, rtol=1e-6)
        np.testing.assert_allclose(days.state([k])[0], day.state, rtol=1e-6, atol=1e-6)


def test_many_files_are_one_series(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "DAYS_A_FILE", 7)
    shown = []
    facts = simulator.simulate(RECIPE_SMALL, tmp_path, lambda done, total: shown.append((done, total)))
    assert shown == [(7, 12), (12, 12)] and facts["days"] == "12"
    assert sorted(p.name for p in tmp_path.glob("fine*")) == ["fine-00000.nc", "fine-00007.nc"]
    one, many = load(folder, RECIPE_SMALL), load(tmp_path, RECIPE_SMALL)
    np.testing.assert_array_equal(one.rain(np.arange(12)), many.rain(np.arange(12)))
    np.testing.assert_array_equal(one.dates, many.dates)
    wet = (one.rain(np.arange(12)) > 0).mean()
    assert float(facts["wet share"]) == pytest.approx(wet, abs=6e-4)


def test_the_exact_posterior_reads_the_states_of_a_file(tmp_path):
    days = load(written(tmp_path / "latent", LATENT), LATENT)
    assert days.predictors[0] == "rain_index"
    rng = np.random.default_rng(np.random.SeedSequence(LATENT.seed).spawn(2)[1])
    posterior, day = ExactPosterior(LATENT.data), next(Weather(LATENT.data).days(rng))
    np.testing.assert_allclose(posterior.mean(days.state([0])), posterior.mean(day.state[None]), atol=1e-4)
