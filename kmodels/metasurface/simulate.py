"""Random patterns and what light does behind them, written as HDF5."""

import functools
import time
from pathlib import Path

import joblib
import numpy as np

from kmodels.core.errors import UserError
from kmodels.metasurface.patterns import draw_pattern
from kmodels.metasurface.scalar import ScalarSolver

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
PER_FILE = 100
WORTH_WORKERS = 200  # structures: some twenty seconds


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write recipe.data.n_structures structures, some in a file; returns their number, and the seconds of one.

    Files are called after their first structure: `structures-000000.h5`, `structures-000100.h5` and so on. A
    structure depends on recipe.seed and its number alone. Raises UserError for a solver that is not there.
    """
    if recipe.data.solver != "scalar":
        raise UserError(f"data.solver = {recipe.data.solver}: not there yet; allowed: scalar")
    streams = np.random.SeedSequence(recipe.seed).spawn(recipe.data.n_structures)
    # Worker processes cost seconds to start: worth it only for long simulations.
    jobs = -1 if len(streams) > WORTH_WORKERS else 1
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    firsts = range(0, len(streams), PER_FILE)
    blocks = (joblib.delayed(_write)(streams[k : k + PER_FILE], k, recipe.data, folder) for k in firsts)
    seconds = []
    for spent in parallel(blocks):
        seconds += spent
        report(len(seconds), len(streams))
    return {"structures": f"{len(seconds)}", "seconds a structure": f"{np.mean(seconds):.2f}"}


def draw_structure(rng: np.random.Generator, data) -> tuple[np.ndarray, np.ndarray]:
    """(pattern (y, x) uint8, spectra (2, 2, w) float32) of one random structure. data: a recipe's data section."""
    pattern = draw_pattern(rng, data)
    return pattern, _solver(data).solve(pattern).transmitted.astype("float32")


def attributes(data) -> dict:
    """What a file says of the structures in it."""
    names = ("pixel_order", "period", "height", "distance", "cover", "gap", "spacer", "solver")
    return {
        "title": "Shares of light behind patterns of silicon nitride; lengths in nm",
        "source": "kmodels metasurface",
        **{name: getattr(data, name) for name in names},
    }


def _write(streams, first: int, data, folder: Path) -> list[float]:
    """Draw structures and write them into one file; returns the seconds of each."""
    from kmodels.metasurface.hdf5 import write

    _solver(data)  # its propagators belong to no structure's time
    drawn, seconds = [], []
    for stream in streams:
        started = time.perf_counter()
        drawn.append(draw_structure(np.random.default_rng(stream), data))
        seconds.append(time.perf_counter() - started)
    patterns, spectra = (np.stack(part) for part in zip(*drawn, strict=True))
    write(folder / f"structures-{first:06d}.h5", patterns, spectra, data.wavelengths(), attributes(data))
    return seconds


@functools.lru_cache(maxsize=1)
def _solver(data) -> ScalarSolver:
    """The solver of a data section, kept from structure to structure."""
    return ScalarSolver(data)
