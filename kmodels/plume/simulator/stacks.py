"""Stacks, and how far a hot plume rises above them.

Briggs (1969, 1975), as in US EPA (1995), ISC3 user's guide, volume II, EPA-454/B-95-003b.
"""

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.run import Stacks
from kmodels.plume.simulator.stability import Stability

MARGIN = 0.15  # of the domain on each side, without stacks: a plume is to be seen before it leaves
BUOYANCY_FLUX = (0.5, 10.0)  # m4 s-3, log-uniform, F = g v r^2 (T_s - T_a) / T_s: boiler houses, not power plants


def sample_stacks(rng: np.random.Generator, domain: Domain, data) -> Stacks:
    """Sample stacks: random places, heights uniform and emission rates log-uniform in the recipe's ranges.

    Only where a stack of the lowest height ends below the lid and the box's top; heights are cut there.

    Parameters
    ----------
    rng : Generator
        Of places, heights and rates.
    domain : Domain
        Ground and lid.
    data : Data
        A recipe's data section.

    Returns
    -------
    Stacks
        data.stacks of them.

    Raises
    ------
    UserError
        Where no stack fits.
    """
    n = rng.integers(data.stacks[0], data.stacks[1] + 1)
    room = highest_release(domain) - domain.ground
    rows, columns = (_inner(length) for length in domain.ground.shape)
    inside = np.zeros(room.shape, bool)
    inside[rows, columns] = True
    places = np.argwhere(inside & (room >= data.stack_height[0]))
    if not len(places):
        raise UserError(
            f"data.stack_height = {list(data.stack_height)}: no stack ends inside a grid {domain.grid.nz} x "
            f"{domain.grid.dz:g} m high; make the grid higher or stacks or terrain lower"
        )
    j, i = places[rng.integers(len(places), size=n)].T
    heights = np.minimum(rng.uniform(*data.stack_height, n), room[j, i])
    emission = np.exp(rng.uniform(*np.log(data.emission), n)) * 1e-3  # g/s -> kg/s
    x, y = ((cell + rng.uniform(0, 1, n)) * domain.grid.dx for cell in (i, j))
    return Stacks(x=x, y=y, height=heights, emission=emission)


def _inner(n: int) -> slice:
    cells = min(int(MARGIN * n), (n - 1) // 2)
    return slice(cells, n - cells)


def highest_release(domain: Domain) -> float:
    """Compute the height above sea level [m] that no plume is released above: the centre of the cell under the top."""
    return (domain.ceiling - 1.5) * domain.grid.dz


def plume_rise(buoyancy_flux, wind_speed, stability: Stability):
    """Compute the final rise of a buoyant plume above its stack.

    Unstable and neutral: 21.425 F^(3/4) / u (F < 55 m4 s-3); stable: 2.6 (F / (u N^2))^(1/3), but not above the rise
    in calm, 4 F^(1/4) N^(-3/4).

    Parameters
    ----------
    buoyancy_flux : array
        F [m4 s-3].
    wind_speed : array
        u at the stack's top [m s-1].
    stability : Stability
        Its class.

    Returns
    -------
    array
        The rise [m].
    """
    flux = np.asarray(buoyancy_flux, dtype=float)
    squared = stability.buoyancy_frequency_squared()
    if squared == 0:
        return np.where(flux < 55, 21.425 * flux**0.75, 38.71 * flux**0.6) / wind_speed
    windy = 2.6 * (flux / (wind_speed * squared)) ** (1 / 3)
    return np.minimum(windy, 4 * flux**0.25 * squared ** (-3 / 8))


def release_cells(domain: Domain, stacks: Stacks, rise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the cells (k, j, i) into which stacks emit after a rise (stacks,) [m].

    They are below the lid and inside the grid: a plume that would rise higher spreads under there.
    """
    j, i = _columns(domain, stacks)
    release = release_heights(domain, stacks, rise)
    lowest = domain.air[:, j, i].argmax(axis=0)
    k = np.maximum(np.floor(release / domain.grid.dz).astype(int), lowest)
    return k, j, i


def release_heights(domain: Domain, stacks: Stacks, rise: np.ndarray) -> np.ndarray:
    """Compute the heights above sea level (stacks,) [m] that plumes end at after a rise, below the lid."""
    return np.minimum(domain.ground[_columns(domain, stacks)] + stacks.height + rise, highest_release(domain))


def _columns(domain: Domain, stacks: Stacks) -> tuple[np.ndarray, np.ndarray]:
    """Find the columns of cells (j, i) that stacks stand in."""
    return tuple(np.floor(position / domain.grid.dx).astype(int) for position in (stacks.y, stacks.x))
