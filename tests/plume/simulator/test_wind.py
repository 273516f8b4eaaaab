"""Wind: profile, no divergence over hills, potential flow, a direction that turns as it should."""

import numpy as np
import pytest
from helpers.domains import data, flat

from kmodels.plume.data.flow.terrain import Domain, Faces
from kmodels.plume.data.flow.wind import without_divergence
from kmodels.plume.recipe import Grid
from kmodels.plume.simulator.stability import CLASSES, POSSIBLE, sample_stability
from kmodels.plume.simulator.terrain import sample_domain, sample_ground
from kmodels.plume.simulator.wind import sample_directions, wind_over, wind_speed


def divergence(domain, faces):
    parts = (np.diff(f, axis=a) / h for f, a, h in zip(faces, (2, 1, 0), reversed(domain.spacing), strict=True))
    return sum(parts)


@pytest.mark.parametrize("lid", [[100.0, 101.0], [1000.0, 1500.0]], ids=["lid", "open top"])
def test_no_divergence_and_nothing_through_the_ground(lid):
    domain = sample_domain(np.random.default_rng(0), data(lid=lid))
    wind = wind_over(domain, 5.0, CLASSES["D"])
    assert np.abs(wind.east.z).max() > 0.1  # it does rise over the hills
    for faces in (*wind, wind.towards(0.7)):
        assert np.abs(divergence(domain, faces)).max() < 1e-10
        for speed, passes in zip(faces, domain.open, strict=True):
            assert not speed[~passes].any()
    # The ground and the lid are what they are meant to be.
    assert not domain.open.z[0].any() and not domain.open.z[1:-1][~domain.air[1:]].any()
    closed = [k for k in range(domain.grid.nz + 1) if not domain.open.z[k].any()]
    assert closed == ([0, domain.ceiling] if lid[0] < 200 else [0])


def test_flat_country_keeps_the_profile():
    domain = flat(nz=10, ny=5, nx=6, dx=100.0, dz=10.0)
    wind = wind_over(domain, 3.0, CLASSES["F"])
    expected = 3.0 * (domain.z / 10) ** 0.55
    np.testing.assert_allclose(wind.east.x, np.broadcast_to(expected[:, None, None], wind.east.x.shape), rtol=1e-12)
    for still in (wind.east.y, wind.east.z, wind.north.x, wind.north.z):
        assert np.abs(still).max() < 1e-10
    u, v = wind.profile(domain, np.array([0.0, np.pi / 2, np.pi / 6]))
    np.testing.assert_allclose(u, np.outer([1, 0, np.sqrt(0.75)], expected), atol=1e-9)
    np.testing.assert_allclose(v, np.outer([0, 1, 0.5], expected), atol=1e-9)


def test_profile_is_the_mean_over_the_air_of_a_level():
    domain = sample_domain(np.random.default_rng(1), data())
    wind = wind_over(domain, 5.0, CLASSES["D"])
    faces, (u, v) = wind.towards(0.7), wind.profile(domain, np.array([0.7]))
    for found, part, axis in ((u, faces.x, 2), (v, faces.y, 1)):
        n = part.shape[axis] - 1
        centre = (part.take(range(n), axis) + part.take(range(1, n + 1), axis)) / 2
        expected = [level[air].mean() for level, air in zip(centre, domain.air, strict=True)]
        np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    assert u[0, 0] == pytest.approx(v[0, 0] / np.tan(0.7), rel=0.1)


def test_potential_flow_over_a_wavy_ground():
    """Uniform flow over h = a (1 - cos k x): linear theory has w = u a k sin(k x) exp(-k (z - a)).

    Compared is that wave's amplitude: the ground's steps add shorter waves, which die out sooner above it.
    """
    length, amplitude, u = 1600.0, 12.0, 5.0
    grid = Grid(nz=150, ny=4, nx=96, dx=50.0, dz=4.0)
    k = 2 * np.pi / length
    x = (np.arange(grid.nx) + 0.5) * grid.dx
    domain = Domain(grid, np.tile(amplitude * (1 - np.cos(k * x)), (grid.ny, 1)))
    domain.open.y[:, [0, -1]] = False  # walls north and south: two dimensions
    still = Faces(*(np.zeros(f.shape) for f in domain.open))
    (wind,) = without_divergence(domain, [still._replace(x=u * domain.open.x)])
    middle = slice(32, 64)  # one wave, with another one on each side
    for level in (15, 30):
        expected = u * amplitude * k * np.sin(k * x) * np.exp(-k * (level * grid.dz - amplitude))
        found = wind.z[level, 1, middle]
        assert (found * expected[middle]).sum() / (expected[middle] ** 2).sum() == pytest.approx(1.0, abs=0.05)


def test_direction_walks_about_its_mean():
    section = data(turning_minutes=[20.0, 20.0], turning_degrees=15.0)
    rng = np.random.default_rng(0)
    walks = np.array([sample_directions(rng, 200, 60.0, section) for _ in range(800)])
    assert np.degrees(walks - walks.mean(axis=1, keepdims=True)).std() < 15.0
    turned = np.degrees(walks[:, 1:] - walks[:, :1])
    # The variance of a change over t is 2 sigma^2 (1 - exp(-t / tau)), from the first step on.
    minutes = np.arange(1, 200)
    expected = 2 * 15.0**2 * (1 - np.exp(-minutes / 20.0))
    np.testing.assert_allclose((turned**2).mean(axis=0), expected, rtol=0.2)
    assert abs(((turned**2).mean(axis=0) / expected).mean() - 1) < 0.06
    quadrants = np.bincount((walks[:, 0] % (2 * np.pi) // (np.pi / 2)).astype(int), minlength=4)
    assert quadrants.min() > 150  # every direction


def test_profiles_and_classes():
    assert wind_speed(100.0, 2.0, CLASSES["D"]) == pytest.approx(2.0 * 10**0.15)
    assert wind_speed(10.0, 7.0, CLASSES["F"]) == pytest.approx(7.0)
    rng = np.random.default_rng(0)
    for speed, (_, names) in zip((0.5, 2.0, 4.9, 10.0), POSSIBLE, strict=True):
        assert "".join(sorted({sample_stability(rng, speed).name for _ in range(200)})) == names
    # Diffusivity of class D in 5 m/s: sigma_y = 80 / sqrt(1.1), sigma_z = 60 / sqrt(2.5) at 1 km.
    horizontal, vertical = CLASSES["D"].diffusivities(5.0)
    assert horizontal == pytest.approx(80**2 / 1.1 * 5 / 2000) and vertical == pytest.approx(60**2 / 2.5 * 5 / 2000)
    table = np.array([c.diffusivities(3.0) for c in CLASSES.values()])
    assert (np.diff(table, axis=0) < 0).all()


def test_hills():
    section = data(terrain_height=80.0)
    for seed in range(20):
        ground = sample_ground(np.random.default_rng(seed), section)
        assert ground.min() == 0 and 0.3 * 80 <= ground.max() <= 80
        assert max(np.abs(np.diff(ground, axis=a)).max() for a in (0, 1)) < 40.0  # smooth: a slope below 0.4
