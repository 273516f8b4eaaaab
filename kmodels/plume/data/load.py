"""Files of runs -> Windows. Bad input is refused by file, variable, index, value and rule.

Formats, by suffix: CF NetCDF (.nc, see cf_writer.py and cf_reader.py), the prototype's NumPy archives (.npz, see
legacy_numpy.py) and AERMOD's POSTFILE (.pst, .plt, .pos, .txt or .out, see aermod.py). Only NetCDF is read piece by
piece.

Indices in messages are those of the file: axes that fall are turned after all is checked.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io.files import reading
from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.io.refusal import refuse_values
from kmodels.core.io.rounding import Clipped, clip_rounding
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.plume.data import aermod, cf_reader, legacy_numpy, units
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import StoredRun
from kmodels.plume.recipe import PlumeRecipe

OWN_SUFFIXES = (".nc", ".npz", ".pst", ".plt", ".pos")
ANY_TEXT = (".txt", ".out")  # a POSTFILE, or what else lies in a folder
SUFFIXES = (*OWN_SUFFIXES, *ANY_TEXT)
AXES = ("time", "z", "y", "x")
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
    runs = _runs(_files(path), recipe.data)
    cells = [_cell(run, recipe.data.grid) for run in runs]
    seconds = [_frame_seconds(run, recipe.data) for run in runs]
    _check_alike(runs, cells, seconds)
    for run, cell, second in zip(runs, cells, seconds, strict=True):
        _check_wind(run, recipe.model)
        units.refuse_unlikely(run, cell, second)
    runs, peaks = zip(*(_clipped(run, recipe.model.c0) for run in runs), strict=True)
    _check_peak(runs, max(peaks), recipe.model.c0, labels)
    runs = [_turned(run) for run in runs]
    which, first = _windows(runs, recipe.data, labels)
    return Windows(tuple(runs), which, first, recipe.data.past, recipe.data.horizon, cells[0], seconds[0])


def sizes(path: str | Path, chosen: dict) -> dict[str, float]:
    """Measure the grid and the frames of a file or a folder, for a recipe.

    Parameters
    ----------
    path : str or pathlib.Path
        A file or a folder.
    chosen : dict
        Fields of the recipe that somebody chose, by dotted key.

    Returns
    -------
    dict of str to float
        By dotted key of the recipe: cells, their width and height [m], frames and their interval [s].

    Raises
    ------
    UserError
        As `load` does.
    """
    usual = PlumeRecipe().with_changes({"data": {"group": chosen.get("data.group")}}).data
    run = _runs(_files(path), usual)[0]
    names = dict(zip(("nz", "ny", "nx"), run.shape, strict=True))
    found = {f"data.grid.{name}": cells for name, cells in names.items()} | {"data.frames": run.n_frames}
    if run.file.suffix.lower() != ".npz":  # such archives do not know it
        dz, _, dx = _cell(run, usual.grid)
        lengths = {"data.grid.dx": dx, "data.grid.dz": dz, "data.frame_seconds": _frame_seconds(run, usual)}
        found |= {name: float(f"{value:.6g}") for name, value in lengths.items()}  # coordinates may be float32
    return found


def _files(path: str | Path) -> list[Path]:
    """List the files to read: of a folder's .txt and .out, which can be anything, those that are a POSTFILE."""
    found = data_files(path, SUFFIXES)
    if not Path(path).expanduser().is_dir():
        return found
    kept = [file for file in found if file.suffix.lower() not in ANY_TEXT or aermod.is_postfile(file)]
    return kept or data_files(path, OWN_SUFFIXES)


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
        elif suffix in SUFFIXES:
            runs.append(aermod.read(path, None if data.group is None else str(data.group)))
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
    """Measure the distance between neighbours of a coordinate; refuse one that neither rises nor falls evenly."""
    if len(values) < 2:
        raise UserError(f"{run.file}: {name}: {len(values)} values; expected 2 or more")
    steps = np.diff(values)
    typical = float(np.median(steps))
    bad = ~(np.isfinite(steps) & (steps != 0) & (np.abs(steps - typical) <= SAME * abs(typical)))
    refuse_values(
        run.file,
        name,
        bad,
        values[1:],
        lambda at: (
            f"it comes after {values[at]:g}; expected even steps, most are {typical:g}; interpolate to even ones "
            f"first, as by xarray: data.interp({name}=numpy.arange(start, stop, step))"
        ),
        first=1,
    )
    return abs(typical)


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


def _blocks(run: StoredRun) -> Iterator[tuple[int, np.ndarray]]:
    """Read all frames of a run, (number of the first, frames as stored), as many at a time as memory bears."""
    per_block = max(1, BLOCK_BYTES // (8 * int(np.prod(run.shape))))
    for first in range(0, run.n_frames, per_block):
        with reading(run.file, f"numbers of {run.variable}"):
            values = run.frames_as_stored(first, min(first + per_block, run.n_frames))
        yield first, values


def _clipped(run: StoredRun, c0: float) -> tuple[StoredRun, float]:
    """Refuse frames with values that no concentration has; clip those that rounding has put below 0.

    Parameters
    ----------
    run : StoredRun
        As its file has it.
    c0 : float
        What is small to the network [kg m-3].

    Returns
    -------
    run : StoredRun
        The same, or one whose frames are clipped when they are read.
    highest : float
        Of all its concentrations above ground [kg m-3].
    """
    air = ~run.below_ground()
    lowest = highest = 0.0
    for first, values in _blocks(run):
        _refuse_frames(run, first, values, ~(np.abs(values * run.factor) <= np.finfo("float32").max) & air)
        lowest = min(lowest, float(values.min(where=air, initial=0)))
        highest = max(highest, float(values.max(where=air, initial=0)) * run.factor)
    if highest > units.MOST:
        _refuse_too_much(run, air)
    if lowest == 0:
        return run, highest
    tolerance = units.ROUNDING * max(highest, c0) / run.factor
    clipped = Clipped()
    for first, values in _blocks(run):
        _refuse_frames(run, first, values, (values < -tolerance) & air)
        clip_rounding(np.where(air, values, 0), 0, None, tolerance, clipped)
    clipped.tell(run.file, run.variable, "a concentration is 0 or more", run.units)
    stored = run.frames_as_stored
    return replace(run, frames_as_stored=lambda a, b: clip_rounding(stored(a, b), 0, None, tolerance)), highest


def _refuse_frames(run: StoredRun, first: int, values: np.ndarray, bad: np.ndarray, rule: str = "") -> None:
    """Refuse the first bad value of frames from number `first` on."""
    rule = rule or "a concentration above ground is a number, 0 or more"
    refuse_values(run.file, run.variable, bad, values, rule, AXES, first=first, unit=run.units, fixed=run.within)


def _refuse_too_much(run: StoredRun, air: np.ndarray) -> None:
    """Refuse the first concentration that is likelier of another unit."""
    rule = (
        f"expected at most {units.MOST:g} kg m-3, raw flue gas has less; is its unit g, mg or ug m-3? The file says "
        f"{run.units}"
    )
    for first, values in _blocks(run):
        _refuse_frames(run, first, values, (values * run.factor > units.MOST) & air, rule)


def _check_peak(runs: tuple[StoredRun, ...], highest: float, c0: float, labels: bool) -> None:
    """Refuse, or say before a forecast, that all concentrations are too low for the network to see."""
    if not 0 < highest < units.LEAST * c0:
        return
    said = (
        f"{runs[0].file}: {runs[0].variable}: the highest of all runs is {highest:.3g} kg m-3, less than "
        f"{units.LEAST:g} of model.c0 = {c0:g} kg m-3: the network takes it for clean air; is the unit "
        f"{runs[0].units} right? If it is, train with --model.c0 {highest / 100:.0e}"
    )
    if labels:
        raise UserError(said)
    console.notice(said)  # air may be clean where a forecast starts


def _turned(run: StoredRun) -> StoredRun:
    """Turn axes that fall: time forward, z upward, y northward, x eastward."""
    falls = {name for name in AXES if getattr(run, name)[0] > getattr(run, name)[-1]}
    if not falls:
        return run
    way = {name: slice(None, None, -1 if name in falls else 1) for name in AXES}

    def frames(first: int, stop: int) -> np.ndarray:
        if "time" in falls:
            first, stop = run.n_frames - stop, run.n_frames - first
        return run.frames_as_stored(first, stop)[tuple(way.values())]

    def wind(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[way["time"], way["z"]]

    axes = {name: getattr(run, name)[way[name]] for name in AXES}
    terrain = run.terrain[way["y"], way["x"]]
    return replace(run, **axes, terrain=terrain, u=wind(run.u), v=wind(run.v), frames_as_stored=frames)


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
