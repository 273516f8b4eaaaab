"""A folder of coarse states and fine rain -> Days. Bad input is refused by file, variable, index, value and rule.

Formats: CF NetCDF (.nc) or Zarr (.zarr), see cf_writer.py and cf_reader.py for what their names begin with and what may
be in them; the prototype's folder of NumPy files, see legacy_numpy.py.
"""

from pathlib import Path

import numpy as np

from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.precip.data import legacy_numpy
from kmodels.precip.data.cf_reader import File, Grid, land_and_distance
from kmodels.precip.data.coast import distance_to_coast
from kmodels.precip.data.records import Days, Domain
from kmodels.precip.data.series import Series, predictor_series, rain_series, refuse_other_grid, spacing
from kmodels.precip.data.split import blocks
from kmodels.precip.data.variables import MOST_RAIN, predictors
from kmodels.precip.recipe import PrecipRecipe

SUFFIXES = (".nc", ".zarr", *legacy_numpy.PARTS)
KINDS = ("coarse", "fine", "static")
WET = 0.1  # mm/day
BLOCK_BYTES = 32 << 20  # of rain that is checked at once
KEPT_BYTES = 2 << 30  # of rain that stays in memory
SAME_PLACE = 0.05  # of a coarse cell: centres nearer than this coincide


def load(path: str | Path, recipe: PrecipRecipe, labels: bool = True) -> Days:
    """Load the days of a folder for which there are all predictors and, with labels, fine rain.

    Every value is checked once; rain stays in memory where it fits into KEPT_BYTES, else it is read when asked for.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder.
    recipe : PrecipRecipe
        Predictors are those of recipe.data (see variables.predictors); grids must nest and have the sizes of
        recipe.data.grid.
    labels : bool
        Whether fine rain is needed.

    Returns
    -------
    Days
        In order.

    Raises
    ------
    UserError
        That names file, variable, index, value and what is allowed.
    """
    found = data_files(path, SUFFIXES)
    folder = Path(path).expanduser()
    if any(p.name == legacy_numpy.STATES for p in found):
        return legacy_numpy.read(folder, recipe, labels)
    refuse_crashing(found)
    files = _by_kind(folder, found, labels)
    land, distance = land_and_distance(files["static"][0])
    static = files["static"][0]
    coarse = [predictor_series(files["coarse"], name) for name in predictors(recipe.data)]
    for other in coarse[1:]:
        refuse_other_grid(other.pieces[0][0], coarse[0].grid, coarse[0].pieces[0][0].path)
    _check_size(static, static.grid, coarse[0], recipe.data.grid)
    _check_nested(coarse[0].pieces[0][0], static.grid, coarse[0].grid, recipe.data.grid.block)
    fine = rain_series(files["fine"]) if labels else None
    if fine is not None:
        refuse_other_grid(fine.pieces[0][0], static.grid, static.path)
    keys = _common_days([*coarse, *([fine] if labels else [])], folder)
    dates = coarse[0].dates[np.isin(coarse[0].keys, keys)]
    rain, observed, mean = None, np.ones(land.shape, bool), np.full(len(keys), np.nan)
    if fine is not None:
        rain, observed, mean = _checked_rain(fine, np.flatnonzero(np.isin(fine.keys, keys)), land)
    if distance is None:
        distance = distance_to_coast(land, static.grid.lat, static.grid.lon)
    return Days(
        domain=Domain(static.grid.lat, static.grid.lon, land, distance, observed),
        predictors=predictors(recipe.data),
        dates=dates,
        block=blocks(dates, recipe.data.block_days),
        states=np.stack([_checked_state(s, np.flatnonzero(np.isin(s.keys, keys))) for s in coarse], axis=-1),
        read_rain=rain,
        day=np.arange(len(keys)),
        land_mean=mean,
    )


def sizes(path: str | Path) -> dict[str, int]:
    """Measure the grids of a folder, for a recipe: `data.grid.ny`, `nx` and, where they nest, `block`.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder.

    Returns
    -------
    dict of str to int
        By dotted key of the recipe.

    Raises
    ------
    UserError
        Where a file is missing or has no grid.
    """
    found, folder = data_files(path, SUFFIXES), Path(path).expanduser()
    if any(p.name == legacy_numpy.STATES for p in found):
        (ny, nx), (rows, columns) = legacy_numpy.shapes(folder)
    else:
        refuse_crashing(found)
        files = _by_kind(folder, found, labels=False)
        (ny, nx), (rows, columns) = files["static"][0].grid.shape, files["coarse"][0].grid.shape
    nests = ny % rows == nx % columns == 0 and ny // rows == nx // columns
    return {"data.grid.ny": ny, "data.grid.nx": nx} | ({"data.grid.block": ny // rows} if nests else {})


def _by_kind(folder: Path, paths: list[Path], labels: bool) -> dict[str, list[File]]:
    """Open the files of each kind; those of fine rain only where they are asked for."""
    needed = [kind for kind in KINDS if kind != "fine" or labels]
    named = {kind: [p for p in paths if p.name.lower().startswith(kind)] for kind in needed}
    for kind, of_kind in named.items():
        if not of_kind:
            raise UserError(f"{folder}: no {kind}*.nc or {kind}*.zarr; files' names begin with {', '.join(needed)}")
    if len(named["static"]) > 1:
        raise UserError(f"{named['static'][1]}: a second static file, the first is {named['static'][0]}")
    return {kind: [File(p) for p in of_kind] for kind, of_kind in named.items()}


def _check_size(static: File, fine: Grid, coarse: Series, grid) -> None:
    """Refuse grids that have not the sizes of the recipe, which a network is built for."""
    for file, shape, wanted, keys in (
        (static, fine.shape, grid.fine, "data.grid.ny and data.grid.nx"),
        (
            coarse.pieces[0][0],
            coarse.grid.shape,
            grid.coarse_shape,
            "data.grid.ny and data.grid.nx over data.grid.block",
        ),
    ):
        if shape != wanted:
            file.refuse("grid", f"(y, x) of {shape} cells; the recipe has {wanted}, {keys}")


def _check_nested(file: File, fine: Grid, coarse: Grid, block: int) -> None:
    """Refuse a coarse cell whose centre is not that of its fine cells."""
    ny, nx = coarse.shape
    for name in ("lat", "lon"):
        centre = getattr(coarse, name)
        inside = getattr(fine, name).reshape(ny, block, nx, block) - centre[:, None, :, None]
        off = ((inside + 180) % 360 - 180).mean((1, 3))
        bad = ~(np.abs(off) <= SAME_PLACE * max(spacing(coarse), block * spacing(fine)))

        def rule(at, middle=centre + off):
            return f"its {block} x {block} fine cells have their middle at {middle[at]:g}; the grids do not nest"

        file.refuse_values(name, bad, centre, rule, ("y", "x"))


def _common_days(series: list[Series], folder: Path) -> np.ndarray:
    """Find the keys of the days that all series have, rising."""
    first = series[0]
    keys = first.keys
    for other in series[1:]:
        if other.dates[0].calendar != first.dates[0].calendar:
            said = f"calendar {other.dates[0].calendar}; {first.pieces[0][0].path} has {first.dates[0].calendar}"
            other.pieces[0][0].refuse("time", said)
        keys = np.intersect1d(keys, other.keys)
    if not len(keys):
        spans = "; ".join(f"{s.name} {s.keys[0]} to {s.keys[-1]}" for s in series)
        raise UserError(f"{folder}: no day that all variables have: {spans}")
    return keys


def _checked_state(series: Series, rows: np.ndarray) -> np.ndarray:
    """Read a predictor on these days, (rows, Y, X) float32; every value must be a number."""
    values = series.read(rows)
    series.refuse(~np.isfinite(values), values, rows, "expected a number")
    return values


def _checked_rain(series: Series, rows: np.ndarray, land: np.ndarray):
    """Check rain: (a function that reads days, observed (y, x), mean over land (rows,) [mm/day])."""
    kept = np.empty((len(rows), *land.shape), "float32") if 4 * len(rows) * land.size <= KEPT_BYTES else None
    per_block = max(1, BLOCK_BYTES // (4 * land.size))
    observed, mean, most = np.ones(land.shape, bool), np.empty(len(rows)), 0.0
    for first in range(0, len(rows), per_block):
        some = rows[first : first + per_block]
        values = series.read(some)
        _refuse_bad_rain(series, some, values, land)
        observed &= np.isfinite(values).all(0)
        values = np.nan_to_num(values, copy=False)
        mean[first : first + per_block] = values[:, land].mean(1) if land.any() else values.mean((1, 2))
        most = max(most, float(values.max()))
        if kept is not None:
            kept[first : first + per_block] = values
    if most < WET:
        file, name = series.pieces[0]
        file.refuse(
            name, f"at most {most:g} mm/day on any day; {WET:g} or more expected somewhere: are the units right?"
        )
    if kept is not None:
        return kept.__getitem__, observed, mean
    return (lambda days: np.nan_to_num(series.read(rows[days]))), observed, mean


def _refuse_bad_rain(series: Series, rows: np.ndarray, values: np.ndarray, land: np.ndarray) -> None:
    """Refuse rain that cannot be: no number over land, infinite, below 0, above what ever fell."""
    missing = np.isnan(values)
    series.refuse(missing & land, values, rows, "rain over land is a number; over the sea it may be missing")
    series.refuse(~missing & ~(values >= 0), values, rows, "rain is 0 or more")
    most = f"rain is at most {MOST_RAIN:g} mm/day, more than ever fell; are the units right?"
    series.refuse(values > MOST_RAIN, values, rows, most)
