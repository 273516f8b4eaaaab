"""Quarter turns: a wind and what it carries turn together."""

import numpy as np
import pytest

from kmodels.plume.data.symmetry import rotate


def test_four_quarter_turns_are_none():
    rng = np.random.default_rng(0)
    arrays = {"past": rng.random((2, 3, 4, 6, 5)), "terrain": rng.random((2, 6, 5)), "wind": rng.random((2, 3, 2, 4))}
    turned = arrays
    for _ in range(4):
        turned = rotate(turned, 1)
    for name, values in arrays.items():
        np.testing.assert_array_equal(turned[name], values)
        np.testing.assert_array_equal(rotate(arrays, 0)[name], values)
        np.testing.assert_array_equal(rotate(rotate(arrays, 1), 2)[name], rotate(arrays, -1)[name])
    assert rotate(arrays, 1)["past"].shape == (2, 3, 4, 5, 6)


def test_east_becomes_north():
    field = np.zeros((3, 3))
    field[1, 2] = 1.0  # in the east
    wind = np.array([[5.0], [0.0]])  # eastward, one level
    turned = rotate({"field": field, "wind": wind}, 1)
    assert np.argwhere(turned["field"]).tolist() == [[2, 1]]
    assert turned["wind"].ravel().tolist() == [0.0, 5.0]


def blob(time, u, v, start):
    """(time, z, y, x) of a blob that a uniform wind [cells a frame] carries from `start`, (x, y) from the centre."""
    axis = np.arange(15.0) - 7
    y, x = np.meshgrid(axis, axis, indexing="ij")
    at = np.asarray(time, float)[:, None, None]
    return np.exp(-0.3 * ((x - start[0] - u * at) ** 2 + (y - start[1] - v * at) ** 2))[:, None]


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_blob_goes_with_the_turned_wind(quarter_turns):
    u, v, start = 1.0, 0.5, np.array([-3.0, 1.0])
    wind = np.array([u, v])[:, None]
    turned = rotate({"c": blob(range(4), u, v, start), "wind": wind}, quarter_turns)
    angle = quarter_turns * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(turned["wind"][:, 0], turn @ (u, v), atol=1e-12)
    np.testing.assert_allclose(turned["c"], blob(range(4), *turned["wind"][:, 0], turn @ start), atol=1e-12)
    unturned = blob(range(4), u, v, turn @ start)
    assert np.abs(turned["c"] - unturned).max() > 0.5, "a wind that is not turned would be seen"
