"""Days over a region inside a larger domain: their laws, and the form of their files."""

import itertools

import numpy as np
import pytest

from kmodels.core.spec.errors import UserError
from kmodels.precip.data.grids import places_on, sampled
from kmodels.precip.data.variables import ALOFT, SIMULATED_ALOFT
from kmodels.precip.recipe import RECIPE
from kmodels.precip.simulator import regional
from kmodels.precip.simulator.days import simulate
from kmodels.precip.simulator.land import simulate_land

GRID = {"ny": 16, "nx": 24, "nested": False, "coarse_ny": 5, "coarse_nx": 6}
YEARS = 1461  # four of them [days]


def recipe(**changes):
    return RECIPE().with_changes({"data": {"grid": GRID, "outer_scale": 4.0} | changes})


@pytest.fixture(scope="module")
def days():
    height = simulate_land(np.random.default_rng(3), (16, 24))[1]
    source = regional.RegionalWeather(recipe(day_memory=0.0, field_memory=0.0).data, height)
    return list(itertools.islice(source.days(np.random.default_rng(0)), YEARS))


@pytest.fixture(scope="module")
def states(days):
    """{variable: (days, Y, X)}."""
    state = np.stack([day.state for day in days])
    return {name: state[..., k] for k, name in enumerate(SIMULATED_ALOFT)}


def test_cells_are_12_5_km_wide_and_lie_in_the_middle_of_the_larger_domain():
    lat, lon = regional.fine_places((16, 24))
    assert lat.mean() == pytest.approx(46, abs=0.05) and lon.mean() == pytest.approx(9, abs=0.05)
    step = np.radians(np.diff(lat, axis=0)[:, 12]) * regional.PROJECTION.radius
    np.testing.assert_allclose(step, 12500, rtol=0.005)  # the scale is 1 at 49.5 degrees, a little more here
    coarse = regional.coarse_places((16, 16))
    assert coarse[0][[0, -1], 0].tolist() == [31, 61] and coarse[1][0, [0, -1]].tolist() == [-6, 24]


def test_the_large_scale_field_has_variance_1_in_every_fine_cell():
    source = regional.RegionalWeather(recipe().data, np.zeros((16, 24)))
    rng = np.random.default_rng(0)
    fields = np.stack([sampled(source.common(rng), source.places) / source.deviation for _ in range(4000)])
    np.testing.assert_allclose(fields.var(0), 1, atol=0.15)
    assert regional.deviation(np.array([[[2.0, 3.0]]])) == pytest.approx(1)


def test_rain_has_the_law_of_the_recipe(days):
    latent = np.stack([day.latent for day in days])
    assert latent.mean() == pytest.approx(0, abs=0.1) and latent.var() == pytest.approx(1, abs=0.1)
    wet = np.mean([(day.rain > 0).mean() for day in days])
    assert wet == pytest.approx(recipe().data.marginal.wet_share, abs=0.03)


def test_predictors_are_of_the_right_size(states):
    for one in ALOFT:
        for level, mean, sd in zip((850, 700, 500), one.mean, one.sd, strict=True):
            found = states[f"{one.name}_{level}"]
            centre = np.exp(np.log(found).mean()) if one.positive else found.mean()
            spread = np.log(found).std() if one.positive else found.std()
            assert centre == pytest.approx(mean, abs=0.2 * (1 if one.positive else sd)), one.name
            assert 0.9 * sd < spread < 1.8 * sd, one.name
    assert all(states[f"q_{level}"].min() > 0 for level in (850, 700, 500))


def test_predictors_tell_of_the_days_rain(days, states):
    """Humid days with low pressure aloft are wet; winters are cold, and warm air lies in the south."""
    rain = np.array([day.rain.mean() for day in days])
    aloft = {name: states[name][:, 1:4, 1:5].mean((1, 2)) for name in ("q_850", "z_500")}
    season = np.cos(2 * np.pi * (np.arange(YEARS) - 15) / 365.25)

    def without_season(values):
        return values - np.polyval(np.polyfit(season, values, 1), season)

    assert np.corrcoef(without_season(aloft["q_850"]), without_season(rain))[0, 1] > 0.25
    assert np.corrcoef(without_season(aloft["z_500"]), without_season(rain))[0, 1] < -0.2
    assert np.corrcoef(states["t_850"].mean((1, 2)), season)[0, 1] < -0.6
    assert states["t_850"][:, 0].mean() > states["t_850"][:, -1].mean() + 2


def test_a_region_beyond_the_larger_domain_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"reach beyond the predictors' 4 x 4 degrees: more coarse_ny and coarse_nx"):
        simulate(recipe(grid=GRID | {"ny": 60, "coarse_ny": 2, "coarse_nx": 2}), tmp_path, lambda *_: None)


def test_places_of_the_files_are_those_of_the_simulation():
    source = regional.RegionalWeather(recipe().data, np.zeros((16, 24)))
    again = places_on(*regional.fine_places((16, 24)), *regional.coarse_places((5, 6)))
    np.testing.assert_array_equal(source.places, again)
    assert source.places.shape == (16, 24, 2) and source.places.min() > 0 and source.places.max() < 5
