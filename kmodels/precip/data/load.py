"""A folder of coarse states and fine rain -> Days. Bad input is refused by file, variable, index, value and rule.

Formats: CF NetCDF (.nc) or Zarr (.zarr), see cf_writer.py and cf_reader.py for what their names begin with and what may
be in them; the prototype's folder of NumPy files, see legacy_numpy.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import rows, units
from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.io.rounding import Clipped
from kmodels.core.io.rows import choose
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.precip.data import legacy_numpy
from kmodels.precip.data.cf_reader import File, Grid, height_of, in_calendar, land_and_distance
from kmodels.precip.data.coast import distance_to_coast
from kmodels.precip.data.records import Days, Domain
from kmodels.precip.data.series import (
    NO_RAIN,
    Series,
    predictor_series,
    rain_in,
    rain_series,
    refuse_other_calendar,
    refuse_other_grid,
    spacing,
)
from kmodels.precip.data.split import blocks, day_numbers
from kmodels.precip.data.variables import COVARIATES, MOST_RAIN, RAIN, RAIN_UNITS, predictors
from kmodels.precip.recipe import PrecipRecipe

SUFFIXES = (".nc", ".nc4", ".nc3", ".cdf", ".netcdf", ".zarr", *legacy_numpy.PARTS)
KINDS = ("coarse", "fine", "static")
WET = 0.1  # mm/day
BLOCK_BYTES = 8 << 20  # of rain that is checked at once
KEPT_BYTES = 2 << 30  # of rain that stays in memory
SAME_PLACE = 0.05  # of a coarse cell: centres nearer than this coincide
FAR = 10.0  # standard deviations of the training from its mean, beyond which other units are likely
MOST_PAIRS = 5_000_000  # cells and days from which a shift of the dates is seen
FEWEST_PAIRS = 8  # days from which a shift of the dates can be seen
BETTER = 0.1  # by which the correlation of another day must be higher to be worth a line


class Origin(NamedTuple):
    """Where a predictor comes from: its unit, None where nobody says it, and its first file."""

    unit: str | None
    path: Path


@dataclass(frozen=True, eq=False)
class UserDays(Days):
    """Days with what is known of their predictors.

    origin: {predictor: where it comes from}; empty for formats that know no units. like: the run whose units they have.
    """

    origin: Mapping[str, Origin] = field(default_factory=dict)
    like: Path | None = None

    def inputs(self) -> dict[str, dict]:
        """Describe the predictors over these days: {name: {"unit", "mean", "sd"}}, rain in mm/day."""
        states = choose(self.states, self.day)
        mean, sd = (of(states, (0, 1, 2)).tolist() for of in (rows.mean, rows.standard_deviation))
        unit = {name: origin.unit for name, origin in self.origin.items()}
        found = zip(self.predictors, mean, sd, strict=True)
        return {name: {"unit": unit.get(name), "mean": m, "sd": s} for name, m, s in found}

    def as_trained(self, inputs: Mapping[str, dict] | None, run: Path, simulated: bool) -> "UserDays":
        """Give the predictors the units that a run was trained in, and say where their mean is far off.

        Parameters
        ----------
        inputs : mapping or None
            What `inputs` said of the training's days; None where the run did not keep it.
        run : pathlib.Path
            The run, for messages.
        simulated : bool
            Whether it was trained on simulated days, whose units are known.

        Raises
        ------
        UserError
            For a predictor whose unit cannot be converted to that of the training.
        """
        if inputs is None and simulated:
            inputs = {c.name: {"unit": c.units, "mean": c.mean, "sd": c.sd} for c in COVARIATES}
            inputs |= {RAIN: {"unit": RAIN_UNITS}}
        if not inputs or self.like == run:
            return self
        states, origin = self.states, dict(self.origin)
        for column, name in enumerate(self.predictors):
            known = inputs.get(name, {})
            conversion = _conversion(name, origin.get(name), known.get("unit"), run)
            if conversion != units.SAME:
                states = rows.mapped(lambda some, k=column, change=conversion: _converted(some, k, change), states)
                origin[name] = origin[name]._replace(unit=known["unit"])
            path = origin[name].path if name in origin else "data"
            _tell_far(f"{path}: {name}", states, self.day, column, known)
        return replace(self, states=states, origin=origin, like=run)


def _conversion(name: str, origin: Origin | None, wanted: str | None, run: Path) -> units.Conversion:
    """Find what turns a predictor into the unit of a training; nothing is done where one of both knows no units."""
    if origin is None or wanted is None:
        return units.SAME
    try:
        if origin.unit is not None:
            return units.convert(origin.unit, wanted, of_water=True)
    except ValueError:
        pass
    shown = "missing" if origin.unit is None else repr(origin.unit)
    rule = f"{run} was trained on {name} in {wanted}: give it that unit, or one that can be converted to it"
    raise UserError(f"{origin.path}: {name}: units {shown}; {rule}")


def _converted(states: np.ndarray, column: int, conversion: units.Conversion) -> np.ndarray:
    """Convert one predictor of states (rows, Y, X, C)."""
    states = states.copy()
    states[..., column] = conversion(states[..., column])
    return states


def _tell_far(what: str, states: np.ndarray, day: np.ndarray, column: int, known: Mapping) -> None:
    """Say where the mean of a predictor is so far from that of the training that its unit may be another one."""
    if "mean" not in known or not len(day):
        return
    mean, sd = float(rows.mean(choose(states, day), (0, 1, 2))[column]), known["sd"]
    if abs(mean - known["mean"]) > FAR * max(sd, 1e-6 * abs(known["mean"])):
        unit = f" {known['unit']}" if known.get("unit") else ""
        trained = f"{known['mean']:g}{unit}, standard deviation {sd:g}"
        console.notice(f"{what}: mean {mean:g}{unit}; in training {trained}: are its units right?")


def load(path: str | Path, recipe: PrecipRecipe, labels: bool = True) -> Days:
    """Load the days of a folder for which there are all predictors and, with labels, fine rain.

    Every value is checked once. Rain and coarse states stay in memory where they fit into KEPT_BYTES, else on disk, as
    arrays; see `kmodels.core.io.rows`.

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
        days = legacy_numpy.read(folder, recipe, labels)
        return UserDays(**{f.name: getattr(days, f.name) for f in fields(days)})
    refuse_crashing(found)
    files = _by_kind(folder, found, labels)
    land, distance = land_and_distance(files["static"][0])
    static = files["static"][0]
    coarse = [predictor_series(files["coarse"], name, recipe.data.rain_units) for name in predictors(recipe.data)]
    for other in coarse[1:]:
        refuse_other_grid(other.pieces[0][0], coarse[0].grid, coarse[0].pieces[0][0].path)
    _check_size(static, static.grid, coarse[0], recipe.data.grid)
    _check_nested(coarse[0].pieces[0][0], static.grid, coarse[0].grid, recipe.data.grid.block)
    fine = rain_series(files["fine"], units_else=recipe.data.rain_units) if labels else None
    if fine is not None:
        refuse_other_grid(fine.pieces[0][0], static.grid, static.path)
    keys = _common_days([*coarse, *([fine] if labels else [])], folder)
    dates = coarse[0].dates[np.isin(coarse[0].keys, keys)]
    states = _checked_states(coarse, keys)
    rain, observed, mean = None, np.ones(land.shape, bool), np.full(len(keys), np.nan)
    if fine is not None:
        rain, observed, mean, means = _checked_rain(
            fine, np.flatnonzero(np.isin(fine.keys, keys)), land, recipe.data.grid.block
        )
        for column, series in enumerate(coarse):
            if series.name == RAIN:
                some = slice(-MOST_PAIRS // means[0].size - 1, None)  # enough to see a shift
                _tell_shift(series, fine, day_numbers(dates)[some], states[some, ..., column], means[some])
    if distance is None:
        distance = distance_to_coast(land, static.grid.lat, static.grid.lon)
    return UserDays(
        domain=Domain(static.grid.lat, static.grid.lon, land, distance, observed, height_of(static)),
        predictors=predictors(recipe.data),
        dates=dates,
        block=blocks(dates, recipe.data.block_days),
        states=states,
        read_rain=rain,
        day=np.arange(len(keys)),
        land_mean=mean,
        origin={s.name: Origin(s.unit, s.pieces[0][0].path) for s in coarse},
    )


def sizes(path: str | Path, chosen: dict) -> dict:
    """Measure the grids of a folder and, where it lacks a usual predictor, list those that it has, for a recipe.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder.
    chosen : dict
        Fields of the recipe that somebody chose, by dotted key.

    Returns
    -------
    dict
        By dotted key of the recipe: `data.grid.ny`, `data.grid.nx`, where they nest `data.grid.block`, and where it is
        needed `data.predictors`.

    Raises
    ------
    UserError
        Where a file is missing or has no grid.
    """
    found, folder = data_files(path, SUFFIXES), Path(path).expanduser()
    if any(p.name == legacy_numpy.STATES for p in found):
        (ny, nx), (rows, columns) = legacy_numpy.shapes(folder)
        names = ()
    else:
        refuse_crashing(found)
        files = _by_kind(folder, found, labels=False)
        (ny, nx), (rows, columns) = files["static"][0].grid.shape, files["coarse"][0].grid.shape
        names = () if "data.predictors" in chosen else _predictors(files["coarse"])
    nests = ny % rows == nx % columns == 0 and ny // rows == nx // columns
    measured = {"data.grid.ny": ny, "data.grid.nx": nx} | ({"data.grid.block": ny // rows} if nests else {})
    return measured | ({"data.predictors": names} if names else {})


def _predictors(files: list[File]) -> tuple[str, ...]:
    """List the fields of coarse files, rain as `pr` first; nothing where the usual predictors are all there."""
    variables = [(set(file.dims(True)), pair) for file in files for pair in file.data.data_vars.items()]
    fields = [name for wanted, (name, variable) in variables if wanted <= set(variable.dims)]
    rain = {name for file in files if (name := rain_in(file)) is not None}
    names = dict.fromkeys([RAIN] * bool(rain) + [str(name) for name in fields if name not in rain])
    return () if set(predictors(PrecipRecipe().data)) <= set(names) else tuple(names)


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
        if in_calendar(other.dates, first.dates[0].calendar) is None:
            refuse_other_calendar(other.pieces[0][0], first.pieces[0][0])
        keys = np.intersect1d(keys, other.keys)
    if not len(keys):
        spans = "; ".join(f"{s.name} {s.keys[0]} to {s.keys[-1]}" for s in series)
        raise UserError(f"{folder}: no day that all variables have: {spans}")
    return keys


def _checked_states(coarse: list[Series], keys: np.ndarray) -> np.ndarray:
    """Read the predictors of these days, (rows, Y, X, C) float32."""
    days = [np.flatnonzero(np.isin(series.keys, keys)) for series in coarse]
    clipped, states = [Clipped() for _ in coarse], rows.Appended(rows.memory_bytes(KEPT_BYTES))
    per_block = max(1, BLOCK_BYTES // (4 * len(coarse) * math.prod(coarse[0].grid.shape)))
    for first in range(0, len(keys), per_block):
        some = slice(first, first + per_block)
        read = [_checked_state(*each) for each in zip(coarse, (own[some] for own in days), clipped, strict=True)]
        states.append(np.stack(read, axis=-1))
    for series, found in zip(coarse, clipped, strict=True):
        series.tell(found)
    return states.array()


def _checked_state(series: Series, days: np.ndarray, clipped: Clipped) -> np.ndarray:
    """Read a predictor on these days, (days, Y, X) float32; every value must be a number, and rain can be."""
    values = series.read(days, clipped)
    series.refuse(~np.isfinite(values), values, days, "expected a number")
    if series.is_rain:
        _refuse_no_rain(series, days, values)
    return values


def _checked_rain(series: Series, days: np.ndarray, land: np.ndarray, block: int):
    """Check rain.

    Returns a function that reads days, observed (y, x), the mean over land (days,) [mm/day], and means over blocks of
    block x block cells (days, Y, X) [mm/day], NaN where one is not observed.
    """
    kept = rows.Appended(rows.memory_bytes(KEPT_BYTES))
    per_block = max(1, BLOCK_BYTES // (4 * land.size))
    observed, mean, most = np.ones(land.shape, bool), np.empty(len(days)), 0.0
    shape, means = (land.shape[0] // block, land.shape[1] // block), rows.Appended(rows.memory_bytes(KEPT_BYTES))
    clipped = Clipped()
    for first in range(0, len(days), per_block):
        some = days[first : first + per_block]
        values = series.read(some, clipped)
        _refuse_bad_rain(series, some, values, land)
        means.append(values.reshape(-1, shape[0], block, shape[1], block).mean((2, 4)))
        observed &= np.isfinite(values).all(0)
        values = np.nan_to_num(values, copy=False)
        mean[first : first + per_block] = values[:, land].mean(1) if land.any() else values.mean((1, 2))
        most = max(most, float(values.max()))
        kept.append(values)
    if most < WET:
        file, name = series.pieces[0]
        file.refuse(
            name, f"at most {most:g} mm/day on any day; {WET:g} or more expected somewhere: are the units right?"
        )
    series.tell(clipped)
    return kept.array().__getitem__, observed, mean, means.array()


def _tell_shift(coarse: Series, fine: Series, days: np.ndarray, state: np.ndarray, means: np.ndarray) -> None:
    """Say where coarse rain fits the fine rain better a day off, as where one of both is dated by the day's end.

    days: (n,) their numbers. state, means: (n, Y, X) coarse rain, and fine rain averaged over its blocks [mm/day].
    """
    fits = {shift: _fit(days, state, means, shift) for shift in (-1, 0, 1)}
    best = max(fits, key=lambda shift: np.nan_to_num(fits[shift], nan=-1.0))
    if not fits[best] > np.nan_to_num(fits[0]) + BETTER:
        return
    path, other = coarse.pieces[0][0].path, fine.pieces[0][0].path
    late = path if best > 0 else other
    console.notice(
        f"{path}: {coarse.pieces[0][1]}: fits the rain of {other} better where its days are taken as a day "
        f"{'earlier' if best > 0 else 'later'} (correlation {fits[best]:.2f}, as dated {fits[0]:.2f}); are the days of "
        f"{late} dated by their end, 24:00? Time bounds say which day is meant"
    )


def _fit(days: np.ndarray, state: np.ndarray, means: np.ndarray, shift: int) -> float:
    """Correlate the coarse rain of each day + shift with the fine rain of the day; NaN where there is too little."""
    _, later, now = np.intersect1d(days - shift, days, return_indices=True)
    if len(now) < FEWEST_PAIRS:
        return np.nan
    pairs = np.log1p([state[later].ravel(), means[now].ravel()])
    pairs = pairs[:, np.isfinite(pairs).all(0)]
    if not pairs.size or (pairs.std(1) == 0).any():
        return np.nan
    return float(np.corrcoef(pairs)[0, 1])


def _refuse_bad_rain(series: Series, rows: np.ndarray, values: np.ndarray, land: np.ndarray) -> None:
    """Refuse rain that cannot be: no number over land, infinite, below 0, above what ever fell."""
    missing = np.isnan(values)
    series.refuse(missing & land, values, rows, "rain over land is a number; over the sea it may be missing")
    _refuse_no_rain(series, rows, values)


def _refuse_no_rain(series: Series, rows: np.ndarray, values: np.ndarray) -> None:
    """Refuse rain below 0 and above what ever fell."""
    series.refuse(values < 0, values, rows, NO_RAIN)
    most = f"rain is at most {MOST_RAIN:g} mm/day, more than ever fell; are the units right?"
    series.refuse(values > MOST_RAIN, values, rows, most)
