"""Random patterns and what light does behind them, written as HDF5."""

import functools
import time
from pathlib import Path

import numpy as np

from kmodels.core.runs import parallel
from kmodels.metasurface.simulator.patterns import draw_pattern
from kmodels.metasurface.simulator.rcwa import RcwaSolver
from kmodels.metasurface.simulator.scalar import ScalarSolver

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
SOLVERS = {"scalar": ScalarSolver, "rcwa": RcwaSolver}
PER_FILE = {"scalar": 100, "rcwa": 1}  # what an interruption may cost
WORTH_WORKERS = {"scalar": 200, "rcwa": 2}  # structures: some twenty seconds


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write recipe.data.n_structures structures, some in a file; returns their number, and the seconds of one.

    Files are called after their first structure: `structures-000000.h5`, `structures-000100.h5` and so on; those that
    an interrupted call has left in the folder stay. A structure depends on recipe.seed and its number alone. Raises
    UserError where the solver's package is missing.
    """
    data = recipe.data
    solver_of(data)  # what is missing is said before workers start
    streams = parallel.streams(recipe.seed, data.n_structures)
    # Worker processes cost seconds to start: worth it only for long simulations.
    long = len(streams) > WORTH_WORKERS[data.solver]
    size = PER_FILE[data.solver]
    firsts = range(0, len(streams), size)
    jobs = ((streams[k : k + size], k, data, folder) for k in firsts)
    seconds, done = [], 0
    for first, spent in zip(firsts, parallel.run(_written, jobs, long), strict=True):
        seconds += spent
        done = min(first + size, len(streams))
        report(done, len(streams))
    return {"structures": f"{done}", "seconds a structure": f"{np.mean(seconds):.2f}" if seconds else "made before"}


def draw_structure(rng: np.random.Generator, data) -> tuple[np.ndarray, np.ndarray]:
    """(pattern (y, x) uint8, spectra (2, 2, w) float32) of one random structure. data: a recipe's data section."""
    pattern = draw_pattern(rng, data)
    return pattern, solver_of(data).solve(pattern).transmitted.astype("float32")


@functools.lru_cache(maxsize=1)
def solver_of(data):
    """The solver of a data section, kept from structure to structure: `solve(pattern)` gives a Solution."""
    return SOLVERS[data.solver](data)


def attributes(data) -> dict:
    """What a file says of the structures in it."""
    names = ("pixel_order", "period", "height", "distance", "cover", "gap", "spacer", "solver")
    return {
        "title": "Shares of light behind patterns of silicon nitride; lengths in nm",
        "source": "kmodels metasurface",
        **{name: getattr(data, name) for name in names},
    }


def _written(streams, first: int, data, folder: Path) -> list[float]:
    """Draw structures and write them into one file, unless it is there; returns the seconds of each."""
    from kmodels.metasurface.data.hdf5 import write

    path = folder / f"structures-{first:06d}.h5"
    if path.exists():
        return []
    solver_of(data)  # what it prepares belongs to no structure's time
    drawn, seconds = [], []
    for stream in streams:
        started = time.perf_counter()
        drawn.append(draw_structure(np.random.default_rng(stream), data))
        seconds.append(time.perf_counter() - started)
    patterns, spectra = (np.stack(part) for part in zip(*drawn, strict=True))
    write(path, patterns, spectra, data.wavelengths(), attributes(data))
    return seconds
