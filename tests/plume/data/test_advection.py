"""Moving a cloud by its wind, against clouds moved by hand."""

import numpy as np
import pytest

from kmodels.plume.data.advection import advect_emission, semi_lagrangian_step

CELL = (10.0, 100.0, 100.0)
AIR = np.zeros((1, 2, 6, 6), bool)


def cloud(*cells):
    field = np.zeros((1, 2, 6, 6), "float32")
    for cell in cells:
        field[(0, *cell)] = 1.0
    return field


def wind(u, v):
    return np.array([[u, v]], "float32")


def test_whole_cells_every_level_by_its_own_wind():
    found = semi_lagrangian_step(cloud((0, 2, 2), (1, 2, 2)), wind([2.0, -1.0], [0.0, 1.0]), 100.0, CELL, AIR)
    np.testing.assert_array_equal(found, cloud((0, 2, 4), (1, 3, 1)))


def test_half_a_cell_is_shared():
    found = semi_lagrangian_step(cloud((0, 2, 2)), wind([0.5, 0.0], [0.0, 0.0]), 100.0, CELL, AIR)
    np.testing.assert_allclose(found, 0.5 * (cloud((0, 2, 2)) + cloud((0, 2, 3))))


def test_there_and_back_is_where_it_was():
    start = np.random.default_rng(0).random((1, 2, 6, 6)).astype("float32")
    there = semi_lagrangian_step(start, wind([1.0, 1.0], [-1.0, -1.0]), 100.0, CELL, AIR)
    back = semi_lagrangian_step(there, wind([-1.0, -1.0], [1.0, 1.0]), 100.0, CELL, AIR)
    np.testing.assert_array_equal(back[..., 1:, :-1], start[..., 1:, :-1])


@pytest.mark.parametrize("u", [7.0, -6.0, 40.0])
def test_what_is_blown_out_is_gone_and_clean_air_comes_in(u):
    assert semi_lagrangian_step(np.ones((1, 2, 6, 6), "float32"), wind([u, u], [0.0, 0.0]), 100.0, CELL, AIR).sum() == 0


def test_nothing_in_the_ground():
    below = AIR.copy()
    below[0, 0] = True
    assert (
        semi_lagrangian_step(np.ones((1, 2, 6, 6), "float32"), wind([0.0, 0.0], [0.0, 0.0]), 100.0, CELL, below)[
            0, 0
        ].sum()
        == 0
    )


def test_what_would_end_in_a_hill_is_lifted_over_it():
    below = AIR.copy()
    below[0, 0, 2, 4] = True
    found = semi_lagrangian_step(cloud((0, 2, 2)), wind([2.0, 0.0], [0.0, 0.0]), 100.0, CELL, below)
    np.testing.assert_array_equal(found, cloud((1, 2, 4)))


def stack(row, column):
    return cloud((0, row, column)) * np.float32(2.0)  # kg s-1


def test_emission_lies_along_the_wind_and_its_mass_is_exact():
    found = advect_emission(stack(2, 1), wind([2.0, 0.0], [0.0, 1.0]), 100.0, CELL, AIR)
    mass = found.sum((2, 3)) * np.prod(CELL)
    np.testing.assert_allclose(mass, 200.0, rtol=1e-5)  # kg in each level
    rows, columns = np.nonzero(found[0, 0])
    assert set(rows) == {2} and set(columns) == {1, 2, 3}
    rows, columns = np.nonzero(found[0, 1])
    assert set(rows) == {2, 3} and set(columns) == {1}


def test_emission_in_still_air_stays_and_nothing_comes_back_from_outside():
    still = advect_emission(stack(0, 0), wind([0.0, 0.0], [0.0, 0.0]), 50.0, CELL, AIR)
    np.testing.assert_allclose(still[0, :, 0, 0] * np.prod(CELL), 100.0, rtol=1e-5)
    blown = advect_emission(stack(0, 0), wind([-9.0, -9.0], [0.0, 0.0]), 100.0, CELL, AIR)
    assert 0 < blown.sum() * np.prod(CELL) < 200.0 and not blown[..., 1:, :].any() and not blown[..., 1:].any()
