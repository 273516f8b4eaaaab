"""The Gaussian models, and their agreement with the finite volumes."""

import numpy as np
import pytest
from helpers.domains import flat, run_to, uniform
from helpers.puff import cloud, plume, vertical

from kmodels.plume.simulator.stability import CLASSES, REFERENCE_DISTANCE
from kmodels.plume.simulator.transport import Transport


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("lid", [300.0, np.inf])
def test_plume_carries_what_is_emitted(name, lid):
    """The integral of u c across the plume is q at every distance."""
    sigmas = CLASSES[name].sigmas
    y = np.linspace(-4000.0, 4000.0, 4001)[:, None]
    z = (np.arange(3000) + 0.5) * (300.0 if lid == 300.0 else 6000.0) / 3000
    for x in (100.0, 1000.0, 4000.0):
        sigma_y, _ = sigmas(x)
        c = plume(x, y[np.abs(y) < 6 * sigma_y][:, None], z, 60.0, 2.0, 3.0, sigmas, lid)
        assert 3.0 * c.sum() * 2.0 * (z[1] - z[0]) == pytest.approx(2.0, rel=1e-3)


def test_vertical_far_downwind_is_well_mixed():
    np.testing.assert_allclose(vertical(np.linspace(0, 100, 11), 30.0, 400.0, 100.0), 0.01, rtol=1e-3)


def test_sigmas_of_briggs():
    """Hand-worked at 1 km: A 0.22 / sqrt(1.1) and 0.20; F 0.04 / sqrt(1.1) and 0.016 / 1.3 times 1 km."""
    np.testing.assert_allclose(CLASSES["A"].sigmas(1000.0), [209.76, 200.0], rtol=1e-4)
    np.testing.assert_allclose(CLASSES["F"].sigmas(1000.0), [38.139, 12.308], rtol=1e-4)


def test_puffs_in_a_row_are_a_plume():
    """In steady wind; along the wind puffs spread, too, which a plume leaves out: hence class D and 2%."""
    wind = np.tile([3.0, 4.0], (600, 1))
    x = np.array([600.0, 900.0])
    c = cloud(x, x * 4 / 3, np.array([0.0, 40.0]), (0.0, 0.0, 50.0), 2.0, wind, 2.0, CLASSES["D"], 200.0)
    for i, distance in enumerate(x * 5 / 3):
        expected = plume(distance, 0.0, np.array([0.0, 40.0]), 50.0, 2.0, 5.0, CLASSES["D"].sigmas, 200.0)
        np.testing.assert_allclose(c[:, i, i], expected, rtol=0.02)


@pytest.mark.parametrize("name", CLASSES)
def test_two_engines_agree(name):
    """Steady wind over flat country, release at twice sigma_z(1 km), where the ground hears much of sigma_z; 1 km
    downwind, where the diffusivities are made to match Briggs' sigmas: concentration on the ground below the axis, and
    its integral across the wind, within 10%.

    Cells are a quarter of sigma_y wide and a fifth of sigma_z high: a source of one cell is then as good as a point.
    """
    stability, u = CLASSES[name], 3.0
    sigma_y, sigma_z = stability.sigmas(REFERENCE_DISTANCE)
    dx, dz = sigma_y / 4, sigma_z / 5
    behind = round(REFERENCE_DISTANCE / dx)
    domain = flat(nz=36, ny=21, nx=behind + 10, dx=dx, dz=dz)
    transport = Transport(domain, uniform(domain, u), stability.diffusivities(u), 60.0)
    minutes = int(np.ceil(1.6 * domain.grid.nx * dx / u / 60))
    source = (9, 10, 4)
    run_to(transport, minutes, [[index] for index in source], [0.01])
    release = (domain.x[4], domain.y[10], domain.z[9])
    wind = np.tile([u, 0.0], (minutes * 30, 1))
    expected = cloud(domain.x, domain.y, domain.z[:1], release, 0.01, wind, 2.0, stability)[0, :, 4 + behind]
    found = transport.concentration[0, :, 4 + behind]
    assert found[10] == pytest.approx(expected[10], rel=0.1)
    assert found.sum() == pytest.approx(expected.sum(), rel=0.1)
    assert found.argmax() == 10


def test_a_puff_leaves_in_the_middle_of_its_step():
    """One step of 60 s in 10 m/s, then one to the north: puffs at (300, 600) m and at (0, 300) m."""
    axis = np.arange(-100.0, 1000.0, 10.0)
    wind = [[10.0, 0.0], [0.0, 10.0]]
    c = cloud(axis, axis, np.array([50.0]), (0.0, 0.0, 50.0), 1.0, wind, 60.0, CLASSES["D"])[0]
    mass_east = c.sum(axis=0)
    assert axis[mass_east.argmax()] == 0.0 and axis[axis > 150][mass_east[axis > 150].argmax()] == 300.0
    assert axis[c[:, axis > 150].sum(axis=1).argmax()] == 600.0
    assert axis[c[:, axis < 150].sum(axis=1).argmax()] == 300.0
