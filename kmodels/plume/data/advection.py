"""What the wind alone does to a cloud and to an emission: semi-Lagrangian steps on a grid."""

import numpy as np

PUFFS = 12  # that a frame's emission is laid down in


def semi_lagrangian_step(
    concentration: np.ndarray, wind: np.ndarray, seconds: float, cell, below_ground: np.ndarray
) -> np.ndarray:
    """Move concentrations by the wind of their level: c(x, t + dt) = c(x - u dt, t), bilinearly interpolated.

    Clean air comes in over the sides. Levels move as a whole; what would end in the ground is lifted into the lowest
    air above it.

    Parameters
    ----------
    concentration : array (n, z, y, x)
        [kg m-3].
    wind : array (n, 2, z)
        Eastward and northward wind of each level [m s-1].
    seconds : float
        dt [s].
    cell : (dz, dy, dx)
        Size of a cell [m].
    below_ground : array (n, z, y, x) of bool
        Cells in the ground.

    Returns
    -------
    array (n, z, y, x)
        The concentrations dt later [kg m-3].
    """
    shift = wind * np.float32(seconds) / np.array([cell[2], cell[1]], "float32")[:, None]  # (n, 2, z) [cells]
    whole = np.floor(shift).astype(int)
    part = (shift - whole).astype("float32")
    result = np.zeros_like(concentration)
    for n, level in np.ndindex(concentration.shape[:2]):
        east, north = whole[n, :, level]
        fraction_east, fraction_north = part[n, :, level]
        for dy, weight_y in ((0, 1 - fraction_north), (1, fraction_north)):
            for dx, weight_x in ((0, 1 - fraction_east), (1, fraction_east)):
                result[n, level] += weight_y * weight_x * _shift(concentration[n, level], north + dy, east + dx)
    return _lift_above_ground(result, below_ground)


def advect_emission(
    emission: np.ndarray, wind: np.ndarray, seconds: float, cell, below_ground: np.ndarray
) -> np.ndarray:
    """Lay what sources emit in dt along the wind: the mean over 0 < s < dt of q dt / V at x_source + u s.

    The level that a plume rises to is not known, so every level is given all of it, carried by its own wind: an upper
    bound.

    Parameters
    ----------
    emission : array (n, z, y, x)
        Emission rates [kg s-1].
    wind, seconds, cell, below_ground
        As in `semi_lagrangian_step`.

    Returns
    -------
    array (n, z, y, x)
        What was emitted, dt later [kg m-3].
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
    result = np.zeros(below_ground.shape, "float32")
    n_rows, n_columns = result.shape[-2:]
    level = np.arange(result.shape[1])[:, None]
    for j, weight_j in _linear_weights(north):
        for i, weight_i in _linear_weights(east):
            inside = (j >= 0) & (j < n_rows) & (i >= 0) & (i < n_columns)
            part = np.where(inside, weight_j * weight_i * amount[:, None, None], np.float32(0))
            place = source[:, None, None], level, np.clip(j, 0, n_rows - 1), np.clip(i, 0, n_columns - 1)
            np.add.at(result, place, part)
    return _lift_above_ground(result, below_ground)


def _lift_above_ground(field, below_ground):
    """Add what lies in the ground to the lowest cell of air above it."""
    lowest = np.argmin(below_ground, axis=1, keepdims=True)
    in_ground = np.where(below_ground, field, np.float32(0)).sum(axis=1, keepdims=True)
    field = np.where(below_ground, np.float32(0), field)
    np.put_along_axis(field, lowest, np.take_along_axis(field, lowest, 1) + in_ground, 1)
    return field


def _linear_weights(position):
    """Compute ((cell, its weight), (next cell, its weight)) of linear interpolation at these positions [cells]."""
    whole = np.floor(position).astype(int)
    part = (position - whole).astype("float32")
    return (whole, 1 - part), (whole + 1, part)


def _shift(plane, north: int, east: int):
    """Shift a plane (y, x) by whole cells; zeros come in."""
    ny, nx = plane.shape
    result = np.zeros_like(plane)
    if abs(north) < ny and abs(east) < nx:
        to = slice(max(north, 0), ny + min(north, 0)), slice(max(east, 0), nx + min(east, 0))
        of = slice(max(-north, 0), ny - max(north, 0)), slice(max(-east, 0), nx - max(east, 0))
        result[to] = plane[of]
    return result
