"""Land and sea: a coast for simulated domains, and how far from it every cell is."""

import numpy as np
from scipy.spatial import KDTree

from kmodels.precip.gaussian_field import Torus

EARTH_RADIUS = 6371.0  # km
LAND_SHARE = 0.65
SMOOTHNESS = 5.0  # spectral slope of the field whose contour is the coast


def draw_land(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(y, x) bool, LAND_SHARE of it land, with a smooth coast."""
    height = Torus(shape, SMOOTHNESS, float(max(shape)))
    field = height.grid(height.draw(rng))
    return field > np.quantile(field, 1 - LAND_SHARE)


def distance_to_coast(land: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Great-circle distance [km] (y, x) of each cell's centre to the nearest one on the other side of the coast.

    land: (y, x) bool. lat, lon: (y, x) [degrees]. All zero where there is no coast.
    """
    if land.all() or not land.any():
        return np.zeros(land.shape)
    phi, lam = np.radians(lat), np.radians(lon)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    chord = np.zeros(land.shape)
    for side in (land, ~land):
        chord[side] = KDTree(points[~side]).query(points[side])[0]
    return 2 * EARTH_RADIUS * np.arcsin(np.minimum(chord / 2, 1))
