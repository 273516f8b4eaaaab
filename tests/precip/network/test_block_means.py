"""How fields get the coarse rain: blocks whose latent is shifted, or whose rain is scaled."""

import numpy as np
import pytest
from keras import ops
from scipy.optimize import brentq

from kmodels.core.training import backend
from kmodels.precip.network.layers import scaled_blocks, shifted_blocks
from kmodels.precip.simulator.weather import block_mean


@pytest.fixture(scope="module")
def latent():
    """(days, y, x), three days of four blocks of 4 x 4 cells."""
    return np.random.default_rng(0).normal(0, 2, (3, 8, 8)).astype("float32")


COARSE = np.array([[[0, 1e-3], [0.3, 7]], [[2, 0], [40, 1e-5]], [[150, 1], [0.1, 0]]], "float32")


def shifted(latent, coarse):
    return ops.convert_to_numpy(shifted_blocks(ops.convert_to_tensor(latent), ops.convert_to_tensor(coarse)))


def test_shifted_blocks_have_the_coarse_rain(latent):
    """Rain up to the float32 rounding of 1 + rain; a block without rain is dry, exactly."""
    rain = shifted(latent, COARSE)
    assert rain.min() == 0
    np.testing.assert_allclose(block_mean(rain.astype("float64"), 4), COARSE, rtol=2e-5, atol=2e-7)
    assert (block_mean(rain, 4)[COARSE == 0] == 0).all()


def test_shifted_blocks_solve_the_equation(latent):
    """Their rain is that of a threshold which a root finder finds in double precision, on every backend."""
    expected = np.zeros(latent.shape)
    for day, row, column in np.argwhere(COARSE > 0):
        here = (day, slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        cells = latent[here].astype("float64")

        def rain(level, cells=cells):
            return np.maximum(np.expm1(cells - level), 0)

        level = brentq(lambda s, c=COARSE[day, row, column]: rain(s).mean() - c, -20, cells.max(), xtol=1e-14)
        expected[here] = rain(level)
    np.testing.assert_allclose(shifted(latent, COARSE), expected, rtol=1e-4, atol=1e-6)


def test_some_cells_of_a_block_with_little_rain_are_dry(latent):
    """And fewer of one with much; scaled rain is wet in all of them."""
    shares = [(shifted(latent, np.full((3, 2, 2), c, "float32")) > 0).mean() for c in (0.01, 0.1, 1.0, 10.0, 1e4)]
    assert shares == sorted(shares) and shares[0] < 0.2 and shares[-1] == 1
    rain = scaled_blocks(ops.convert_to_tensor(np.exp(latent)), np.full((3, 2, 2), 0.01, "float32"))
    assert (ops.convert_to_numpy(rain) > 0).all()


def test_a_shift_of_the_latent_changes_nothing(latent):
    np.testing.assert_allclose(shifted(latent + 3, COARSE), shifted(latent, COARSE), rtol=1e-4, atol=1e-6)
    huge = shifted(100 * latent, COARSE)  # far beyond the range of exp
    np.testing.assert_allclose(block_mean(huge, 4), COARSE, rtol=2e-5, atol=2e-7)


def test_gradients_are_those_of_the_function(latent):
    """Finite everywhere; along a direction the same as a difference; none where a block is dry."""
    weight = np.random.default_rng(1).normal(size=latent.shape).astype("float32")

    def value(x, weight):
        return ops.sum(shifted_blocks(x, ops.convert_to_tensor(COARSE)) * weight)

    _, found = backend.value_and_gradient(value)(latent, weight)
    assert np.isfinite(found).all()
    dry = np.kron(COARSE == 0, np.ones((4, 4), bool))
    assert (found[dry] == 0).all() and np.abs(found).max() > 1
    direction = np.random.default_rng(2).normal(size=latent.shape).astype("float32")
    moved = [
        (shifted(latent + np.float32(s) * direction, COARSE).astype("float64") * weight).sum() for s in (1e-3, -1e-3)
    ]
    assert (found * direction).sum() == pytest.approx((moved[0] - moved[1]) / 2e-3, rel=0.01)


def test_equal_cells_share_the_rain():
    np.testing.assert_allclose(shifted(np.zeros((1, 2, 2), "float32"), np.array([[[3.0]]], "float32")), 3.0, rtol=1e-6)
