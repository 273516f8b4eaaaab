"""Quarter turns: a cloud turned with its terrain, sources and wind is as good a cloud."""

import numpy as np


def rotate(arrays: dict[str, np.ndarray], quarter_turns: int) -> dict[str, np.ndarray]:
    """Turn arrays counterclockwise, seen from above, by multiples of 90 degrees.

    Parameters
    ----------
    arrays : dict of str to array
        Fields (..., y, x) with y northward and x eastward, and under the name "wind" vectors (..., 2, z) with the
        components eastward and northward: the vector (u, v) becomes (-v, u).
    quarter_turns : int
        How often. Cells must be square for odd numbers; a grid of ny x nx then becomes nx x ny.

    Returns
    -------
    dict of str to array
        The arrays, turned.
    """
    return {
        name: _rotate_wind(values, quarter_turns) if name == "wind" else _rotate_field(values, quarter_turns)
        for name, values in arrays.items()
    }


def _rotate_field(field: np.ndarray, quarter_turns: int) -> np.ndarray:
    # From the x axis towards the y axis is counterclockwise where y points north.
    return np.rot90(field, quarter_turns, axes=(-1, -2))


def _rotate_wind(wind: np.ndarray, quarter_turns: int) -> np.ndarray:
    u, v = wind[..., 0, :], wind[..., 1, :]
    for _ in range(quarter_turns % 4):
        u, v = -v, u
    return np.stack([u, v], axis=-2)
