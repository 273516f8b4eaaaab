"""Days of weather against the laws that they follow."""

import itertools

import numpy as np
import pytest

from kmodels.precip.data.grids import distance_to_coast
from kmodels.precip.data.variables import COVARIATES, predictors
from kmodels.precip.recipe import PLAIN, RECIPE
from kmodels.precip.simulator.gaussian_field import covariance
from kmodels.precip.simulator.weather import Weather, block_mean

CHANGES = PLAIN | {
    "slope": 3.2,
    "outer_scale": 8.0,
    "rho": 0.4,
    "wind": [2, 3],
    "grid": {"ny": 16, "nx": 12, "block": 4},
}
DAYS = 1500


def weather(**changes) -> Weather:
    return Weather(RECIPE().with_changes({"data": CHANGES | changes}).data)


def simulated(source: Weather, seed=0, count=DAYS):
    return list(itertools.islice(source.days(np.random.default_rng(seed)), count))


@pytest.fixture(scope="module")
def days():
    return simulated(weather())


@pytest.fixture(scope="module")
def latent(days):
    return np.array([day.latent for day in days])


def test_block_means():
    fields = np.arange(2 * 4 * 6.0).reshape(2, 4, 6)
    assert block_mean(fields, 2)[1].tolist() == [[27.5, 29.5, 31.5], [39.5, 41.5, 43.5]]


def test_latent_fields_are_standard_normal_in_every_cell(latent):
    np.testing.assert_allclose(latent.mean(0), 0, atol=0.15)
    np.testing.assert_allclose(latent.var(0), 1, atol=0.15)
    assert latent.var() == pytest.approx(1, abs=0.04)
    for level, z in [(0.05, -1.645), (0.5, 0.0), (0.95, 1.645), (0.999, 3.090)]:
        assert (latent < z).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / DAYS) + 1e-3)


def test_cells_share_what_a_day_has_in_common_and_their_neighbourhood(latent):
    for dy, dx in [(0, 1), (3, 0), (4, 3), (12, 8)]:
        found = (latent[:, : 16 - dy, : 12 - dx] * latent[:, dy:, dx:]).mean()
        expected = 0.4 + 0.6 * covariance(np.hypot(dy, dx), 3.2, 8.0)
        assert found == pytest.approx(expected, abs=0.05), (dy, dx)


def test_a_day_remembers_yesterday_downwind(latent):
    """Lag-one covariance: rho a + (1 - rho) b C(displacement - wind)."""
    for dy, dx in [(0, 0), (2, 3), (4, 1)]:
        found = (latent[:-1, : 16 - dy, : 12 - dx] * latent[1:, dy:, dx:]).mean()
        expected = 0.4 * 0.5 + 0.6 * 0.3 * covariance(np.hypot(dy - 2, dx - 3), 3.2, 8.0)
        assert found == pytest.approx(expected, abs=0.04), (dy, dx)


def test_rain_has_the_marginal_law(days):
    rain = np.array([day.rain for day in days])
    assert (rain > 0).mean() == pytest.approx(0.35, abs=0.02)
    for level, amount in [(0.90, 11.7), (0.95, 20.1), (0.99, 43.6)]:
        assert (rain < amount).mean() == pytest.approx(level, abs=0.2 * (1 - level) + 2e-3)


def test_the_coarse_state_has_block_means_of_rain_and_what_goes_with_it(days, latent):
    state, rain = np.array([day.state for day in days]), np.array([day.rain for day in days])
    assert state.shape == (DAYS, 4, 3, 6)
    np.testing.assert_array_equal(state[..., 0], block_mean(rain, 4))
    coarse = block_mean(latent, 4)
    for k, c in enumerate(COVARIATES, 1):
        values = (state[..., k] - c.mean) / c.sd
        slope = (values * coarse).mean() / (coarse**2).mean()
        assert slope == pytest.approx(c.loading, abs=0.03), c.name
        assert (values - c.loading * coarse).var() == pytest.approx(1 - c.loading**2, abs=0.03), c.name


def test_with_an_exact_posterior_the_state_shows_the_latent_field_but_no_rain():
    some = weather(exact_posterior=True).independent(np.random.default_rng(0), 400)
    assert (some.state[..., 0] - block_mean(some.latent, 4)).std() == pytest.approx(0.1, abs=0.01)


def test_distance_to_coast():
    """A degree of latitude, or of longitude on the equator, is 111.2 km; to the nearest cell of the other kind."""
    lat, lon = np.meshgrid([0.0, 1.0], [358.0, 359.0, 0.0], indexing="ij")
    land = np.array([[True, True, False], [True, True, True]])
    expected = np.array([[2.0, 1.0, 1.0], [5**0.5, 2**0.5, 1.0]]) * 111.19
    np.testing.assert_allclose(distance_to_coast(land, lat, lon), expected, rtol=1e-3)
    assert not distance_to_coast(np.ones((2, 3), bool), lat, lon).any()


def test_names_of_predictors():
    assert predictors(weather().data) == ("pr", "prw", "psl", "tas", "uas", "vas")
    assert predictors(weather(exact_posterior=True).data)[0] == "rain_index"
    assert predictors(weather(predictors=["tas"]).data) == ("tas",)


def test_heavy_days_of_the_default_are_like_the_seed_s():
    """Their mean 20.6 and mean maximum 187 mm/day; P95, 77.4 there, is about 60 with this marginal."""
    data = RECIPE().data
    rain = Weather(data).independent(np.random.default_rng(1), 700).rain
    means = rain.mean((1, 2))
    heavy = rain[means > np.quantile(means, data.heavy_quantile)]
    assert heavy.mean() == pytest.approx(20.6, abs=2.5)
    assert heavy.max((1, 2)).mean() == pytest.approx(187, abs=25)
