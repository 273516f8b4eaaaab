"""Where a cloud comes from, by a library of Gaussian puffs: the answer without a network.

Every column of the grid and a few heights are tried as the source. Its puffs go with the given wind of their level and
spread as sigma^2 = 2 K t with the diffusivities of neutral air (class D) over flat ground, which reflects them:

    c = q dt / ((2 pi)^1.5 sh^2 sz) exp(-r^2 / (2 sh^2)) [exp(-(z - h)^2 / (2 sz^2)) + exp(-(z + h)^2 / (2 sz^2))]

The rate that fits each place best is found on a grid of rates.
"""

import numpy as np

from kmodels.plume.simulator.stability import CLASSES
from kmodels.plume.studies.release import Release, Source

HEIGHTS = (15.0, 35.0, 55.0)  # of stacks that are tried, above ground [m]
RATES = np.geomspace(1e-5, 1.0, 81)  # kg s-1
PARTS = 6  # puffs of a frame


def misfit(series: np.ndarray, recorded: np.ndarray, c0: float) -> np.ndarray:
    """Compute the mean squared difference of log1p(c / c0) of series (..., frames, masts) from what was recorded."""
    return ((np.log1p(series / c0) - np.log1p(recorded / c0)) ** 2).mean(axis=(-2, -1))


def search(case: Release, c0: float) -> tuple[Source, np.ndarray, list[Source]]:
    """Try every column as the source.

    Parameters
    ----------
    case : Release
        What was recorded.
    c0 : float
        Scale of the misfit [kg m-3].

    Returns
    -------
    best : Source
        That fits best.
    map : array (y, x)
        Lowest misfit of each column.
    order : list of Source
        The best of each column, from the best on.
    """
    found = np.stack([_tried(case, height, c0) for height in HEIGHTS])  # (heights, y, x, misfit and rate)
    at = found[..., 0].argmin(axis=0)
    best = np.take_along_axis(found, at[None, ..., None], axis=0)[0]
    order = np.argsort(best[..., 0], axis=None)
    _, dy, dx = case.cell
    sources = [
        Source((i + 0.5) * dx, (j + 0.5) * dy, HEIGHTS[at[j, i]], float(best[j, i, 1]))
        for j, i in zip(*np.unravel_index(order, at.shape), strict=True)
    ]
    return sources[0], best[..., 0], sources


def _tried(case: Release, height: float, c0: float) -> np.ndarray:
    """Misfit and rate of every column with a stack of this height: (y, x, 2)."""
    response = unit_response(case, height)  # (y, x, frames, masts) per kg s-1
    fits = np.stack([misfit(rate * response, case.recorded, c0) for rate in RATES], axis=-1)
    return np.stack([fits.min(axis=-1), RATES[fits.argmin(axis=-1)]], axis=-1)


def unit_response(case: Release, height: float) -> np.ndarray:
    """Compute what the masts would record of 1 kg/s from every column: (y, x, frames, masts) [kg m-3]."""
    frames, (dz, _, dx) = len(case.recorded), case.cell
    wind = _at_height(case, height)[-frames:]  # (frames, 2)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(wind * case.seconds, axis=0)])  # of the air, at frames 0, 1, ...
    begin = (np.arange(frames * PARTS) + 0.5) / PARTS  # of each puff [frames]
    start = np.stack([np.interp(begin, np.arange(frames + 1), path[:, axis]) for axis in (0, 1)], axis=-1)
    age = (np.arange(1, frames + 1)[:, None] - begin) * case.seconds  # (frames, puffs), below 0: not emitted yet
    moved = path[1:, None] - start  # (frames, puffs, 2)
    speed = float(np.hypot(*_at_height(case, 10.0).mean(axis=0)))
    horizontal, vertical = CLASSES["D"].diffusivities(max(speed, 0.5))
    old = np.maximum(age, 1.0)
    # A record is the mean over a cell: its own width is in it.
    wide, tall = 2 * horizontal * old + dx**2 / 12, 2 * vertical * old + dz**2 / 12
    up = sum(np.exp(-((dz / 2 - sign * height) ** 2) / (2 * tall)) for sign in (1, -1))
    strength = np.where(age > 0, up * case.seconds / PARTS / ((2 * np.pi) ** 1.5 * wide * np.sqrt(tall)), 0.0)
    return _at_masts(case, moved, wide, strength)


def _at_masts(case: Release, moved, wide, strength) -> np.ndarray:
    """Sum the puffs at the masts; horizontally a puff is the product of one along x and one along y."""
    _, dy, dx = case.cell
    ny, nx = case.terrain.shape
    result = np.zeros((ny, nx, *case.recorded.shape))
    for number, (_, row, column) in enumerate(case.masts):
        along_x = _gaussian((column - np.arange(nx)) * dx, moved[..., 0], wide)  # (x, frames, puffs)
        along_y = _gaussian((row - np.arange(ny)) * dy, moved[..., 1], wide)
        result[..., number] = np.einsum("jtp,itp,tp->jit", along_y, along_x, strength, optimize=True)
    return result


def _gaussian(distance, moved, wide):
    return np.exp(-((distance[:, None, None] - moved) ** 2) / (2 * wide))


def _at_height(case: Release, height: float) -> np.ndarray:
    """Interpolate the wind to a height above the mean ground: (BEFORE + frames, 2) [m s-1]."""
    dz = case.cell[0]
    level = np.clip((case.terrain.mean() + height) / dz - 0.5, 0, case.wind.shape[2] - 1)
    low = min(int(level), case.wind.shape[2] - 2)
    return case.wind[..., low] + (level - low) * (case.wind[..., low + 1] - case.wind[..., low])
