"""Clouds from stacks: each run has a terrain, stacks, weather and wind of its own.

Two engines: finite volumes over hills (transport.py), and Gaussian puffs over flat ground (puff.py).

A run is spun up before its first frame: one crossing of the domain by the wind 10 m above ground, at most half an hour.
In fast wind the plumes then reach to the domain's side; in slow wind they are there and still grow.
"""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kmodels.core.io import parallel
from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.flow.wind import Wind
from kmodels.plume.data.run import PlumeRun, Stacks
from kmodels.plume.simulator import puff
from kmodels.plume.simulator.stability import Stability, sample_stability
from kmodels.plume.simulator.stacks import BUOYANCY_FLUX, plume_rise, release_cells, release_heights, sample_stacks
from kmodels.plume.simulator.terrain import sample_domain
from kmodels.plume.simulator.transport import Transport
from kmodels.plume.simulator.wind import sample_directions, wind_over, wind_speed

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
LONGEST_SPIN_UP = 1800.0  # s
RUNS_A_FILE = 10  # opening a file costs a fifth of a second
WORTH_WORKERS = 1e7  # cells of all frames of all runs: some ten seconds


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write recipe.data.n_runs runs, some in a file.

    Files are called after their first run: `plume-00000.nc`, `plume-00010.nc` and so on. A run depends on recipe.seed
    and its number alone.

    Parameters
    ----------
    recipe : PlumeRecipe
        What runs there are.
    folder : Path
        Where the files go.
    report : callable
        Told (runs done, runs).

    Returns
    -------
    dict of str to str
        How many runs there are, and the seconds of one on one core.

    Raises
    ------
    UserError
        Where the recipe leaves no room for stacks.
    """
    streams = parallel.streams(recipe.seed, recipe.data.n_runs)
    # Worker processes cost seconds to start: worth it only for long simulations.
    grid = recipe.data.grid
    long = recipe.data.n_runs * recipe.data.frames * grid.nz * grid.ny * grid.nx > WORTH_WORKERS
    firsts = parallel.of_this_part(range(0, len(streams), RUNS_A_FILE))
    count = sum(len(streams[k : k + RUNS_A_FILE]) for k in firsts)
    jobs = ((streams[k : k + RUNS_A_FILE], k, recipe.data, folder) for k in firsts)
    seconds = []
    for spent in parallel.run(_write, jobs, long):
        seconds += spent
        report(len(seconds), count)
    return {"runs": f"{count}", "seconds a run": f"{np.mean(seconds):.2f}"}


def _write(streams, first: int, data, folder: Path) -> list[float]:
    """Simulate runs and write them into one file; return the seconds that each took."""
    from kmodels.plume.data.cf_writer import write_runs

    runs, seconds = [], []
    for number, stream in enumerate(streams, first):
        started = time.perf_counter()
        runs.append(sample_run(np.random.default_rng(stream), data, f"plume-{number:05d}"))
        seconds.append(time.perf_counter() - started)
    write_runs(folder / f"{runs[0].name}.nc", runs)
    return seconds


def sample_run(rng: np.random.Generator, data, name: str) -> PlumeRun:
    """Simulate one run of data.frames frames.

    Its wind (u, v) is the mean over the air of each level; that of a frame blows until the next frame, so what comes
    next follows from a frame, its wind and what no file tells: stability, plume rise and hills' effect on the wind.

    Parameters
    ----------
    rng : Generator
        Of everything random in the run.
    data : Data
        A recipe's data section.
    name : str
        Of the run.

    Returns
    -------
    PlumeRun
        In memory.
    """
    simulated = _puffs if data.engine == "puff" else _finite_volumes
    domain, stacks, frames, (u, v) = simulated(rng, data)
    return PlumeRun(
        name=name,
        time=np.arange(data.frames) * data.frame_seconds,
        x=domain.x,
        y=domain.y,
        z=domain.z,
        terrain=domain.ground,
        stacks=stacks,
        concentration=frames,
        u=u,
        v=v,
    )


def _finite_volumes(rng: np.random.Generator, data):
    """Simulate domain, stacks, frames (time, z, y, x) and the wind (u, v) of each level by finite volumes."""
    domain, u10, stacks, cells, wind, transport = sample_setting(rng, data)
    spin_up = spin_up_frames(domain, u10, data.frame_seconds)
    directions = sample_directions(rng, spin_up + data.frames, data.frame_seconds, data)
    frames = np.zeros((data.frames, *domain.shape), "float32")
    for step, direction in enumerate(directions):
        if step >= spin_up:
            # Rounding may leave -1e-30 where there is nothing.
            np.maximum(transport.concentration, 0.0, out=frames[step - spin_up], casting="same_kind")
        transport.advance(direction, cells, stacks.emission)
    return domain, stacks, frames, wind.profile(domain, directions[spin_up:])


def _puffs(rng: np.random.Generator, data):
    """Simulate as `_finite_volumes`, by Gaussian puffs over flat ground, with stacks and weather of the same law."""
    domain, u10, stability, stacks, rise = sample_weather(rng, data.model_copy(update={"terrain_height": 0.0}))
    spin_up = spin_up_frames(domain, u10, data.frame_seconds)
    directions = sample_directions(rng, spin_up + data.frames, data.frame_seconds, data)
    plumes = replace(stacks, height=release_heights(domain, stacks, rise))
    speeds = wind_speed(plumes.height, u10, stability)
    frames = puff.clouds(domain, plumes, speeds, stability, directions, data.frame_seconds, spin_up)
    profile, blowing = wind_speed(domain.z, u10, stability), directions[spin_up:]
    wind = np.outer(np.cos(blowing), profile), np.outer(np.sin(blowing), profile)
    return domain, stacks, frames.astype("float32"), wind


class Weather(NamedTuple):
    """What both engines know of a run.

    Attributes
    ----------
    domain : Domain
        Ground and lid.
    u10 : float
        Wind 10 m above ground [m s-1].
    stability : Stability
        Its class.
    stacks : Stacks
        n sources.
    rise : array (n,)
        Of their plumes [m].
    """

    domain: Domain
    u10: float
    stability: Stability
    stacks: Stacks
    rise: np.ndarray


def sample_weather(rng: np.random.Generator, data) -> Weather:
    """Sample terrain, weather and stacks of a run; `data` is a recipe's data section."""
    domain = sample_domain(rng, data)
    u10 = rng.uniform(*data.wind_speed)
    stability = sample_stability(rng, u10)
    stacks = sample_stacks(rng, domain, data)
    buoyancy = np.exp(rng.uniform(*np.log(BUOYANCY_FLUX), len(stacks)))
    rise = plume_rise(buoyancy, wind_speed(stacks.height, u10, stability), stability)
    return Weather(domain, u10, stability, stacks, rise)


class Setting(NamedTuple):
    """What stands still in a run of the finite volumes.

    Attributes
    ----------
    domain : Domain
        Ground and lid.
    u10 : float
        Wind 10 m above ground [m s-1].
    stacks : Stacks
        The sources.
    cells : tuple of array
        Where they emit, after the rise of their plumes: (k, j, i).
    wind : Wind
        Over the hills, before it is turned.
    transport : Transport
        Of clean air.
    """

    domain: Domain
    u10: float
    stacks: Stacks
    cells: tuple[np.ndarray, np.ndarray, np.ndarray]
    wind: Wind
    transport: Transport


def sample_setting(rng: np.random.Generator, data) -> Setting:
    """Sample what stands still in a run of the finite volumes; `data` is a recipe's data section."""
    domain, u10, stability, stacks, rise = sample_weather(rng, data)
    wind = wind_over(domain, u10, stability)
    transport = Transport(domain, wind, stability.diffusivities(u10), data.frame_seconds)
    return Setting(domain, u10, stacks, release_cells(domain, stacks, rise), wind, transport)


def spin_up_frames(domain, u10: float, frame_seconds: float) -> int:
    """Count the frames before the first one that is written."""
    width = max(domain.grid.nx, domain.grid.ny) * domain.grid.dx
    return math.ceil(min(width / u10, LONGEST_SPIN_UP) / frame_seconds)
