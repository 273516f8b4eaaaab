"""Simulate structures: random patterns and their spectra, written as HDF5."""

import functools
import time
from pathlib import Path

import h5py
import numpy as np

from kmodels.core.io import parallel
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.layout import GEOMETRY
from kmodels.metasurface.recipe import PACKAGED, PACKAGED_ORDERS
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.rcwa import RcwaSolver
from kmodels.metasurface.simulator.scalar import ScalarSolver

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
SOLVERS = {"scalar": ScalarSolver, "rcwa": RcwaSolver, "packaged": RcwaSolver}
PACKAGED_FILES = Path(__file__).parent  # rigorous_51.h5: by the number of wavelengths
PER_FILE = {"scalar": 100, "rcwa": 10, "packaged": 1400}  # what an interruption may cost
WORTH_WORKERS = {"scalar": 200, "rcwa": 10, "packaged": 1400}  # structures: some twenty seconds


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Simulate recipe.data.n_structures structures and write them to files.

    Files are named after their first structure: `structures-000000.h5`, `structures-000100.h5` and so on; those that
    an interrupted call has left in the folder stay. A structure depends on recipe.seed and its number alone.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        Which structures.
    folder : Path
        Of the files.
    report : callable
        report(done, total) is called to show progress.

    Returns
    -------
    dict of str to str
        The number of structures, and the seconds of one.
    """
    data = recipe.data
    if data.solver == "packaged":
        _check_packaged(data)
    streams = parallel.streams(recipe.seed, data.n_structures)
    # Worker processes cost seconds to start: worth it only for long simulations.
    long = len(streams) > WORTH_WORKERS[data.solver]
    size = PER_FILE[data.solver]
    firsts = parallel.of_this_part(range(0, len(streams), size))
    count = sum(len(streams[k : k + size]) for k in firsts)
    jobs = ((streams[k : k + size], k, data, folder) for k in firsts)
    seconds, done = [], 0
    for first, spent in zip(firsts, parallel.run(_write_block, jobs, long), strict=True):
        seconds += spent
        done += len(streams[first : first + size])
        report(done, count)
    return {"structures": f"{count}", "seconds a structure": f"{np.mean(seconds):.2f}" if seconds else "reused"}


def _check_packaged(data) -> None:
    """Refuse structures that are not in the package; their geometry is checked when they are read."""
    there = " or ".join(f"n_wavelengths = {w} with n_structures up to {n}" for w, n in PACKAGED.items())
    if data.n_structures > PACKAGED.get(data.n_wavelengths, 0) or data.orders != PACKAGED_ORDERS:
        raise UserError(
            f"data.solver = packaged with n_wavelengths = {data.n_wavelengths}, n_structures = {data.n_structures} and "
            f"orders = {data.orders}; in the package are {there}, solved with orders = {PACKAGED_ORDERS}; "
            f"data.solver = rcwa solves others, data.solver = scalar approximately"
        )


def packaged(data) -> tuple[np.ndarray, np.ndarray, dict]:
    """Read the first of the structures that come with the package.

    Returns
    -------
    tuple
        (patterns (n, y, x) uint8, spectra (n, 2, 2, w) float32, attributes of the file).
    """
    with h5py.File(PACKAGED_FILES / f"rigorous_{data.n_wavelengths}.h5") as file:
        patterns, spectra = (file[name][: data.n_structures] for name in ("patterns", "spectra"))
        return patterns, spectra, {name: file.attrs[name] for name in attributes(data)}


def packaged_few_orders(recipe, grids: np.ndarray) -> dict[bytes, np.ndarray]:
    """Read what was solved beforehand with the few orders that a recipe's network is given.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        Its geometry, and the fields of `few_order_settings`.
    grids : ndarray
        (grids, w) wavelengths [nm].

    Returns
    -------
    dict of bytes to ndarray
        {a pattern's bits: spectra (grids, 2, 2, w)}, empty where the package has none of them.
    """
    path = PACKAGED_FILES / f"rigorous_{grids.shape[1]}.h5"
    if len(grids) > 1 or not path.exists():
        return {}
    said, wavelength, known = _few_orders_in(path)
    wanted = {name: getattr(recipe.data, name) for name in GEOMETRY}
    wanted |= few_order_settings(recipe)
    same = all(np.array_equal(np.squeeze(said.get(name)), value) for name, value in wanted.items())  # h5py's (1,)
    return known if same and np.allclose(grids[0], wavelength, rtol=1e-6, atol=0) else {}


def few_order_settings(recipe) -> dict:
    """Pick the fields of `model` that a solution with few orders depends on."""
    return {name: value for name, value in recipe.model.model_dump().items() if name.startswith("few_order")}


@functools.lru_cache(maxsize=1)
def _few_orders_in(path: Path) -> tuple[dict, np.ndarray, dict[bytes, np.ndarray]]:
    """Read attributes, wavelengths and {a pattern's bits: spectra solved with few orders} of a file."""
    with h5py.File(path) as file:
        bits = np.packbits(file["patterns"][:], axis=-1)
        solved = file["few_orders"][:][:, None] if "few_orders" in file else ()
        known = {pattern.tobytes(): spectra for pattern, spectra in zip(bits, solved, strict=False)}
        return dict(file.attrs), file["wavelength"][:], known


def sample_structure(rng: np.random.Generator, data) -> tuple[np.ndarray, np.ndarray]:
    """Sample and solve one structure: (pattern (y, x) uint8, spectra (2, 2, w) float32)."""
    pattern = sample_pattern(rng, data)
    return pattern, solver_of(data).solve(pattern).transmitted.astype("float32")


@functools.lru_cache(maxsize=1)
def solver_of(data):
    """Make the solver of a data section, cached: its `solve(pattern)` returns a Solution."""
    return SOLVERS[data.solver](data)


def attributes(data) -> dict:
    """Describe the structures of a data section: the attributes of a file."""
    return {
        "title": "Transmittance of patterns of silicon nitride; lengths in nm",
        "source": "kmodels metasurface",
        "pixel_order": data.pixel_order,
        **{name: getattr(data, name) for name in GEOMETRY},
        "solver": "rcwa" if data.solver == "packaged" else data.solver,
    }


def _write_block(streams, first: int, data, folder: Path) -> list[float]:
    """Sample structures and write them into one file, unless it is there; returns the seconds of each."""
    from kmodels.metasurface.data.hdf5 import write

    path = folder / f"structures-{first:06d}.h5"
    if path.exists():
        return []
    if data.solver == "packaged":
        patterns, spectra, metadata = packaged(data)
        write(path, patterns, spectra, data.wavelengths(), metadata)
        return []
    solver_of(data)  # its preparation is not part of any structure's time
    sampled, seconds = [], []
    for stream in streams:
        started = time.perf_counter()
        sampled.append(sample_structure(np.random.default_rng(stream), data))
        seconds.append(time.perf_counter() - started)
    patterns, spectra = (np.stack(part) for part in zip(*sampled, strict=True))
    write(path, patterns, spectra, data.wavelengths(), attributes(data))
    return seconds
