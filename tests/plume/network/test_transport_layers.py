"""Transport's coefficients cell by cell: what goes where, and that nothing is lost."""

import numpy as np
import pytest
from keras import ops

from kmodels.plume.network.transport_layers import OFFSETS, ImplicitVerticalDiffusion, LocalRedistribution

SHAPE = (2, 5, 6, 7)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def air(rng):
    """Hills: ground up to a random level, at most the second from the top."""
    ground = rng.integers(0, 4, (2, 1, 6, 7))
    return (np.arange(5)[None, :, None, None] >= ground).astype("float32")


def inner(field):
    """The field without its outermost columns, so that nothing leaves in one step."""
    field = field.copy()
    field[:, :, [0, -1]] = field[:, :, :, [0, -1]] = 0
    return field


def test_redistribution_keeps_mass_and_stays_out_of_the_ground(rng, air):
    field = inner((rng.normal(size=SHAPE) * air).astype("float32"))[..., None]
    found = ops.convert_to_numpy(LocalRedistribution()(field, rng.normal(size=(*SHAPE, 27)).astype("float32"), air))
    assert found.sum() == pytest.approx(field.sum(), abs=1e-4)
    assert np.abs(found[air == 0]).max() == 0


@pytest.mark.parametrize("offset", [(0, 0, 1), (1, -1, 0), (-1, 0, -1)])
def test_redistribution_goes_along_its_offsets(offset):
    field = np.zeros((1, 5, 6, 7, 1), "float32")
    field[0, 2, 3, 3] = 1.0
    logits = np.full((1, 5, 6, 7, 27), -50.0, "float32")
    logits[..., OFFSETS.index(offset)] = 50.0
    found = ops.convert_to_numpy(LocalRedistribution()(field, logits, np.ones((1, 5, 6, 7), "float32")))
    dz, dy, dx = offset
    assert found[0, 2 + dz, 3 + dy, 3 + dx, 0] == pytest.approx(1.0)


def test_content_leaves_over_the_sides_but_not_through_floor_and_lid():
    field = np.ones((1, 3, 3, 3, 1), "float32")
    air, even = np.ones((1, 3, 3, 3), "float32"), np.zeros((1, 3, 3, 3, 27), "float32")
    even[..., OFFSETS.index((0, 0, 0))] = -4.0  # undoes the layer's own preference
    found = ops.convert_to_numpy(LocalRedistribution()(field, even, air))[0, ..., 0]
    # A cell in a corner of a level keeps 4 of the 9 columns that it spreads over, one at a side 6.
    assert found.sum() == pytest.approx(3 * (1 + 4 * 6 / 9 + 4 * 4 / 9), rel=1e-5)


def test_vertical_diffusion_solves_every_columns_system(rng, air):
    number = (3 * rng.random(SHAPE)).astype("float32")
    field = (rng.random(SHAPE) * air).astype("float32")[..., None]
    found = ops.convert_to_numpy(ImplicitVerticalDiffusion()(field, number, air))[..., 0]
    for b, j, i in [(0, 0, 0), (0, 3, 4), (1, 5, 6), (1, 2, 2)]:
        matrix = np.eye(5)
        passes = number[b, :, j, i] * air[b, :, j, i] * np.append(air[b, 1:, j, i], 1.0)
        for k, through in enumerate(passes):
            matrix[k, k] += through
            if k < 4:
                matrix[k + 1, k + 1] += through
                matrix[k, k + 1] -= through
                matrix[k + 1, k] -= through
        np.testing.assert_allclose(found[b, :, j, i], np.linalg.solve(matrix, field[b, :, j, i, 0]), rtol=1e-4)


def test_vertical_diffusion_under_a_closed_top_keeps_mass_and_fast_mixing_makes_columns_even(rng, air):
    number = np.full(SHAPE, 1e4, "float32")
    number[:, -1] = 0.0
    field = (rng.random(SHAPE) * air).astype("float32")[..., None]
    found = ops.convert_to_numpy(ImplicitVerticalDiffusion()(field, number, air))[..., 0]
    column = field[..., 0].sum(1) / air.sum(1)
    np.testing.assert_allclose(found, column[:, None] * air, rtol=2e-3, atol=1e-6)
