"""The exact law of fine rain given the coarse state: against dense matrices, quadrature, and days simulated anew."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, norm

from kmodels.precip.data.variables import COVARIATES
from kmodels.precip.recipe import PLAIN, RECIPE
from kmodels.precip.simulator.exact_posterior import ExactPosterior
from kmodels.precip.simulator.gaussian_field import covariance
from kmodels.precip.simulator.marginal import from_latent
from kmodels.precip.simulator.weather import Weather, block_mean

SCALE = 16.0
GRID = {"ny": 12, "nx": 8, "block": 4}
DATA = RECIPE().with_changes({"data": {"outer_scale": SCALE, "exact_posterior": True, **PLAIN, "grid": GRID}}).data


@pytest.fixture(scope="module")
def posterior():
    return ExactPosterior(DATA)


@pytest.fixture(scope="module")
def days():
    return Weather(DATA).independent(np.random.default_rng(3), 1500)


def distances(ny, nx):
    y, x = (a.ravel() for a in np.mgrid[:ny, :nx])
    return np.hypot(y[:, None] - y, x[:, None] - x)


def dense():
    """(Cov(Z), Cov(Z, X), Cov(X)) written out cell by cell, X centred and scaled, channel after channel."""
    cov = DATA.rho + (1 - DATA.rho) * covariance(distances(12, 8), DATA.slope, SCALE)
    mean = block_mean(np.eye(96).reshape(96, 12, 8), 4).reshape(96, 6).T  # B
    channels, noises = [mean], [DATA.noise**2 * np.eye(6)]
    for c in COVARIATES:
        channels.append(c.loading * mean)
        noises.append((1 - c.loading**2) * covariance(distances(3, 2), DATA.slope, SCALE / 4))
    view = np.concatenate(channels)
    noise = np.zeros((36, 36))
    for k, part in enumerate(noises):
        noise[6 * k : 6 * k + 6, 6 * k : 6 * k + 6] = part
    return cov, cov @ view.T, view @ cov @ view.T + noise


def test_moments_against_dense_matrices(posterior, days):
    cov, cross, own = dense()
    gain = cross @ np.linalg.inv(own)
    centred = (days.state[:5] - [0, *(c.mean for c in COVARIATES)]) / [1, *(c.sd for c in COVARIATES)]
    flat = centred.reshape(5, 6, 6).transpose(0, 2, 1).reshape(5, 36)
    np.testing.assert_allclose(posterior.mean(days.state[:5]).reshape(5, 96), flat @ gain.T, atol=2e-3)
    np.testing.assert_allclose(posterior.sd.ravel() ** 2, np.diag(cov - gain @ cross.T), atol=1e-3)


def test_the_true_field_follows_the_exact_posterior(posterior, days):
    """Probability integral transforms are uniform; those of a law a little off are not."""
    z = ((days.latent - posterior.mean(days.state)) / posterior.sd)[:, 5, 3]
    assert kstest(z, "norm").pvalue > 0.01
    assert kstest(1.1 * z, "norm").pvalue < 0.01 or kstest(z + 0.1, "norm").pvalue < 0.01


def test_members_have_the_conditional_law(posterior, days):
    state = days.state[np.argmax(days.rain.min((1, 2)))]  # a day when it rains everywhere
    wet = posterior.members(np.random.default_rng(0), state, 2000)
    assert wet.shape == (2000, 12, 8)
    for rain in (0.0, 10.0):
        expected = posterior.exceedance(state[None], rain)[0]
        np.testing.assert_allclose((wet > rain).mean(0), expected, atol=0.05)
    cov, cross, own = dense()
    left = cov - cross @ np.linalg.inv(own) @ cross.T
    # The two cells that depend on each other most: wet at once as often as their conditional correlation says.
    correlation = left / np.sqrt(np.diag(left)[:, None] * np.diag(left))
    a, b = np.unravel_index(np.argmax(correlation - np.eye(96)), (96, 96))
    assert correlation[a, b] > 0.2
    above = wet.reshape(-1, 96) > posterior.quantile(state[None], 0.5).ravel()
    assert (above[:, a] == above[:, b]).mean() == pytest.approx(0.5 + np.arcsin(correlation[a, b]) / np.pi, abs=0.03)


def test_the_same_seed_gives_the_same_members(posterior, days):
    samples = [posterior.members(np.random.default_rng(seed), days.state[0], 2) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert (samples[0] != samples[2]).any()


def test_crps_against_quadrature(posterior, days):
    wettest = np.argmax(days.rain[:, 4, 4])
    state, rain = days.state[[wettest]], days.rain[[wettest]]
    truth = rain[0, 4, 4]

    def squared(y):
        return (1 - posterior.exceedance(state, y)[0, 4, 4] - (y >= truth)) ** 2

    ends = [0, truth / 2, truth, 2 * truth, 4 * truth + 500]
    expected = sum(quad(squared, a, b, limit=200)[0] for a, b in itertools.pairwise(ends))
    found = posterior.crps(state, rain)[0, 4, 4]
    assert found == pytest.approx(expected, rel=0.001)


def test_no_other_law_scores_better(posterior, days):
    """The CRPS is proper: the exact posterior beats climatology, and that of another day's coarse state by more."""
    state, rain = days.state[:100], days.rain[:100]
    exact = posterior.crps(state, rain).mean()
    levels = (np.arange(200) + 0.5) / 200
    quantiles = from_latent(norm.ppf(levels), DATA.marginal)[:, None, None, None]
    climate = 2 * (((rain < quantiles) - levels[:, None, None, None]) * (quantiles - rain)).mean()
    shuffled = posterior.crps(np.roll(state, 1, 0), rain).mean()
    assert exact < 0.8 * climate < climate < shuffled


def test_refused_where_the_state_has_rain():
    with pytest.raises(ValueError, match=r"data\.exact_posterior is false"):
        ExactPosterior(RECIPE().data)
