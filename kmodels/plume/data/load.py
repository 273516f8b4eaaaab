"""Files of runs -> Windows. Bad input is refused by file, variable, index, value and rule.

Formats, by suffix: CF NetCDF (.nc, see cf_writer.py and cf_reader.py), the prototype's NumPy archives (.npz, see
legacy_numpy.py) and AERMOD's POSTFILE (.pst or .plt, see aermod.py). Only NetCDF is read piece by piece.
"""

from pathlib import Path

import numpy as np

from kmodels.core.io.files import reading
from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.io.refusal import refuse_values
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.plume.data import aermod, cf_reader, legacy_numpy
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import StoredRun
from kmodels.plume.recipe import PlumeRecipe

SUFFIXES = (".nc", ".npz", ".pst", ".plt")
SAME = 1e-3  # lengths and times that differ by less, relatively, are the same
BLOCK_BYTES = 32 << 20  # of frames that are checked at once


def load(path: str | Path, recipe: PlumeRecipe, labels: bool = True) -> Windows:
    """Load the windows of all runs in a file, or in a folder's files.

    Every frame is checked once, a block at a time; none stays in memory.

    Parameters
    ----------
    path : str or pathlib.Path
        A file or a folder.
    recipe : PlumeRecipe
        Its `data` section says how long a window is.
    labels : bool
        With labels, windows start every recipe.data.stride frames from the first on, as long as the target exists.
        Without, only the past is needed, and the windows are counted back from a run's last frame, the one that a
        forecast starts from.

    Returns
    -------
    Windows
        Of all runs, which share a grid and a frame interval.

    Raises
    ------
    UserError
        That names file, variable, index, value and what is allowed.
    """
    runs = _runs(data_files(path, SUFFIXES), recipe.data)
    cells = [_cell(run, recipe.data.grid) for run in runs]
    seconds = [_frame_seconds(run, recipe.data) for run in runs]
    _check_alike(runs, cells, seconds)
    for run in runs:
        _check_wind(run, recipe.model)
        _check_concentration(run)
    which, first = _windows(runs, recipe.data, labels)
    return Windows(tuple(runs), which, first, recipe.data.past, recipe.data.horizon, cells[0], seconds[0])


def sizes(path: str | Path) -> dict[str, float]:
    """Measure the grid and the frames of a file or a folder, for a recipe.

    Parameters
    ----------
    path : str or pathlib.Path
        A file or a folder.

    Returns
    -------
    dict of str to float
        By dotted key of the recipe: cells, their width and height [m], frames and their interval [s].

    Raises
    ------
    UserError
        As `load` does.
    """
    usual = PlumeRecipe().data
    run = _runs(data_files(path, SUFFIXES), usual)[0]
    names = dict(zip(("nz", "ny", "nx"), run.shape, strict=True))
    found = {f"data.grid.{name}": cells for name, cells in names.items()} | {"data.frames": run.n_frames}
    if run.file.suffix.lower() != ".npz":  # such archives do not know it
        dz, _, dx = _cell(run, usual.grid)
        lengths = {"data.grid.dx": dx, "data.grid.dz": dz, "data.frame_seconds": _frame_seconds(run, usual)}
        found |= {name: float(f"{value:.6g}") for name, value in lengths.items()}  # coordinates may be float32
    return found


def _runs(paths: list[Path], data) -> list[StoredRun]:
    """Read the runs of the files, each with a name of its own."""
    refuse_crashing(paths)
    runs = []
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".nc":
            runs += cf_reader.read(path)
        elif suffix == ".npz":
            labels_file = legacy_numpy.pair_of(path)[1]
            if path == labels_file or labels_file not in paths:  # else it comes with its labels
                runs.append(legacy_numpy.read(path, data))
        elif suffix in (".pst", ".plt"):
            runs.append(aermod.read(path))
        else:
            raise UserError(f"{path}: data of plume is a file {', '.join(SUFFIXES)}")
    files = {}
    for run in runs:
        if run.name in files:
            raise UserError(f"{run.file}: a second run {run.name!r}, the first is in {files[run.name]}; names differ")
        files[run.name] = run.file
    return runs


def _cell(run: StoredRun, grid) -> tuple[float, float, float]:
    """Measure the cell (dz, dy, dx) [m] of a run; a single level is as high as the recipe says."""
    return (
        _step(run, "z", run.z) if len(run.z) > 1 else grid.dz,
        _step(run, "y", run.y),
        _step(run, "x", run.x),
    )


def _step(run: StoredRun, name: str, values: np.ndarray) -> float:
    """Measure the distance between neighbours of a coordinate; refuse one that does not rise evenly."""
    if len(values) < 2:
        raise UserError(f"{run.file}: {name}: {len(values)} values; expected 2 or more")
    steps = np.diff(values)
    typical = float(np.median(steps))
    bad = ~(np.isfinite(steps) & (steps > 0) & (np.abs(steps - typical) <= SAME * abs(typical)))
    refuse_values(
        run.file,
        name,
        bad,
        values[1:],
        lambda at: f"it comes after {values[at]:g}; expected even, rising steps, most are {typical:g}",
        first=1,
    )
    return typical


def _frame_seconds(run: StoredRun, data) -> float:
    """Measure the time between two frames [s]; of a single frame, which has none, it is the recipe's."""
    return _step(run, "time", run.time) if run.n_frames > 1 else data.frame_seconds


def _check_alike(runs: list[StoredRun], cells: list[tuple[float, ...]], seconds: list[float]) -> None:
    """Refuse runs that do not share a grid and a frame interval: one network cannot read them."""
    first = runs[0]
    for run, cell, second in zip(runs, cells, seconds, strict=True):
        where = f"{run.file}: run {run.name!r}"
        other = f"{first.file} has"
        if run.shape != first.shape:
            raise UserError(f"{where}: grid (z, y, x) of {run.shape} cells; {other} {first.shape}")
        if not np.allclose(cell, cells[0], rtol=SAME, atol=0):
            raise UserError(f"{where}: cells (dz, dy, dx) of {_metres(cell)} m; {other} {_metres(cells[0])} m")
        if not np.isclose(second, seconds[0], rtol=SAME, atol=0):
            raise UserError(f"{where}: frames {second:g} s apart; {other} {seconds[0]:g} s")
        if run.follows_terrain != first.follows_terrain:
            kinds = ("altitude", "height above ground")
            raise UserError(
                f"{where}: z is {kinds[run.follows_terrain]}; {other} {kinds[first.follows_terrain]}: give them apart"
            )


def _metres(cell: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{width:g}" for width in cell) + ")"


def _check_wind(run: StoredRun, model) -> None:
    """Refuse a run without the wind that the network asks for."""
    for name, wind in (("eastward_wind", run.u), ("northward_wind", run.v)):
        if model.needs_wind and wind is None:
            raise UserError(
                f"{run.file}: {name}: missing; this recipe needs it (--model.wind false --model.transport false "
                "--model.base persistence does without)"
            )


def _check_concentration(run: StoredRun) -> None:
    """Refuse frames with values that no concentration has; a block of frames is in memory at a time."""
    air = ~run.below_ground()
    per_block = max(1, BLOCK_BYTES // (8 * int(np.prod(run.shape))))
    for first in range(0, run.n_frames, per_block):
        with reading(run.file, f"numbers of {run.variable}"):
            values = run.frames_as_stored(first, min(first + per_block, run.n_frames))
        bad = ~((values >= 0) & (values * run.factor <= np.finfo("float32").max)) & air
        refuse_values(
            run.file,
            run.variable,
            bad,
            values,
            "a concentration above ground is a number, 0 or more",
            ("time", "z", "y", "x"),
            first=first,
            unit=run.units,
            fixed=run.within,
        )


def _windows(runs: list[StoredRun], data, labels: bool) -> tuple[np.ndarray, np.ndarray]:
    """Choose (run, first frame) of every window."""
    needed = data.past + (data.horizon if labels else 0)
    which, first = [], []
    for k, run in enumerate(runs):
        if run.n_frames < needed:
            why = f"data.past = {data.past}" + (f" and data.horizon = {data.horizon}" if labels else "")
            raise UserError(f"{run.file}: run {run.name!r} has {run.n_frames} frames; {why} need {needed}")
        last = run.n_frames - needed
        starts = range(0 if labels else last % data.stride, last + 1, data.stride)
        which += [k] * len(starts)
        first += starts
    return np.array(which), np.array(first)
