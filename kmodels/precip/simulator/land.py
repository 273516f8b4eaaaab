"""Land and sea of simulated domains, and how high the land lies."""

import numpy as np

from kmodels.precip.simulator.gaussian_field import Torus

LAND_SHARE = 0.65
SMOOTHNESS = 5.0  # spectral slope of the field whose contour is the coast
ROUGHNESS = 4.0  # of the mountains
HIGHEST = 2500.0  # m


def simulate_land(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Simulate land, (y, x) bool, LAND_SHARE of it land with a smooth coast, and its height (y, x) [m], 0 on the sea.

    The height grows from the coast inland, and has mountains: the product of the distance above the coast's contour and
    the exponential of half a rougher field.
    """
    smooth = Torus(shape, SMOOTHNESS, float(max(shape)))
    field = smooth.grid(smooth.sample(rng))
    coast = np.quantile(field, 1 - LAND_SHARE)
    rough = Torus(shape, ROUGHNESS, max(shape) / 3)
    height = np.maximum(field - coast, 0) * np.exp(rough.grid(rough.sample(rng)) / 2)
    return field > coast, HIGHEST * height / height.max()
