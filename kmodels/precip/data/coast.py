"""How far every cell is from the coast."""

import numpy as np
from scipy.spatial import KDTree

EARTH_RADIUS = 6371.0  # km


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
