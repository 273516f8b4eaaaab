"""The prototype's NumPy archives -> StoredRun.

A run is a pair NAME_maps.npz and NAME_labels.npz, or one NAME.npz with the arrays of both:

    maps:    terrain (y, x) [m], source_q (y, x) [g/s], source_h (y, x) [m above ground]
    labels:  conc (time, y, x, z) in kg m-3, or in the unit that a string `units` beside it names

y northward, x eastward, z upward from sea level. The archives say nothing of their grid: cells are data.grid.dx wide
and data.grid.dz high, frames data.frame_seconds apart. They have no wind. The run is read into memory whole.
"""

from pathlib import Path

import numpy as np

from kmodels.core.io.files import reading, refuse_bombs
from kmodels.core.io.refusal import refuse_values
from kmodels.core.io.units import factor
from kmodels.core.spec.errors import UserError
from kmodels.plume.data import units
from kmodels.plume.data.cf_writer import EPOCH
from kmodels.plume.data.run import Stacks, StoredRun

MAPS, LABELS = "_maps.npz", "_labels.npz"


def pair_of(path: Path) -> tuple[Path, Path]:
    """Find (file with the maps, file with the labels) of a run that one of its files names."""
    for suffix in (MAPS, LABELS):
        if path.name.endswith(suffix):
            name = path.name.removesuffix(suffix)
            return path.with_name(name + MAPS), path.with_name(name + LABELS)
    return path, path


def read(path: Path, data) -> StoredRun:
    """Read the run that a file belongs to.

    Parameters
    ----------
    path : Path
        Either file of a pair, or the one with all arrays.
    data : Data
        The recipe's section: it says what the archives do not.

    Returns
    -------
    StoredRun
        In memory, without wind.

    Raises
    ------
    UserError
        By file, array, index and rule.
    """
    maps_file, labels_file = pair_of(path)
    maps = _arrays(maps_file, ("terrain", "source_q", "source_h"))
    labels = _arrays(labels_file, ("conc",))
    conc = labels["conc"]
    if conc.ndim != 4:
        raise UserError(f"{labels_file}: conc has shape {conc.shape}; expected (time, y, x, z)")
    for name in ("terrain", "source_q", "source_h"):
        _check_map(maps_file, name, maps[name], conc.shape[1:3])
    unit = str(labels.get("units", units.CONCENTRATION)).strip()
    frames = np.moveaxis(conc, 3, 1)
    grid = data.grid
    x, y, z = (
        (np.arange(n) + 0.5) * width for n, width in zip(frames.shape[:0:-1], (grid.dx, grid.dx, grid.dz), strict=True)
    )
    return StoredRun(
        name=labels_file.name.removesuffix(LABELS).removesuffix(".npz"),
        file=labels_file,
        start=EPOCH,
        time=np.arange(len(frames)) * data.frame_seconds,
        x=x,
        y=y,
        z=z,
        terrain=maps["terrain"].astype("float64"),
        stacks=_stacks(maps, x, y),
        frames_as_stored=lambda first, stop: frames[first:stop],
        units=unit,
        factor=_factor(labels_file, unit),
        variable="conc",
        on_disk=False,
    )


def _arrays(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read the arrays of an archive; refuse one without those needed."""
    if not path.exists():
        raise UserError(f"{path}: no such file; a run is NAME{MAPS} and NAME{LABELS}, or one .npz with all arrays")
    with reading(path, "a NumPy archive"), np.load(path, allow_pickle=False) as archive:
        missing = [name for name in needed if name not in archive.files]
        if missing:
            raise UserError(f"{path}: {missing[0]}: missing; needed: {', '.join(needed)}")
        refuse_bombs(path, archive)
        found = {name: archive[name] for name in (*needed, "units") if name in archive.files}
    for name in needed:
        if found[name].dtype.kind not in "biuf":
            raise UserError(f"{path}: {name}: {found[name].dtype} values; expected real numbers")
    return found


def _check_map(path: Path, name: str, values: np.ndarray, shape: tuple[int, int]) -> None:
    """Refuse a map of another shape, and one with values that cannot be."""
    if values.shape != shape:
        raise UserError(f"{path}: {name} has shape {values.shape}; conc has (y, x) = {shape}")
    lowest = -np.inf if name == "terrain" else 0.0
    bad = ~(np.isfinite(values) & (values >= lowest))
    rule = "expected a number" if name == "terrain" else "expected 0 or more"
    refuse_values(path, name, bad, values, rule, ("y", "x"))


def _factor(path: Path, unit: str) -> float:
    """Compute what turns a concentration into kg m-3."""
    try:
        return factor(unit, units.CONCENTRATION)
    except ValueError:
        raise UserError(
            f"{path}: units {unit!r}; expected {units.CONCENTRATION}, or what can be converted to it"
        ) from None


def _stacks(maps: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> Stacks:
    """Put a stack in the middle of each cell that emits."""
    rows, columns = np.nonzero(maps["source_q"])
    at = rows, columns
    return Stacks(x[columns], y[rows], maps["source_h"][at].astype("float64"), maps["source_q"][at] * 1e-3)
