"""Wind over hills: a profile, made free of divergence, that turns with time.

The first guess of `kmodels.plume.data.flow.wind`, u0 = u10 (h / 10 m)^p at height h above ground, does not know the
hills.
"""

import numpy as np

from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.flow.wind import Wind, nearest_wind
from kmodels.plume.simulator.stability import Stability


def wind_speed(height, u10: float, stability: Stability):
    """u10 (h / 10 m)^p [m s-1] at height above ground [m]."""
    return u10 * (np.maximum(height, 0.0) / 10.0) ** stability.exponent


def wind_over(domain: Domain, u10: float, stability: Stability) -> Wind:
    """Solve for the divergence-free winds over the hills of a domain. u10: speed 10 m above ground [m s-1]."""
    east = wind_speed(_height_of_faces(domain, axis=1), u10, stability)
    north = wind_speed(_height_of_faces(domain, axis=0), u10, stability)
    return nearest_wind(domain, east, north)


def _height_of_faces(domain: Domain, axis: int) -> np.ndarray:
    """Compute the height above ground [m] of the faces across one axis, at least that of the lowest cell's centre."""
    ends = [(int(a == axis), int(a == axis)) for a in range(2)]
    ground, n = np.pad(domain.ground, ends, mode="edge"), domain.ground.shape[axis]
    between = (ground.take(range(n + 1), axis) + ground.take(range(1, n + 2), axis)) / 2
    return np.maximum(domain.z[:, None, None] - between, domain.grid.dz / 2)


def sample_directions(rng: np.random.Generator, n: int, seconds: float, data) -> np.ndarray:
    """Sample where the wind blows to at n times `seconds` apart, (n,) [rad], counter-clockwise from east.

    An Ornstein-Uhlenbeck walk about a random direction: d theta = -theta dt / tau + sigma sqrt(2 / tau) dW, sampled
    exactly; tau uniform in data.turning_minutes, sigma = data.turning_degrees, from its stationary law on.
    """
    mean = rng.uniform(0, 2 * np.pi)
    keep = np.exp(-seconds / (60 * rng.uniform(*data.turning_minutes)))
    kicks = rng.standard_normal(n)
    kicks[1:] *= np.sqrt(1 - keep**2)
    turned = np.empty(n)
    last = 0.0
    for i, kick in enumerate(kicks):
        last = turned[i] = keep * last + kick
    return mean + np.radians(data.turning_degrees) * turned
