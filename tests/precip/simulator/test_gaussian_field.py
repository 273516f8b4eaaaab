"""Gaussian fields and amounts of rain against their closed forms."""

import numpy as np
import pytest
from scipy.stats import kstest

from kmodels.precip.recipe import Marginal
from kmodels.precip.simulator.gaussian_field import Torus, covariance
from kmodels.precip.simulator.marginal import dry_below, exceedance, from_latent, to_latent

MARGINAL = Marginal()
OUTER_SCALE = 12.0


def test_covariance_at_half_integer_smoothness():
    r = np.array([0.0, 0.5, 3.0, 20.0])
    scaled = 2 * np.pi * r / OUTER_SCALE
    np.testing.assert_allclose(covariance(r, 3.0, OUTER_SCALE), np.exp(-scaled), rtol=1e-8)
    np.testing.assert_allclose(covariance(r, 5.0, OUTER_SCALE), (1 + scaled) * np.exp(-scaled), rtol=1e-8)


@pytest.mark.parametrize("slope", [3.0, 3.2, 3.5])
def test_the_power_spectrum_is_a_power_law_with_an_outer_scale(slope):
    """The periodogram's expectation is S(f) with the wavenumbers that a grid cannot tell apart summed up."""
    torus = Torus((20, 16), slope, OUTER_SCALE)
    point = np.zeros(torus.shape)
    point[0, 0] = 1.0
    found = np.abs(np.fft.fft2(torus._filtered(np.pad(point, [(0, n - m) for n, m in _sizes(torus)]), torus._spectrum)))
    alias = np.arange(-40, 41)
    fy, fx = (np.fft.fftfreq(n)[:, None] + alias for n in torus.size)
    squared = fy[:, None, :, None] ** 2 + fx[None, :, None, :] ** 2
    f0 = 1 / OUTER_SCALE
    density = (slope - 2) / (2 * np.pi) * f0 ** (slope - 2) * (f0**2 + squared) ** (-slope / 2)
    np.testing.assert_allclose(found, density.sum((-2, -1)), rtol=0.03)


def _sizes(torus):
    return list(zip(torus.size, torus.shape, strict=True))


def test_sampled_fields_have_the_covariance():
    torus, rng = Torus((20, 16), 3.2, OUTER_SCALE), np.random.default_rng(0)
    fields = np.array([torus.sample(rng) for _ in range(800)])
    assert abs(fields.mean()) < 0.02
    for dy, dx in [(0, 0), (1, 0), (0, 1), (2, 3), (0, 9), (-6, 5)]:
        found = (fields * np.roll(fields, (dy, dx), (1, 2))).mean()
        assert found == pytest.approx(covariance(np.hypot(dy, dx), 3.2, OUTER_SCALE), abs=0.02), (dy, dx)
    other = (fields * np.roll(fields, 12, 2)).mean()
    assert abs(other - covariance(0.0, 3.2, OUTER_SCALE)) > 0.5  # the bound above tells fields from noise


def test_covariance_with_a_cell_and_with_a_sum_of_cells():
    torus = Torus((20, 16), 3.2, OUTER_SCALE)
    weights = np.zeros((20, 16))
    weights[3, 4], weights[18, 1] = 1.0, -2.0
    y, x = np.mgrid[:20, :16]
    first, second = covariance(np.hypot(y - 3, x - 4), 3.2, 12.0), covariance(np.hypot(y - 18, x - 1), 3.2, 12.0)
    np.testing.assert_allclose(torus.covariance_with(weights), first - 2 * second, atol=1e-3)


def test_a_grid_much_smaller_than_the_outer_scale():
    corner = np.zeros((8, 8))
    corner[0, 0] = 1.0
    for slope in (3.0, 4.0):
        found = Torus((8, 8), slope, 40.0).covariance_with(corner)
        y, x = np.mgrid[:8, :8]
        np.testing.assert_allclose(found, covariance(np.hypot(y, x), slope, 40.0), atol=2e-3)
    with pytest.raises(ValueError, match="too small for an outer scale of 40 cells"):
        Torus((8, 8), 6.0, 40.0)


def test_percentiles_of_the_marginal():
    """Those that its parameters were chosen for."""
    for level, amount in [(0.90, 11.7), (0.95, 20.1), (0.99, 43.6)]:
        assert 1 - exceedance(amount, MARGINAL) == pytest.approx(level, abs=5e-4)


def test_latent_and_rain_belong_together():
    rain = np.array([1e-3, 0.1, 5.0, 43.6, 300.0, 1500.0])
    np.testing.assert_allclose(from_latent(to_latent(rain, MARGINAL), MARGINAL), rain, rtol=1e-9)
    dry = dry_below(MARGINAL)
    assert to_latent(0.0, MARGINAL) == pytest.approx(dry)
    assert from_latent([dry - 1e-9, dry - 5.0, dry + 1e-6], MARGINAL).tolist()[:2] == [0.0, 0.0]
    assert from_latent(dry + 1e-3, MARGINAL) > 0
    assert exceedance([-1.0, 0.0], MARGINAL).tolist() == [1.0, pytest.approx(0.35)]


def test_tails_are_those_of_the_law():
    """Above: a generalized Pareto's, kappa times as probable. Below: y^kappa."""
    m = MARGINAL
    high = 3e4
    tail = m.wet_share * m.kappa * (1 + m.xi * high / m.sigma) ** (-1 / m.xi)
    assert exceedance(high, m) == pytest.approx(tail, rel=1e-9, abs=0) and tail < 1e-15
    low = np.array([1e-6, 1e-5])
    small = m.wet_share - exceedance(low, m)
    assert small[1] / small[0] == pytest.approx(10**m.kappa, rel=1e-4)


def test_sampled_amounts_follow_the_law():
    rain = from_latent(np.random.default_rng(1).standard_normal(20000), MARGINAL)
    wet = rain[rain > 0]
    assert len(wet) / len(rain) == pytest.approx(0.35, abs=0.01)

    def cumulative(y):
        return 1 - exceedance(y, MARGINAL) / MARGINAL.wet_share

    assert kstest(wet, cumulative).pvalue > 0.01
    assert kstest(1.1 * wet, cumulative).pvalue < 0.01
