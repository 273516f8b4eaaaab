"""A cloud moved by the wind: the baseline that a forecast has to beat, and the base that it may correct."""

import numpy as np


def moved(concentration, wind, seconds: float, cell, below_ground) -> np.ndarray:
    """c(x, t + dt) = c(x - u dt, t) in every level: a semi-Lagrangian step with bilinear interpolation.

    concentration: (n, z, y, x) [kg m-3]. wind: (n, 2, z) [m s-1], eastward and northward. seconds: dt. cell: (dz, dy,
    dx) [m]. below_ground: (n, z, y, x) bool. What comes in over the sides is clean air, what would end in the ground
    is lost: it moves levels as a whole and knows no terrain.
    """
    shift = wind * np.float32(seconds) / np.array([cell[2], cell[1]], "float32")[:, None]  # (n, 2, z) [cells]
    whole = np.floor(shift).astype(int)
    part = (shift - whole).astype("float32")
    found = np.zeros_like(concentration)
    for n, level in np.ndindex(concentration.shape[:2]):
        east, north = whole[n, :, level]
        fraction_east, fraction_north = part[n, :, level]
        for dy, weight_y in ((0, 1 - fraction_north), (1, fraction_north)):
            for dx, weight_x in ((0, 1 - fraction_east), (1, fraction_east)):
                found[n, level] += weight_y * weight_x * _shifted(concentration[n, level], north + dy, east + dx)
    return np.where(below_ground, np.float32(0), found)


def _shifted(plane, north: int, east: int):
    """The plane (y, x) moved by whole cells; zeros come in."""
    ny, nx = plane.shape
    result = np.zeros_like(plane)
    if abs(north) < ny and abs(east) < nx:
        to = slice(max(north, 0), ny + min(north, 0)), slice(max(east, 0), nx + min(east, 0))
        of = slice(max(-north, 0), ny - max(north, 0)), slice(max(-east, 0), nx - max(east, 0))
        result[to] = plane[of]
    return result
