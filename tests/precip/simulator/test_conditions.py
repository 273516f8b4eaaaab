"""Mountains, seasons and fronts against closed forms."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from kmodels.precip.recipe import RECIPE
from kmodels.precip.simulator.conditions import Conditions
from kmodels.precip.simulator.gaussian_field import Torus, covariance
from kmodels.precip.simulator.land import simulate_land
from kmodels.precip.simulator.weather import Weather, block_mean

CHANGES = {"rho": 0.0, "day_memory": 0.0, "field_memory": 0.0, "outer_scale": 6.0}
CHANGES |= {"grid": {"ny": 16, "nx": 12, "block": 4}}
RELIEF, SEASONS = 1.2, 0.6
YEARS = 1461  # four of them [days]


def data(**changes):
    return RECIPE().with_changes({"data": CHANGES | changes}).data


@pytest.fixture(scope="module")
def height():
    return simulate_land(np.random.default_rng(3), (16, 12))[1]


@pytest.fixture(scope="module")
def days(height):
    source = Weather(data(relief=RELIEF, seasons=SEASONS, fronts=4.0), height)
    return list(itertools.islice(source.days(np.random.default_rng(0)), YEARS))


@pytest.fixture(scope="module")
def latent(days):
    return np.array([day.latent for day in days])


def test_over_cells_and_years_the_latent_has_mean_0_and_variance_1(latent):
    assert latent.mean() == pytest.approx(0, abs=0.05) and latent.var() == pytest.approx(1, abs=0.05)


def test_mean_and_variance_of_every_cell(latent, height):
    """Mean relief h / 2; variance 1 + relief^2 |g|^2 / 4 + seasons^2; both of what is divided by 1 + V."""
    laws = Conditions(data(relief=RELIEF, seasons=SEASONS), height)
    total = 1 + RELIEF**2 / 2 + SEASONS**2
    expected = (1 + RELIEF**2 * (laws.slopes**2).sum(0) / 4 + SEASONS**2) / total
    off = latent.mean(0) - RELIEF * laws.height / 2 / np.sqrt(total)
    assert (np.abs(off) < 5 * np.sqrt(expected / YEARS)).all()
    np.testing.assert_allclose(latent.var(0), expected, rtol=0.2)


def test_wind_up_a_slope_makes_rain(days, latent, height):
    """The latent grows with the wind where that blows up a slope, as much as it is steep."""
    wind = np.array([day.state[..., 4:].mean((0, 1)) for day in days])  # uas, vas
    wind = (wind - wind.mean(0)) / wind.std(0)
    slopes = Conditions(data(), height).slopes
    for k in range(2):
        found = (latent * wind[:, k, None, None]).mean(0)
        assert np.corrcoef(found.ravel(), slopes[k].ravel())[0, 1] > 0.9


def test_winters_are_wet(latent):
    """January's mean less July's: 2 sqrt(2) seasons / sqrt(1 + V), but for the months' lengths."""
    day = (np.arange(YEARS) + 0.5) % 365.25
    january, july = latent[day < 31].mean(), latent[(day > 181) & (day < 212)].mean()
    total = 1 + RELIEF**2 / 2 + SEASONS**2
    assert january - july == pytest.approx(2 * np.sqrt(2) * SEASONS / np.sqrt(total), rel=0.1)


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi / 4])
def test_the_patches_of_a_front_are_long_one_way(angle):
    """Correlation C(r / 2) along the band and C(2 r) across it, for a stretch of 4."""
    torus = Torus((16, 12), 3.0, 6.0)
    field = torus.sample(np.random.default_rng(0), 4000, spectrum=torus.spectrum(4.0, angle))
    north, east = 3 * np.array([np.sin(angle), np.cos(angle)]).round().astype(int)
    apart = np.hypot(north, east)
    for step, factor in (((north, east), 0.5), ((east, -north), 2.0)):
        found = (field * np.roll(field, step, (1, 2))).mean()
        assert found == pytest.approx(covariance(factor * apart, 3.0, 6.0), abs=0.03)


def test_a_field_that_is_not_stretched_is_the_plain_one():
    torus = Torus((16, 12), 3.0, 6.0)
    np.testing.assert_allclose(torus.spectrum(1.0, 0.7), torus.spectrum(), atol=1e-9)


def test_nothing_asked_for_leaves_all_days_as_they_were(height):
    """Not one random number more: with mountains to stand on or without."""
    plain, flat = (
        list(itertools.islice(Weather(data(), of).days(np.random.default_rng(0)), 5)) for of in (height, None)
    )
    for one, other in zip(plain, flat, strict=True):
        np.testing.assert_array_equal(one.rain, other.rain)
        np.testing.assert_array_equal(one.state, other.state)


def test_the_coarse_state_tells_the_wind_and_the_season(days):
    state = np.array([day.state for day in days])
    np.testing.assert_array_equal(state[..., 0], block_mean(np.array([day.rain for day in days]), 4))
    angle = 2 * np.pi * (np.arange(YEARS) + 0.5 - 15) / 365.25
    assert np.corrcoef(state[..., 3].mean((1, 2)), -np.cos(angle))[0, 1] > 0.7, "summers are warm"


def test_land_is_high_and_the_sea_is_not():
    land, height = simulate_land(np.random.default_rng(0), (52, 44))
    assert (height[~land] == 0).all() and (height[land] > 0).all() and height.max() == 2500
    assert land.mean() == pytest.approx(0.65, abs=0.01)


def test_the_exact_posterior_is_known_without_them_alone():
    for change in ({"relief": 1.0}, {"seasons": 0.5}, {"fronts": 2.0}):
        with pytest.raises(ValidationError, match="exact_posterior"):
            data(exact_posterior=True, **change)
