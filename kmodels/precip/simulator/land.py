"""Land and sea: a coast for simulated domains."""

import numpy as np

from kmodels.precip.simulator.gaussian_field import Torus

LAND_SHARE = 0.65
SMOOTHNESS = 5.0  # spectral slope of the field whose contour is the coast


def simulate_land(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Simulate land, (y, x) bool: LAND_SHARE of it land, with a smooth coast."""
    height = Torus(shape, SMOOTHNESS, float(max(shape)))
    field = height.grid(height.sample(rng))
    return field > np.quantile(field, 1 - LAND_SHARE)
