"""The Gaussian field that is conditioned on coarse rain: it finds the laws of simulated days, and keeps their rain."""

import numpy as np
import pytest
from helpers.small_days import RECIPE_SMALL

from kmodels.precip.evaluation.baselines.latent_gaussian import LatentGaussian, Law, fit_covariance, tetrachoric
from kmodels.precip.simulator import marginal
from kmodels.precip.simulator.weather import Weather, block_mean

DATA = RECIPE_SMALL.with_changes({"data": {"grid": {"ny": 32, "nx": 24, "block": 4}, "outer_scale": 12.0}}).data


@pytest.fixture(scope="module")
def weather():
    """Free days of the simulator: latent and rain (days, y, x), state."""
    return Weather(DATA).independent(np.random.default_rng(0), 1500)


@pytest.fixture(scope="module")
def fitted(weather):
    rain = weather.rain.astype("float32")
    return LatentGaussian(DATA.grid, Law.fit(rain), *fit_covariance(rain))


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.6, 0.95])
def test_tetrachoric_correlation(correlation):
    """Of medians: P(both above) = 1/4 + arcsin(r) / (2 pi) (Sheppard 1899)."""
    assert tetrachoric(0.25 + np.arcsin(correlation) / (2 * np.pi), 0.5) == pytest.approx(correlation, abs=1e-4)


def test_the_simulators_covariance_is_found(weather):
    rho, scale = fit_covariance(weather.rain.astype("float32"))
    assert rho == pytest.approx(DATA.rho, abs=0.06) and scale == pytest.approx(DATA.outer_scale, rel=0.15)


def test_the_simulators_law_of_amounts_is_found(weather, fitted):
    for quantile in (0.7, 0.9, 0.99, 0.999):
        latent = -marginal.ndtri(1 - quantile) * np.ones(DATA.grid.fine)
        expected = marginal.from_latent(latent, DATA.marginal)
        assert fitted.law.rain(latent).mean() == pytest.approx(expected.mean(), rel=0.08, abs=0.2)
    assert (fitted.law.rain(np.full(DATA.grid.fine, marginal.dry_below(DATA.marginal) - 0.3)) == 0).all()


def test_fields_have_the_coarse_rain(weather, fitted):
    coarse = block_mean(weather.rain[:1], 4)[0]
    fields = fitted.sample(np.random.default_rng(1), coarse, 20)
    means = block_mean(fields, 4)
    np.testing.assert_allclose(means, np.broadcast_to(coarse, means.shape), atol=0.1, rtol=1e-3)
    assert (means[:, coarse == 0] == 0).all()
    assert fields.std(0).mean() > 0.5, "and differ within the blocks"


def test_fields_are_calibrated(weather):
    """Members differ as the truth does from them, and cells are wet as often, where the law is the simulator's own."""
    own = LatentGaussian(DATA.grid, Law.fit(weather.rain), DATA.rho, DATA.outer_scale)
    rng, truth = np.random.default_rng(2), Weather(DATA).independent(np.random.default_rng(3), 60).rain
    fields = np.stack([own.sample(rng, coarse, 8) for coarse in block_mean(truth, 4)])
    to_truth = np.abs(fields - truth[:, None]).mean()
    apart = np.abs(fields[:, ::2] - fields[:, 1::2]).mean()
    assert apart / to_truth == pytest.approx(1, abs=0.05)
    assert (fields > 0).mean() == pytest.approx((truth >= 0.1).mean(), abs=0.025)
