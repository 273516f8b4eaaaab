"""Where cells lie on another grid, and fields interpolated there, in closed form."""

import numpy as np
import pytest

from kmodels.precip.data.grids import nested_places, places_on, sampled
from kmodels.precip.simulator.lambert import Lambert

LAT, LON = np.meshgrid(31.0 + 2 * np.arange(16), -6.0 + 2 * np.arange(16), indexing="ij")


def alps():
    """Latitude and longitude (12, 10) of cells 100 km apart."""
    x, y = np.meshgrid(1e5 * (np.arange(10) - 4.5), 1e5 * (np.arange(12) - 5.5))
    return Lambert((49.5,), 46.0, 9.0).places(x, y)


def test_places_on_parallels_and_meridians_are_exact():
    lat, lon = alps()
    found = places_on(lat, lon, LAT, LON)
    np.testing.assert_allclose(found, np.stack([(lat - 31) / 2, (lon + 6) / 2], axis=-1), atol=1e-9)
    np.testing.assert_allclose(places_on(lat, lon + 360, LAT, LON), found, atol=1e-9)


def test_places_across_the_date_line():
    lat, lon = np.array([[-40.0]]), np.array([[-179.0]])
    coarse = np.meshgrid(-44.0 + 2 * np.arange(5), 172.0 + 2 * np.arange(8), indexing="ij")
    np.testing.assert_allclose(places_on(lat, lon, *coarse), [[[2.0, 4.5]]], atol=1e-9)


def test_places_on_a_turned_grid():
    """Middles that an affine map makes of rows and columns: the map's inverse."""
    rows, columns = np.meshgrid(np.arange(6.0), np.arange(7.0), indexing="ij")
    lat, lon = 40 + 1.9 * rows + 0.4 * columns, 5 - 0.6 * rows + 2.1 * columns
    there = np.array([[[1.25, 3.5], [4.9, 0.1]]])
    found = places_on(
        40 + there @ [1.9, 0.4],
        5 + there @ [-0.6, 2.1],
        lat,
        lon,
    )
    np.testing.assert_allclose(found, there, atol=1e-9)


def test_half_a_cell_beyond_the_outermost_middles_is_still_inside():
    lat, lon = np.array([[30.1, 29.9, 61.9]]), np.array([[0.0, 0.0, 24.9]])
    found = places_on(lat, lon, LAT, LON)[0]
    assert found[0].tolist() == [0.0, 3.0] and np.isnan(found[1]).all() and found[2].tolist() == [15.0, 15.0]


def test_a_linear_field_is_interpolated_exactly():
    lat, lon = alps()
    field = 3.0 + 0.5 * LAT - 0.25 * LON
    found = sampled(np.stack([field, 2 * field]), places_on(lat, lon, LAT, LON))
    np.testing.assert_allclose(found[0], 3.0 + 0.5 * lat - 0.25 * lon, rtol=1e-12)
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-12)


def test_bilinear_by_hand():
    field = np.array([[0.0, 4.0], [8.0, 20.0]])
    assert sampled(field, np.array([[[0.5, 0.25], [1.0, 1.0], [0.0, 0.0]]])).tolist() == [[6.0, 20.0, 0.0]]


def test_grids_over_the_same_area():
    assert nested_places((4, 2), (2, 2))[:, 1].tolist() == [[0.0, 1.0], [0.25, 1.0], [0.75, 1.0], [1.0, 1.0]]
    constant = sampled(np.full((1, 3), 5.0), nested_places((4, 6), (1, 3)))
    assert constant == pytest.approx(np.full((4, 6), 5.0))
