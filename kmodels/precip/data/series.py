"""Daily fields of one variable, from one file or many."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kmodels.core.io import units
from kmodels.core.io.files import reading
from kmodels.core.io.rounding import Clipped, clip_rounding
from kmodels.precip.data.cf_reader import File, Grid, date_keys, in_calendar, without_versions
from kmodels.precip.data.split import day_numbers
from kmodels.precip.data.variables import DAY, RAIN_UNITS, STORED_RAIN_UNITS

Pieces = list[tuple[File, str]]  # files, each with the name of the variable in it
RATES = ("precipitation_flux", "lwe_precipitation_rate", "rainfall_flux", "rainfall_rate")
AMOUNTS = (
    "precipitation_amount",
    "lwe_thickness_of_precipitation_amount",
    "thickness_of_precipitation_amount",
    "rainfall_amount",
    "thickness_of_rainfall_amount",
)
# What rain is called without a standard_name: IMERG, E-OBS, ERA5, CHIRPS and CPC, PRISM, Daymet, COSMO and ICON.
OTHER_NAMES = ("precipitation", "rr", "tp", "mtpr", "avg_tprate", "precip", "ppt", "prcp", "tot_prec", "rainfall")
SUM_UNIT = "mm"
ROUNDING = 0.05  # mm/day by which packing and regridding leave rain below 0; half of what counts as wet
SHORTEST_DAY = 0.9  # days between the bounds of a sum
NO_RAIN = "rain is 0 or more"


class Series:
    """Daily fields of one variable.

    Parameters
    ----------
    files : list of File
        In which it may be.
    name : str
        Of the variable.
    find : callable
        ``find(file)`` names it in a file; None where it is not there.
    convert : callable
        ``convert(pieces)`` gives the unit of all files that have it, and the function to that unit for each.
    low : float, optional
        Of rain: what its values may be below by ROUNDING alone.

    Attributes
    ----------
    unit : str or None
        Of what `read` gives; None where no file says it.
    dates, keys : numpy.ndarray
        (n,) cftime, rising, and what `date_keys` makes of them.
    is_rain : bool
        Whether it is rain, in mm/day.
    """

    def __init__(
        self,
        files: list[File],
        name: str,
        find: Callable[[File], str | None],
        convert: Callable[[Pieces], tuple[str | None, list[units.Conversion]]],
        low: float | None = None,
    ):
        pieces = [(file, find(file)) for file in files]
        self.pieces = [(file, found) for file, found in pieces if found is not None]
        if not self.pieces:
            there = sorted({str(n) for file in files for n, v in file.data.data_vars.items() if v.ndim >= 3})
            files[0].refuse(name, f"missing in all files of its kind; they have {', '.join(there) or 'no fields'}")
        self.name, self._low, self.is_rain = name, low, low is not None
        self.unit, self._conversions = convert(self.pieces)
        self._fields = [file.field(found, with_time=True) for file, found in self.pieces]
        self.grid = _common_grid([file for file, _ in self.pieces])
        self._order()

    def _order(self) -> None:
        """Put the days of all files in order; refuse a day that is there twice, and a second calendar."""
        dates, first = [], self.pieces[0][0]
        for file, _ in self.pieces:
            dates.append(in_calendar(file.dates, first.dates[0].calendar))
            if dates[-1] is None:
                refuse_other_calendar(file, first)
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

    def read(self, rows: np.ndarray, clipped: Clipped | None = None) -> np.ndarray:
        """Fields of days with these indices: (rows, y, x) float32; `clipped` counts what was below `low`."""
        found = np.empty((len(rows), *self.grid.shape), "float32")
        for k, (field, conversion) in enumerate(zip(self._fields, self._conversions, strict=True)):
            here = np.flatnonzero(self._piece[rows] == k)
            if len(here):
                # Files are read forward: an index that rises is what HDF5 can take.
                index, back = np.unique(self._index[rows[here]], return_inverse=True)
                with reading(self.pieces[k][0].path, f"numbers of {field.name}"):
                    found[here] = conversion(without_versions(field, field[index].to_numpy())[back])
        return found if self._low is None else clip_rounding(found, self._low, None, ROUNDING, clipped)

    def refuse(self, bad: np.ndarray, values: np.ndarray, rows: np.ndarray, rule: str) -> None:
        """Raise for the first element of the mask `bad` (rows, y, x), if there is one, by its place in its file."""
        if not bad.any():
            return
        row = int(np.argmax(bad.any((1, 2))))
        piece = self._piece[rows[row]]
        file, found = self.pieces[piece]
        time, *dims = file.dims(with_time=True)
        # y and x count as they do in the file.
        turned = [s.step < 0 for s in file._turned]
        mask, shown = (np.flip(a[row], [axis for axis in (0, 1) if turned[axis]]) for a in (bad, values))
        at = {time: int(self._index[rows[row]])}
        file.refuse_values(found, mask, self._conversions[piece].back(shown), rule, dims, fixed=at)

    def tell(self, clipped: Clipped) -> None:
        """Say how many values were clipped."""
        more = f" and {len(self.pieces) - 1} more" if len(self.pieces) > 1 else ""
        clipped.tell(f"{self.pieces[0][0].path}{more}", self.pieces[0][1], NO_RAIN, self.unit or "")


def refuse_other_calendar(file: File, first: File) -> None:
    """Raise for a file whose days are not those of the first one's calendar."""
    theirs, ours = file.dates[0].calendar, first.dates[0].calendar
    file.refuse("time", f"calendar {theirs}; {first.path} has {ours}, whose days are others: bring all into one")


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


def rain_series(
    files: list[File], name: str = "pr", find: Callable[[File], str | None] | None = None, units_else: str = ""
) -> Series:
    """Join the rain of files [mm/day], whose rates are means over a day and whose amounts are sums over one.

    find: names the rain in a file; by default it is `pr`, else what a standard_name or a usual name says is rain.
    units_else: of rain whose file says none.
    """

    def convert(pieces: Pieces) -> tuple[str, list[units.Conversion]]:
        return RAIN_UNITS, [_rain_conversion(file, name, units_else) for file, name in pieces]

    series = Series(files, name, find or rain_in, convert, low=0.0)
    for file, found in series.pieces:
        if _is_sum(file.unit(found) or units_else):
            _refuse_other_sums(series, file, found)
    return series


def rain_in(file: File) -> str | None:
    """Name the rain in a file; None where there is none."""
    return file.find("pr", (*RATES, *AMOUNTS), OTHER_NAMES)


def _rain_conversion(file: File, name: str, units_else: str) -> units.Conversion:
    """Compute what turns a rate, or a sum over a day, into rain [mm/day]."""
    given = file.unit(name) or units_else or None
    if given == STORED_RAIN_UNITS:
        return units.Conversion(DAY)  # known without waiting for the library of units
    for wanted in (RAIN_UNITS, SUM_UNIT):
        found = _water(given, wanted)
        if found is not None:
            return found
    shown = "missing" if given is None else repr(given)
    allowed = "a rate, such as kg m-2 s-1 or mm/day, or a sum over each day, such as mm, kg m-2 or m"
    told = "; data.rain_units says it where files do not" if given is None else ""
    file.refuse(name, f"units {shown}; rain is expected as {allowed}{told}")


def _is_sum(given: str) -> bool:
    """Tell whether rain of this unit is an amount, not a rate."""
    return given != STORED_RAIN_UNITS and _water(given, RAIN_UNITS) is None


def _water(given: str | None, wanted: str) -> units.Conversion | None:
    """Find what turns a unit of water into another; None where nothing does."""
    try:
        return None if given is None else units.convert(given, wanted, of_water=True)
    except ValueError:
        return None


def _refuse_other_sums(series: Series, file: File, name: str) -> None:
    """Refuse sums over another time than a day: by time bounds, else by how far the days of all files are apart."""
    if file.lengths is not None and file.lengths.any():
        file.refuse_lengths(file.lengths < SHORTEST_DAY, f"days over which {name} is a sum; expected 1")
        return
    steps = np.diff(day_numbers(series.dates))
    if len(steps) and np.median(steps) > 1:
        said = f"a sum, and days lie {np.median(steps):g} days apart"
        file.refuse(name, f"{said}; expected sums over one day: make them, or give time bounds of one day")


def predictor_series(files: list[File], name: str, rain_units: str = "") -> Series:
    """Join a coarse variable of files; rain in mm/day, all others in the unit that the first of the files has."""
    standard = {file.data[name].attrs.get("standard_name") for file in files if name in file.data.variables}
    if name == "pr":
        return rain_series(files, units_else=rain_units)
    if standard & set(RATES):
        return rain_series(files, name, lambda file: file.find(name), rain_units)
    return Series(files, name, lambda file: file.find(name), _conversions)


def _conversions(pieces: Pieces) -> tuple[str | None, list[units.Conversion]]:
    """Find the unit of the first file that says one, and what turns every file's values into it."""
    unit = next((given for file, name in pieces if (given := file.unit(name)) is not None), None)
    if unit is None:
        return None, [units.SAME] * len(pieces)
    return unit, [file.conversion(name, unit, of_water=True) for file, name in pieces]
