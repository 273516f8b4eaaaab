"""Quarter turns: a cloud turned with its terrain, sources and wind is as good a cloud."""

import numpy as np


def rotate(arrays: dict[str, np.ndarray], quarter_turns: int) -> dict[str, np.ndarray]:
    """Arrays turned counterclockwise, seen from above, by multiples of 90 degrees.

    arrays: fields (..., y, x) with y northward and x eastward, and under the name "wind" vectors (..., 2, z) with the
    components eastward and northward: the vector (u, v) becomes (-v, u). Cells must be square for odd quarter turns;
    a grid of ny x nx then becomes nx x ny.
    """
    return {
        name: _rotated_wind(values, quarter_turns) if name == "wind" else _rotated_field(values, quarter_turns)
        for name, values in arrays.items()
    }


def _rotated_field(field: np.ndarray, quarter_turns: int) -> np.ndarray:
    # From the x axis towards the y axis is counterclockwise where y points north.
    return np.rot90(field, quarter_turns, axes=(-1, -2))


def _rotated_wind(wind: np.ndarray, quarter_turns: int) -> np.ndarray:
    u, v = wind[..., 0, :], wind[..., 1, :]
    for _ in range(quarter_turns % 4):
        u, v = -v, u
    return np.stack([u, v], axis=-2)
