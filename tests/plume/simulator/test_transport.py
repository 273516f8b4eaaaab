"""The finite-volume engine against closed forms."""

import numpy as np
import pytest
from helpers.domains import data, flat, relative_l2, run_to, uniform
from helpers.puff import normal, vertical
from scipy.special import k0

from kmodels.plume.simulator.stability import CLASSES
from kmodels.plume.simulator.terrain import sample_domain
from kmodels.plume.simulator.transport import COURANT, Transport
from kmodels.plume.simulator.wind import sample_directions, wind_over


def over_hills(seed, lid, **changes):
    """A transport over random hills in a turning wind, run with two stacks."""
    section = data(lid=lid, **changes)
    rng = np.random.default_rng(seed)
    domain = sample_domain(rng, section)
    wind = wind_over(domain, 4.0, CLASSES["C"])
    transport = Transport(domain, wind, CLASSES["C"].diffusivities(4.0), 60.0)
    cells = (np.array([3, 4]), np.array([5, 8]), np.array([4, 9]))
    for direction in sample_directions(rng, 10, 60.0, section):
        transport.advance(direction, cells, np.array([0.01, 0.2]))
    return transport


@pytest.mark.parametrize("lid", [[100.0, 101.0], [1000.0, 1500.0]], ids=["lid", "open top"])
def test_mass_is_emitted_inside_or_left(lid):
    transport = over_hills(0, lid)
    assert transport.emitted == pytest.approx(0.21 * 600, rel=1e-12)
    assert 0.05 < transport.left / transport.emitted < 0.95
    missing = transport.emitted - transport.inside() - transport.left
    assert abs(missing) < 1e-10 * transport.emitted


def test_nothing_negative_nothing_in_the_ground_nothing_above_the_lid():
    transport = over_hills(1, [100.0, 101.0])
    c, domain = transport.concentration, transport.domain
    assert c.min() > -1e-12 * c.max()
    assert not c[~domain.air].any() and (~domain.air).sum() > 20
    assert domain.ceiling < domain.grid.nz and not c[domain.ceiling :].any()
    assert c[domain.ceiling - 1].max() > 0


def test_constant_concentration_stays_constant_over_hills():
    domain = sample_domain(np.random.default_rng(2), data(grid={"nz": 10, "ny": 24, "nx": 24, "dz": 20.0}))
    transport = Transport(domain, wind_over(domain, 5.0, CLASSES["D"]), (0.0, 0.0), 10.0)
    transport.concentration[domain.air] = 1.0
    transport.advance(0.3, ((), (), ()), ())
    assert transport.pairs == 1 and transport.sweeps[0] == 1
    across, down = 4, 4 * transport.sweeps[2]  # cells that two sweeps an axis hear of: clean air comes in at the sides
    known = domain.air.copy()  # and at the top
    known[-down:] = known[:, :across] = known[:, -across:] = known[:, :, :across] = known[:, :, -across:] = False
    assert known.sum() > 500 and (~domain.air[:, across:-across, across:-across]).sum() > 20
    assert np.abs(transport.concentration[known] - 1).max() < 1e-10


def test_uniform_wind_moves_a_blob():
    """By u t: the centre of mass after 400 s in each direction at once."""
    domain = flat(nz=50, ny=50, nx=50, dx=100.0, dz=10.0)
    speed = np.array([4.0, -3.0, 0.2])
    transport = Transport(domain, uniform(domain, *speed), (0.0, 0.0), 100.0)
    start = np.array([1700.0, 3100.0, 170.0])
    z, y, x = domain.z[:, None, None], domain.y[:, None], domain.x
    widths = (400.0, 400.0, 40.0)
    blob = normal(x - start[0], widths[0]) * normal(y - start[1], widths[1]) * normal(z - start[2], widths[2])
    transport.concentration[:] = blob
    run_to(transport, 4)
    c = transport.concentration
    centre = np.array([(c * axis).sum() for axis in (x, y, z)]) / c.sum()
    assert (np.abs(centre - start - speed * 400.0) < [1.0, 1.0, 0.1]).all()
    assert relative_l2(c, np.roll(blob, (8, -12, 16), axis=(0, 1, 2))) < 0.06


def puff_error(refine, wind, diffusivity, lid=np.inf):
    """Relative error (L2) of a puff that spreads between ground and lid while it is blown away, on a refined grid."""
    domain = flat(nz=16 * refine, ny=24 * refine, nx=32 * refine, dx=100.0 / refine, dz=10.0 / refine, lid=lid)
    transport = Transport(domain, uniform(domain, *wind), diffusivity, 50.0)
    start, old, time = (1000.0, 1000.0, 60.0), 300.0**2 / 2 / diffusivity[0], 200.0

    def exact(after):
        sigma_h, sigma_v = (np.sqrt(2 * k * (old + after)) for k in diffusivity)
        x, y = domain.x - start[0] - wind[0] * after, domain.y - start[1] - wind[1] * after
        column = vertical(domain.z, start[2], sigma_v, lid)
        return column[:, None, None] * normal(y, sigma_h)[:, None] * normal(x, sigma_h)

    transport.concentration[:] = exact(0.0)
    run_to(transport, 4)
    return relative_l2(transport.concentration, exact(time))


def test_puff_between_ground_and_lid():
    """Against the exact puff with its images; the error falls with the second order of the cells' width."""
    coarse, fine = (puff_error(refine, (4.0, 2.0), (30.0, 0.5), lid=160.0) for refine in (1, 2))
    assert fine < 0.01
    assert np.log2(coarse / fine) > 1.8


def test_steady_plume_of_a_line_source():
    """u dc/dx = Kx d2c/dx2 + Kz d2c/dz2 + q: Bessel's K0 at the source and at its images in ground and lid.

    c = q / (2 pi sqrt(Kx Kz)) sum exp(u x / 2 Kx) K0(u r / 2 Kx),  r^2 = x^2 + Kx / Kz (z - h)^2; from 15 cells
    behind the source on, where a source of one cell no longer differs from one of no width.
    """
    u, kx, kz, lid = 5.0, 20.0, 4.0, 160.0
    domain = flat(nz=64, ny=4, nx=100, dx=25.0, dz=2.5, lid=lid)
    transport = Transport(domain, uniform(domain, u), (kx, kz), 100.0)
    k, i = 24, 20
    rate = 1.0 * domain.grid.dx  # 1 kg s-1 m-1 along y
    run_to(transport, 10, ([k] * 4, range(4), [i] * 4), [rate] * 4)
    x, z = domain.x - domain.x[i], domain.z[:, None]
    total = 0.0
    for n in range(-3, 4):
        for height in (domain.z[k] + 2 * n * lid, -domain.z[k] + 2 * n * lid):
            r = np.sqrt(x**2 + kx / kz * (z - height) ** 2)
            near = np.where(r > 0, r, np.nan)
            total = total + np.exp(u * x / (2 * kx)) * k0(u * near / (2 * kx))
    expected = total / (2 * np.pi * np.sqrt(kx * kz))
    behind = slice(i + 15, -5)
    assert relative_l2(transport.concentration[:, 1, behind], expected[:, behind]) < 0.01
    assert np.ptp(transport.concentration, axis=1).max() < 1e-12 * transport.concentration.max()


def test_lid_mixes_a_long_plume():
    """Far downwind c = q / (u L) at every height, and nothing above the lid."""
    domain = flat(nz=16, ny=4, nx=60, dx=100.0, dz=10.0, lid=100.0)
    transport = Transport(domain, uniform(domain, 4.0), (0.0, 10.0), 100.0)
    run_to(transport, 20, ([2] * 4, range(4), [5] * 4), [100.0] * 4)
    far = transport.concentration[:10, :, -3]
    np.testing.assert_allclose(far, 1.0 / (4.0 * 100.0), rtol=0.01)
    assert not transport.concentration[10:].any()


def test_open_top_lets_out_what_a_lid_keeps():
    for lid, low, high in ((100.0, -1e-12, 1e-12), (1000.0, 0.4, 1.0)):
        domain = flat(nz=10, ny=6, nx=6, dx=100.0, dz=10.0, lid=lid)
        transport = Transport(domain, uniform(domain), (5.0, 5.0), 60.0)
        transport.concentration[:] = 1.0
        before = transport.inside()
        run_to(transport, 20)
        assert low < transport.left / before < high
        assert transport.left + transport.inside() == pytest.approx(before, rel=1e-12)


def test_courant_number_is_kept():
    transport = over_hills(3, [100.0, 1500.0])
    fastest = [faces.max() for faces in transport._courant.fastest()]
    assert max(fastest) <= COURANT * (1 + 1e-9) and max(fastest[:2]) > 0.7 * COURANT
