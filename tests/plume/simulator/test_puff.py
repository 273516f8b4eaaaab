"""Gaussian puffs: mass, moments, the steady plume, the lid, and their agreement with the finite volumes."""

from functools import partial

import numpy as np
import pytest
from helpers.domains import data, flat, run_to, uniform
from helpers.puff import plume, vertical

from kmodels.plume.data.load import load
from kmodels.plume.data.run import Stacks
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator import puff
from kmodels.plume.simulator.puff import clouds, column_shares
from kmodels.plume.simulator.simulate_runs import sample_run, simulate
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


def test_cloud_holds_what_was_emitted():
    """Wide box, low lid, five sources of different strength and speed: q t, and nothing above the lid."""
    domain = flat(nz=6, ny=60, nx=60, dx=100.0, dz=20.0, lid=90.0)
    rng = np.random.default_rng(0)
    plumes = Stacks(*rng.uniform(2900.0, 3100.0, (2, 5)), rng.uniform(10.0, 80.0, 5), rng.uniform(0.01, 0.1, 5))
    frames = clouds(domain, plumes, rng.uniform(0.3, 2.0, 5), CLASSES["C"], rng.uniform(0, 7, 9), 60.0)
    mass = frames.sum(axis=(1, 2, 3)) * 100.0 * 100.0 * 20.0
    np.testing.assert_allclose(mass, plumes.emission.sum() * 60.0 * np.arange(9), rtol=1e-6)
    assert not frames[:, 5].any() and frames[-1, 4].any() and frames.min() >= -1e-20


def test_moments_of_a_puff():
    """One puff of 60 s: it left after 30 s in 2 m/s to the north-east; variances are sigma^2 + width^2 / 12."""
    domain = flat(nz=60, ny=121, nx=121, dx=5.0, dz=2.0)
    plumes = Stacks(np.array([300.0]), np.array([310.0]), np.array([60.0]), np.array([0.01]))
    puffs = partial(clouds, domain, plumes, np.array([2.0]), CLASSES["D"], np.full(3, np.pi / 4))
    with pytest.MonkeyPatch.context() as change:
        change.setattr(puff, "SPACING", 24.0)  # 120 m: one puff a step
        c = puffs(60.0)[1]
    sigma_y, sigma_z = CLASSES["D"].sigmas(60.0)
    for axis, points, centre, variance in (
        (2, domain.x, 300.0 + 60 / np.sqrt(2), sigma_y**2 + 5.0**2 / 12),
        (1, domain.y, 310.0 + 60 / np.sqrt(2), sigma_y**2 + 5.0**2 / 12),
        (0, domain.z, 60.0, sigma_z**2 + 2.0**2 / 12),
    ):
        weights = c.sum(axis=tuple({0, 1, 2} - {axis}))
        mean = np.average(points, weights=weights)
        assert mean == pytest.approx(centre, rel=1e-6)
        assert np.average((points - mean) ** 2, weights=weights) == pytest.approx(variance, rel=1e-3)


def test_cloud_goes_with_the_wind_of_its_time():
    """60 s in 10 m/s eastward, then 60 s northward, emission all along: its centre is at (150 m, 450 m)."""
    domain = flat(nz=2, ny=60, nx=60, dx=50.0, dz=50.0, lid=100.0)
    plumes = Stacks(np.array([1000.0]), np.array([900.0]), np.array([50.0]), np.array([1.0]))
    c = clouds(domain, plumes, np.array([10.0]), CLASSES["D"], np.array([0.0, np.pi / 2, 1.0]), 60.0)[2].sum(axis=0)
    assert (c * domain.x).sum() / c.sum() == pytest.approx(1150.0, abs=0.5)
    assert (c * domain.y[:, None]).sum() / c.sum() == pytest.approx(1350.0, abs=0.5)


def steady(domain, release, emission, u, stability, seconds):
    """The cloud of one stack after so long a wind to the east."""
    stack = Stacks(*(np.array([value]) for value in (*release, emission)))
    return clouds(domain, stack, np.array([u]), stability, np.zeros(2), seconds)[1]


def test_puffs_in_a_row_are_a_plume():
    """In steady wind; along the wind puffs spread, too, which a plume leaves out: hence class D and 2% of the peak."""
    domain = flat(nz=50, ny=61, nx=51, dx=20.0, dz=4.0, lid=200.0)
    c = steady(domain, (10.0, 610.0, 50.0), 2.0, 5.0, CLASSES["D"], 240.0)
    for i in (25, 40):
        expected = plume(500.0 if i == 25 else 800.0, 0.0, domain.z, 50.0, 2.0, 5.0, CLASSES["D"].sigmas, 200.0)
        # The mean over a cell as wide as half a sigma is lower than the peak at its centre.
        np.testing.assert_allclose(c[:, 30, i], expected, atol=0.02 * expected.max())


@pytest.mark.parametrize("name", CLASSES)
def test_columns_are_those_of_the_plume(name):
    """At every distance, under a low lid and without one; V of a cell's centre is nearly its mean."""
    sigma_z = CLASSES[name].sigmas(np.array([500.0, 2000.0]))[1]
    for lid in (100.0, np.inf):
        domain = flat(nz=100, ny=4, nx=4, dx=100.0, dz=1.0, lid=lid)
        found = column_shares(domain, 40.0, sigma_z)
        for k, sigma in enumerate(sigma_z):
            np.testing.assert_allclose(found[k], vertical(domain.z, 40.0, sigma, lid), rtol=5e-3, atol=1e-5)


def test_a_lid_mixes_a_column():
    shares = column_shares(flat(nz=5, ny=4, nx=4, dx=100.0, dz=20.0, lid=90.0), 30.0, np.array([1e3]))
    np.testing.assert_allclose(shares[0], [2 / 9, 2 / 9, 2 / 9, 2 / 9, 1 / 9], rtol=1e-4)


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
    expected = steady(domain, release, 0.01, u, stability, minutes * 60.0)[0, :, 4 + behind]
    found = transport.concentration[0, :, 4 + behind]
    assert found[10] == pytest.approx(expected[10], rel=0.1)
    assert found.sum() == pytest.approx(expected.sum(), rel=0.1)
    assert found.argmax() == 10


def test_run_of_puffs_has_the_stacks_and_winds_of_one_of_finite_volumes():
    """The same random numbers over flat ground; two models of one cloud, so alike and not the same."""
    alike = []
    for seed in range(4):
        runs = [
            sample_run(np.random.default_rng(seed), data(engine=engine, terrain_height=height, wind_speed=[2, 5]), "a")
            for engine, height in (("finite_volume", 0.0), ("puff", 60.0))
        ]
        one, other = runs
        np.testing.assert_array_equal(one.stacks.x, other.stacks.x)
        for name in ("time", "z", "terrain", "u", "v"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-9)
        clouds_of = [run.concentration for run in runs]
        assert all(c.dtype == np.float32 and c.min() >= 0 for c in clouds_of)
        assert clouds_of[1].sum() == pytest.approx(clouds_of[0].sum(), rel=0.5)
        alike.append(np.corrcoef(*(c.ravel() for c in clouds_of))[0, 1])
    assert 0.5 < np.median(alike) < 0.999


def test_puffs_are_written_and_read(tmp_path):
    recipe = PlumeRecipe().with_changes({"data": data(engine="puff").model_dump(mode="json") | {"n_runs": 3}})
    simulate(recipe, tmp_path, lambda done, total: None)
    windows = load(tmp_path, recipe)
    assert len(windows.runs) == 3 and windows.has_wind and not windows.runs[0].terrain.any()
