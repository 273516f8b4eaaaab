"""The prototype's folder of NumPy files -> Days.

    X_lr/day_NNNNNN.npy   (Y, X, C)   coarse state of day NNNNNN, any units
    Y_hr/day_NNNNNN.npy   (y, x)      fine rain [mm/day], below 0 by rounding at most
    statics.npy           (y, x, 2)   land (1) or sea (0), distance to the coast [km]
    split.json            {"train": [...], "val": [...], "test": [...]}     day numbers, left out where there is none
    categories.json       {"heavy": [...], ...}                             day numbers, left out where there is none
    thresholds.json       {"P95": 20.1, ...}                                rain [mm/day], left out where there is none

Rows run northward, columns eastward. The folder does not say where it lies, nor when: day 0 counts as 2001-01-01.
"""

import json
import re
from pathlib import Path

import cftime
import numpy as np

from kmodels.core.io.files import read_array, reading
from kmodels.core.io.refusal import refuse_values
from kmodels.core.io.rounding import Clipped, clip_rounding
from kmodels.core.spec.errors import UserError
from kmodels.precip.data.cf_writer import CALENDAR, TIME_UNITS
from kmodels.precip.data.records import Days, Domain
from kmodels.precip.data.series import NO_RAIN, ROUNDING
from kmodels.precip.data.split import blocks
from kmodels.precip.data.variables import MOST_RAIN, predictors

STATES, FIELDS, STATICS = "X_lr", "Y_hr", "statics.npy"
SPLIT, CATEGORIES, THRESHOLDS = "split.json", "categories.json", "thresholds.json"
PARTS = tuple(name.lower() for name in (STATES, FIELDS, STATICS, SPLIT, CATEGORIES, THRESHOLDS))
NAMES = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def read(folder: Path, recipe, labels: bool) -> Days:
    """Read the days of a folder for which there is a state and, with labels, a field.

    Parameters
    ----------
    folder : pathlib.Path
        With the files that the head of this module lists.
    recipe : PrecipRecipe
        Its `data` section says which grid and predictors the files must have.
    labels : bool
        Whether fields are needed.

    Returns
    -------
    Days
        Rain is read when it is asked for.

    Raises
    ------
    UserError
        By file and rule.
    """
    grid = recipe.data.grid
    if not grid.nested:
        raise UserError(f"{folder}: such a folder does not say where its grids lie; they nest: data.grid.nested true")
    names = predictors(recipe.data)
    numbers = _numbers(folder / STATES)
    if labels:
        numbers = np.intersect1d(numbers, _numbers(folder / FIELDS))
    if not len(numbers):
        raise UserError(f"{folder}: no day_NNNNNN.npy that is in {STATES} and in {FIELDS}")
    statics = _array(folder / STATICS, (*grid.fine, 2))
    _refuse(folder / STATICS, "statics", ~np.isfinite(statics), statics, "expected a number")
    land = statics[..., 0] >= 0.5
    states = np.stack([_state(folder / STATES / day_name(n), (*grid.coarse_shape, len(names))) for n in numbers])
    mean = np.full(len(numbers), np.nan)
    if labels:
        clipped = Clipped()
        fields = (_rain(folder / FIELDS / day_name(n), land, clipped) for n in numbers)
        mean = np.array([field[land | ~land.any()].mean() for field in fields])
        clipped.tell(folder, FIELDS, NO_RAIN, "mm/day")
    dates = cftime.num2date(numbers, TIME_UNITS, CALENDAR, only_use_cftime_datetimes=True)

    def read_rain(days) -> np.ndarray:
        fields = [_array(folder / FIELDS / day_name(n), land.shape) for n in numbers[days]]
        return clip_rounding(np.stack(fields).astype("float32"), 0, None, ROUNDING)

    return Days(
        domain=Domain(None, None, land, statics[..., 1], np.ones(land.shape, bool)),
        predictors=names,
        dates=dates,
        block=blocks(dates, recipe.data.block_days),
        states=states,
        read_rain=read_rain if labels else None,
        day=np.arange(len(numbers)),
        land_mean=mean,
        part=_labels(folder / SPLIT, numbers, NAMES),
        category=_labels(folder / CATEGORIES, numbers),
        thresholds=_thresholds(folder / THRESHOLDS),
    )


def shapes(folder: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Measure the grids of a folder: fine (y, x) and coarse (Y, X) [cells]."""
    days = [folder / STATES / day_name(number) for number in _numbers(folder / STATES)[:1]]
    fine, coarse = (_shape(path) for path in (folder / STATICS, *(days or [folder / STATES / day_name(0)])))
    return fine, coarse


def _shape(path: Path) -> tuple[int, int]:
    if not path.exists():
        raise UserError(f"{path}: no such file")
    shape = read_array(path, on_disk=True).shape
    if len(shape) != 3:
        raise UserError(f"{path}: has shape {shape}; expected (y, x, variable)")
    return shape[:2]


def day_name(number: int) -> str:
    """Name the file of a day."""
    return f"day_{number:06d}.npy"


def _numbers(folder: Path) -> np.ndarray:
    """List the days that a folder has files of, rising."""
    found = (re.fullmatch(r"day_(\d{6})\.npy", p.name) for p in folder.glob("day_*.npy"))
    return np.array(sorted(int(match[1]) for match in found if match), int)


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a file's array; refuse another shape."""
    if not path.exists():
        raise UserError(f"{path}: no such file")
    values = read_array(path)
    if values.shape != shape:
        raise UserError(f"{path}: has shape {values.shape}; the recipe's data.grid and predictors say {shape}")
    return values


def _refuse(path: Path, name: str, bad: np.ndarray, values: np.ndarray, rule: str) -> None:
    refuse_values(path, name, bad, values, rule, ("y", "x", "variable")[: bad.ndim])


def _state(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a day's coarse state, float32."""
    values = _array(path, shape).astype("float32")
    _refuse(path, STATES, ~np.isfinite(values), values, "expected a number")
    return values


def _rain(path: Path, land: np.ndarray, clipped: Clipped) -> np.ndarray:
    """Read a day's rain [mm/day]."""
    values = clip_rounding(_array(path, land.shape), 0, None, ROUNDING, clipped)
    bad = ~((values >= 0) & (values <= MOST_RAIN))
    _refuse(path, FIELDS, bad, values, f"rain is a number, from 0 to {MOST_RAIN:g} mm/day")
    return values


def _thresholds(path: Path) -> dict[str, float] | None:
    """Read rain [mm/day] by name, None where there is no file."""
    found = _json(path)
    for name, value in (found or {}).items():
        if not (isinstance(value, int | float) and 0 <= value <= MOST_RAIN):
            raise UserError(f"{path}: {name!r} = {value!r}; expected a number, from 0 to {MOST_RAIN:g} mm/day")
    return found


def _json(path: Path) -> dict | None:
    """Read what a file says by name, None where there is no file."""
    if not path.exists():
        return None
    with reading(path, "JSON"):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected names with what belongs to them, {{...}}")
    return found


def _labels(path: Path, numbers: np.ndarray, allowed: dict[str, str] | None = None) -> np.ndarray | None:
    """Name the list that each day is in, (n,), "" where it is in none; None where there is no file."""
    lists = _json(path)
    if lists is None:
        return None
    found = np.full(len(numbers), "", dtype=object)
    for name, days in lists.items():
        if allowed is not None and name not in allowed:
            raise UserError(f"{path}: {name!r}; expected {', '.join(allowed)}")
        if not (isinstance(days, list) and all(isinstance(day, int) for day in days)):
            raise UserError(f"{path}: {name!r} is no list of day numbers")
        here = np.isin(numbers, days)
        if (found[here] != "").any():
            twice = numbers[here][found[here] != ""][0]
            raise UserError(f"{path}: day {twice} is in {name!r} and in another list")
        found[here] = name if allowed is None else allowed[name]
    return found.astype(str)
