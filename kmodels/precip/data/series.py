"""Daily fields of one variable, from one file or many."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kmodels.core.io.files import reading
from kmodels.precip.data.cf_reader import File, Grid, date_keys
from kmodels.precip.data.variables import DAY, RAIN_UNITS, STORED_RAIN_UNITS

Factor = Callable[[File, str], float]  # what turns a file's variable into this package's unit
RAIN_NAMES = ("precipitation_flux", "lwe_precipitation_rate", "rainfall_flux", "rainfall_rate")


class Series:
    """Daily fields of one variable.

    dates: (n,) cftime, rising. keys: (n,) of `date_keys`. read(rows): (rows, y, x) in this package's units, NaN where
    a value is missing.
    """

    def __init__(self, files: list[File], name: str, standard_names=(), factor: Factor | None = None):
        pieces = [(file, file.find(name, standard_names)) for file in files]
        self.pieces = [(file, found) for file, found in pieces if found is not None]
        if not self.pieces:
            there = sorted({str(n) for file in files for n, v in file.data.data_vars.items() if v.ndim >= 3})
            files[0].refuse(name, f"missing in all files of its kind; they have {', '.join(there) or 'no fields'}")
        self.name = name
        self._factors = [1.0 if factor is None else factor(file, found) for file, found in self.pieces]
        self._fields = [file.field(found, with_time=True) for file, found in self.pieces]
        self.grid = _common_grid([file for file, _ in self.pieces])
        self._order()

    def _order(self) -> None:
        """Put the days of all files in order; refuse a day that is there twice, and a second calendar."""
        dates = [file.dates for file, _ in self.pieces]
        for file, _ in self.pieces[1:]:
            if file.dates[0].calendar != dates[0][0].calendar:
                first = self.pieces[0][0].path
                file.refuse("time", f"calendar {file.dates[0].calendar}; {first} has {dates[0][0].calendar}")
        keys = np.concatenate([date_keys(d) for d in dates])
        order = np.argsort(keys, kind="stable")
        piece = np.repeat(np.arange(len(dates)), [len(d) for d in dates])[order]
        index = np.concatenate([np.arange(len(d)) for d in dates])[order]
        self.keys, self.dates, self._piece, self._index = keys[order], np.concatenate(dates)[order], piece, index
        twice = np.flatnonzero(np.diff(self.keys) == 0)
        if len(twice):
            k = int(twice[0])
            other = self.pieces[piece[k]][0].path
            self.pieces[piece[k + 1]][0].refuse(f"time[{index[k + 1]}]", f"{self.dates[k]} is in {other}, too")

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Fields of days with these indices: (rows, y, x) float32."""
        found = np.empty((len(rows), *self.grid.shape), "float32")
        for k, (field, factor) in enumerate(zip(self._fields, self._factors, strict=True)):
            here = np.flatnonzero(self._piece[rows] == k)
            if len(here):
                # Files are read forward: an index that rises is what HDF5 can take.
                index, back = np.unique(self._index[rows[here]], return_inverse=True)
                with reading(self.pieces[k][0].path, f"numbers of {field.name}"):
                    found[here] = field[index].to_numpy()[back] * factor
        return found

    def refuse(self, bad: np.ndarray, values: np.ndarray, rows: np.ndarray, rule: str) -> None:
        """Raise for the first element of the mask `bad` (rows, y, x), if there is one, by its place in its file."""
        if not bad.any():
            return
        row = int(np.argmax(bad.any((1, 2))))
        file, found = self.pieces[self._piece[rows[row]]]
        field = self._fields[self._piece[rows[row]]]
        at = {field.dims[0]: int(self._index[rows[row]])}
        # y and x count as they do in the file.
        turned = [s.step < 0 for s in file._turned]
        mask, shown = (np.flip(a[row], [axis for axis in (0, 1) if turned[axis]]) for a in (bad, values))
        factor = self._factors[self._piece[rows[row]]]
        file.refuse_values(found, mask, shown / factor, rule, field.dims[1:], fixed=at)


def _common_grid(files: list[File]) -> Grid:
    """Find the grid of files that must share one."""
    first = files[0]
    for file in files[1:]:
        refuse_other_grid(file, first.grid, first.path)
    return first.grid


def refuse_other_grid(file: File, grid: Grid, whose: Path) -> None:
    """Raise where a file has not this grid, to a thousandth of its spacing."""
    if file.grid.shape != grid.shape:
        file.refuse("grid", f"(y, x) of {file.grid.shape} cells; {whose} has {grid.shape}")
    near = 1e-3 * spacing(grid)
    for name in ("lat", "lon"):
        ours, theirs = getattr(file.grid, name), getattr(grid, name)
        bad = np.abs((ours - theirs + 180) % 360 - 180) > near
        file.refuse_values(name, bad, ours, lambda at, there=theirs: f"{whose} has {there[at]:g} there", ("y", "x"))


def spacing(grid: Grid) -> float:
    """Measure the median step between rows [degrees]."""
    return float(np.median(np.abs(np.diff(grid.lat, axis=0)))) if grid.shape[0] > 1 else 1.0


def rain_factor(file: File, name: str) -> float:
    """Compute what turns a variable into rain [mm/day]."""
    if file.data[name].attrs.get("units") == STORED_RAIN_UNITS:
        return DAY  # known without waiting for the library of units
    return file.factor(name, RAIN_UNITS, of_water=True)


def rain_series(files: list[File]) -> Series:
    """Join the fine rain of files [mm/day]."""
    return Series(files, "pr", RAIN_NAMES, rain_factor)


def predictor_series(files: list[File], name: str) -> Series:
    """Join a coarse variable of files; rain in mm/day, all others in their file's units."""
    standard = {file.data[name].attrs.get("standard_name") for file in files if name in file.data.variables}
    is_rain = name == "pr" or bool(standard & set(RAIN_NAMES))
    return Series(files, name, RAIN_NAMES if name == "pr" else (), rain_factor if is_rain else None)
