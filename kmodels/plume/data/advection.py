"""A cloud moved by the wind: the baseline that a forecast has to beat, and the base that it may correct."""

import numpy as np

PUFFS = 12  # that a frame's emission is laid down in


def semi_lagrangian_step(concentration, wind, seconds: float, cell, below_ground) -> np.ndarray:
    """c(x, t + dt) = c(x - u dt, t) in every level: a semi-Lagrangian step with bilinear interpolation.

    concentration: (n, z, y, x) [kg m-3]. wind: (n, 2, z) [m s-1], eastward and northward. seconds: dt. cell: (dz, dy,
    dx) [m]. below_ground: (n, z, y, x) bool. What comes in over the sides is clean air. Levels move as a whole; what
    would end in the ground is lifted into the lowest air above it.
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
                found[n, level] += weight_y * weight_x * _shift(concentration[n, level], north + dy, east + dx)
    return _lift_above_ground(found, below_ground)


def advect_emission(emission, wind, seconds: float, cell, below_ground) -> np.ndarray:
    """What sources emit in dt, laid along the wind: the mean over 0 < s < dt of c(x, s) = q dt / V at x_source + u s.

    The level that a plume rises to is not known, so every level is given all of it, carried by its own wind: an upper
    bound. emission: (n, z, y, x) [kg s-1]. The rest, and what is returned, as in `semi_lagrangian_step`.
    """
    rate = emission.sum(axis=1)
    source, row, column = np.nonzero(rate)
    amount = rate[source, row, column] * np.float32(seconds / np.prod(cell) / PUFFS)
    age = (np.arange(PUFFS, dtype="float32") + 0.5) / PUFFS * np.float32(seconds)
    # (source, z, puff): where each puff is, in cells.
    east, north = (
        place[:, None, None] + wind[source, axis][..., None] * age / np.float32(width)
        for axis, place, width in ((0, column, cell[2]), (1, row, cell[1]))
    )
    found = np.zeros(below_ground.shape, "float32")
    n_rows, n_columns = found.shape[-2:]
    level = np.arange(found.shape[1])[:, None]
    for j, weight_j in _linear_weights(north):
        for i, weight_i in _linear_weights(east):
            inside = (j >= 0) & (j < n_rows) & (i >= 0) & (i < n_columns)
            part = np.where(inside, weight_j * weight_i * amount[:, None, None], np.float32(0))
            place = source[:, None, None], level, np.clip(j, 0, n_rows - 1), np.clip(i, 0, n_columns - 1)
            np.add.at(found, place, part)
    return _lift_above_ground(found, below_ground)


def _lift_above_ground(field, below_ground):
    """What lies in the ground added to the lowest cell of air above it."""
    lowest = np.argmin(below_ground, axis=1, keepdims=True)
    buried = np.where(below_ground, field, np.float32(0)).sum(axis=1, keepdims=True)
    field = np.where(below_ground, np.float32(0), field)
    np.put_along_axis(field, lowest, np.take_along_axis(field, lowest, 1) + buried, 1)
    return field


def _linear_weights(position):
    """((cell, its share), (next cell, its share)) of linear interpolation at these positions [cells]."""
    whole = np.floor(position).astype(int)
    part = (position - whole).astype("float32")
    return (whole, 1 - part), (whole + 1, part)


def _shift(plane, north: int, east: int):
    """The plane (y, x) moved by whole cells; zeros come in."""
    ny, nx = plane.shape
    result = np.zeros_like(plane)
    if abs(north) < ny and abs(east) < nx:
        to = slice(max(north, 0), ny + min(north, 0)), slice(max(east, 0), nx + min(east, 0))
        of = slice(max(-north, 0), ny - max(north, 0)), slice(max(-east, 0), nx - max(east, 0))
        result[to] = plane[of]
    return result
