"""Releases from one unknown stack, as a few masts record them."""

from dataclasses import dataclass

import numpy as np

from kmodels.plume.simulator.simulate_runs import sample_setting
from kmodels.plume.simulator.wind import sample_directions

BEFORE = 2  # frames of wind before the release begins, for a network that looks back
SEEING = 3  # masts that see the cloud at least; masts are placed anew until so many do
VISIBLE = 1e-8  # kg m-3, what a mast must record once to have seen it
DETECTION = 1e-9  # kg m-3: what is recorded below that is 0
TRIES = 200


@dataclass(frozen=True)
class Source:
    """Where a release comes from, and how strong it is.

    Attributes
    ----------
    x, y : float
        East and north of the grid's south-western corner [m].
    height : float
        Of the stack above ground [m].
    rate : float
        [kg s-1].
    """

    x: float
    y: float
    height: float
    rate: float


@dataclass(frozen=True)
class Release:
    """A release into clean air and the records of the masts.

    Attributes
    ----------
    source : Source
        The truth.
    terrain : array (y, x)
        Height of the ground [m].
    below_ground : array (z, y, x) of bool
        Cells in the ground.
    wind : array (BEFORE + frames, 2, z)
        Eastward and northward, of the frames before the release and from it on [m s-1].
    masts : array (masts, 3) of int
        Their cells (z, y, x), the lowest of the air.
    recorded : array (frames, masts)
        Concentration a frame, two, ... after the release began, with the instruments' noise [kg m-3].
    cell : (dz, dy, dx)
        [m].
    seconds : float
        Between two frames.
    """

    source: Source
    terrain: np.ndarray
    below_ground: np.ndarray
    wind: np.ndarray
    masts: np.ndarray
    recorded: np.ndarray
    cell: tuple[float, float, float]
    seconds: float


def sample_release(rng: np.random.Generator, data, frames: int, masts: int, noise: float) -> Release:
    """Simulate a release over hills of its own, under weather of its own.

    Parameters
    ----------
    rng : Generator
        Of everything random.
    data : Data
        A recipe's data section.
    frames : int
        Recorded.
    masts : int
        At random places; at least SEEING of them see the cloud.
    noise : float
        Standard deviation of the logarithm of what is recorded.

    Returns
    -------
    Release
        The case.
    """
    while True:
        volumes, rest = _simulate(rng, data, frames)
        found = _place_masts(rng, volumes, rest["below_ground"], masts)
        if found is not None:
            clean = volumes[(slice(None), *found.T)]
            recorded = clean * np.exp(noise * rng.standard_normal(clean.shape))
            return Release(masts=found, recorded=np.where(recorded < DETECTION, 0.0, recorded), **rest)


def _simulate(rng, data, frames: int) -> tuple[np.ndarray, dict]:
    """Simulate one release: volumes (frames, z, y, x), and what a `Release` holds beside the masts."""
    one_stack = data.model_copy(update={"stacks": (1, 1)})
    domain, _, stack, cells, wind, transport = sample_setting(rng, one_stack)
    directions = sample_directions(rng, BEFORE + frames, data.frame_seconds, data)
    volumes = np.empty((frames, *domain.shape))
    for k, direction in enumerate(directions[BEFORE:]):
        transport.advance(direction, cells, stack.emission)
        volumes[k] = np.maximum(transport.concentration, 0.0)
    rest = {
        "source": Source(*(float(part[0]) for part in (stack.x, stack.y, stack.height, stack.emission))),
        "terrain": domain.ground,
        "below_ground": ~domain.air,
        "wind": np.stack(wind.profile(domain, directions), axis=1),
        "cell": domain.spacing,
        "seconds": data.frame_seconds,
    }
    return volumes, rest


def _place_masts(rng, volumes, below_ground, count: int) -> np.ndarray | None:
    """Place masts at random, in different cells, so that enough see the cloud; None where none such were found."""
    _, ny, nx = below_ground.shape
    for _ in range(TRIES):
        y, x = np.divmod(rng.choice(ny * nx, count, replace=False), nx)
        masts = np.stack([below_ground[:, y, x].sum(axis=0), y, x], axis=1)
        if (volumes[(slice(None), *masts.T)].max(axis=0) > VISIBLE).sum() >= SEEING:
            return masts
    return None
