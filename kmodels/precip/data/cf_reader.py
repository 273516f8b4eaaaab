"""CF NetCDF or Zarr: kmodels' own files (see cf_writer.py) and others like them, by their axes and variables.

What may differ from ours: latitude and longitude are known by standard_name or units, and may be 1-D or, on rotated and
projected grids, 2-D, in either order; axes may run either way; dimensions of length 1, such as a level, are dropped; of
ERA5's two versions, along expver, the one that has a value is taken; days may lie in one file or many, and predictors
in a file each; any CF calendar; rain is pr or whatever has a standard_name of rain or a usual name of it, in any unit
of water per area and time, or per area where it is a sum over the day. A day's date is that of the start of its time
bounds, or of its time without them.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from kmodels.core.io.cf import CfFile
from kmodels.core.io.files import reading
from kmodels.core.io.rounding import Clipped, clip_rounding

VERSION = "expver"  # a dimension of ERA5 files, along which all but one value of a place and time are missing
LONGEST_DAY = 1.1  # days between the bounds of a day
HEIGHTS = ("orography", "topography", "elevation", "topo", "hgt")  # of the land, without a standard name
MASKS = ("lsm", "landmask", "land_mask", "land_sea_mask")  # what a share of land is called without a standard_name
SHARE_ROUNDING = 1e-3  # how far outside 0 to 1 a share of land may be by rounding
# Calendars that are the same from this date on.
GREGORIAN, FROM = ("standard", "gregorian", "proleptic_gregorian"), (1582, 10, 15)


@dataclass(frozen=True, eq=False)
class Grid:
    """Cell centres: lat and lon, each (y, x) [degrees], y northward and x eastward."""

    lat: np.ndarray
    lon: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) [cells]."""
        return self.lat.shape


class File(CfFile):
    """An open file with the axes latitude, longitude and, but for maps, time; refuses what is not as it should be."""

    def __init__(self, path: Path):
        with reading(path, "CF NetCDF"):  # whatever its attributes are
            super().__init__(path)
            self._lat, self._lon = self._coordinate("latitude", "north"), self._coordinate("longitude", "east")
            self._y, self._x = self._horizontal()
        # Where rows run southward and columns westward they are turned round.
        lat, lon = self._degrees()
        self._turned = tuple(
            slice(None, None, -1 if np.median(d) < 0 else 1)
            for d in (np.diff(lat, axis=0), (np.diff(lon, axis=1) + 180) % 360 - 180)
        )
        self.grid = Grid(lat[self._turned], lon[self._turned])

    def _coordinate(self, name: str, direction: str) -> xr.DataArray:
        """Find the first variable of the file that is latitude or longitude."""
        found = self.coordinates(name)
        if not found:
            self.refuse(name, f"missing; a variable with standard_name {name} or units degrees_{direction} holds it")
        variable = self.data[found[0]]
        if variable.ndim not in (1, 2):
            self.refuse(name, f"has dimensions {variable.dims}; expected (y) and (x), or (y, x) for both")
        return variable

    def _horizontal(self) -> tuple[str, str]:
        """Name the dimensions that run northward and eastward."""
        dims = self._lat.dims + self._lon.dims if self._lat.ndim == 1 else self._lat.dims
        if self._lat.ndim != self._lon.ndim or len(set(dims)) != 2 or not set(self._lon.dims) <= set(dims):
            self.refuse(
                "latitude and longitude",
                f"have dimensions {self._lat.dims} and {self._lon.dims}; expected (y) and (x), or (y, x) for both",
            )
        if self._lat.ndim == 2:
            dims = dims[::-1] if self._is_transposed(dims) else dims
            self._lat, self._lon = self._lat.transpose(*dims), self._lon.transpose(*dims)
        return dims

    def _is_transposed(self, dims: tuple[str, str]) -> bool:
        """Tell whether the first dimension of a 2-D latitude runs eastward: by its axes, else by how degrees change."""
        north, east = set(self.axes("Y")), set(self.axes("X"))
        if dims[0] in north | east or dims[1] in north | east:
            return dims[0] in east or dims[1] in north
        lat, lon = (self.numbers(one.transpose(*dims)) for one in (self._lat, self._lon))
        (lat_first, lat_second), (lon_first, lon_second) = (
            [_mean_step(values, axis) for axis in (0, 1)] for values in (lat, lon)
        )
        return lat_second > lat_first and lon_first > lon_second

    def _degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """Read latitude and longitude as they lie in the file, each (y, x)."""
        lat, lon = self.numbers(self._lat), self.numbers(self._lon)
        for name, values, variable, most in (("latitude", lat, self._lat, 90.0), ("longitude", lon, self._lon, 360.0)):
            rule = f"expected degrees from {-most:g} to {most:g}"
            self.refuse_values(name, ~(np.abs(values) <= most), values, rule, variable.dims)
        if lat.ndim == 1:
            return np.meshgrid(lat, lon, indexing="ij")
        return lat, lon

    @cached_property
    def time(self) -> str:
        """The name of the time axis."""
        named = ["time"] if "time" in self.data.variables and self.data["time"].dims == ("time",) else []
        found = named or self.axes("T")
        if not found:
            self.refuse("time", "missing; a coordinate variable holds the date of each day")
        return found[0]

    @cached_property
    def dates(self) -> np.ndarray:
        """(n,) cftime dates, one a day."""
        dates = self._read_dates(self.numbers(self.data[self.time])) if self._bounds is None else self._bounds[0]
        if self.lengths is not None:
            rule = "days between its bounds; expected 1: make daily means or sums first"
            self.refuse_lengths(self.lengths > LONGEST_DAY, rule)
        keys = date_keys(dates)
        again = np.flatnonzero(np.diff(keys) <= 0)
        if len(again):
            k = int(again[0])
            before, after = (str(dates[i]) for i in (k, k + 1))
            rule = "expected one value a day, in order; make daily means or sums first"
            self.refuse(f"{self.time}[{k + 1}]", f"{after} comes after {before}; {rule}")
        return dates

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The dates at which values begin and end, each (n,) cftime; None where the file does not say."""
        bounds = self.bounds(self.time)
        return None if bounds is None else (self._read_dates(bounds[:, 0]), self._read_dates(bounds[:, 1]))

    @cached_property
    def lengths(self) -> np.ndarray | None:
        """(n,) how long each value's time is [days]; None where the file does not say."""
        if self._bounds is None:
            return None
        with reading(self.path, "time bounds"):
            spans = [end - start for start, end in zip(*self._bounds, strict=True)]
        return np.array([abs(span.total_seconds()) / 86400 for span in spans])

    def refuse_lengths(self, bad: np.ndarray, rule: str) -> None:
        """Raise for the first value (n,) that stands for another time than a day."""
        self.refuse_values(f"length of {self.time}", bad, self.lengths, rule, (self.time,))

    def _read_dates(self, values: np.ndarray) -> np.ndarray:
        """Turn numbers of the time axis into (n,) cftime dates."""
        attributes = self.data[self.time].attrs
        given, calendar = attributes.get("units", "(missing)"), attributes.get("calendar", "standard")
        try:
            return np.atleast_1d(cftime.num2date(values, given, calendar, only_use_cftime_datetimes=True))
        except (ValueError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            self.refuse(self.time, f"units {given!r}, calendar {calendar!r}: {reason}")

    def field(self, name: str, with_time: bool) -> xr.DataArray:
        """Find a variable as (time, y, x) or (y, x), turned northward and eastward; nothing is read.

        Where ERA5's versions differ it has a dimension more, before y: see `without_versions`.
        """
        wanted = self.dims(with_time)
        array = self.data[name]
        array = array.squeeze([d for d in array.dims if self.data.sizes[d] == 1 and d not in wanted])
        if VERSION in array.dims:
            wanted = (*wanted[:-2], VERSION, *wanted[-2:])
        if set(array.dims) != set(wanted):
            expected = ", ".join(self.dims(with_time))
            self.refuse(name, f"has dimensions ({', '.join(map(str, array.dims))}); expected ({expected})")
        return array.transpose(*wanted).isel(dict(zip((self._y, self._x), self._turned, strict=True)))

    def dims(self, with_time: bool) -> tuple[str, ...]:
        """List the dimensions of fields: (time, y, x), or (y, x), as the file names them."""
        return (self.time, self._y, self._x) if with_time else (self._y, self._x)

    def map(self, name: str, unit: str) -> np.ndarray:
        """Read a variable (y, x) in this unit, every element a number."""
        field = self.field(name, with_time=False)
        values = without_versions(field, self.numbers(field)) * self.factor(name, unit)
        self.refuse_values(name, ~np.isfinite(values), values, "expected a number", self.dims(False))
        return values


def _mean_step(values: np.ndarray, axis: int) -> float:
    """Measure how far values (y, x) of degrees change from one to the next along an axis."""
    steps = (np.diff(values, axis=axis) + 180) % 360 - 180
    return float(np.abs(steps).mean()) if steps.size else 0.0


def without_versions(field: xr.DataArray, values: np.ndarray) -> np.ndarray:
    """Take of a field's values the first along ERA5's versions that is a number; others stay as they are."""
    if VERSION not in field.dims:
        return values
    first, *others = np.moveaxis(values, field.dims.index(VERSION), 0)
    for other in others:
        first = np.where(np.isnan(first), other, first)
    return first


def in_calendar(dates: np.ndarray, calendar: str) -> np.ndarray | None:
    """Give cftime dates (n,) in another calendar; None where days of the two are not the same ones."""
    own = dates[0].calendar
    if own == calendar:
        return dates
    if not {own, calendar} <= set(GREGORIAN) or any((d.year, d.month, d.day) < FROM for d in dates):
        return None
    return np.array([cftime.datetime(*d.timetuple()[:6], d.microsecond, calendar=calendar) for d in dates])


def date_keys(dates: np.ndarray) -> np.ndarray:
    """Turn dates into numbers by year, month and day, whatever their calendar: (n,) integers that rise with them."""
    return np.array([(d.year * 100 + d.month) * 100 + d.day for d in dates], int)


def land_and_distance(file: File) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the land mask (y, x) bool and, where the file has it, the distance to the coast (y, x) [km]."""
    land = file.find("sftlf", ("land_binary_mask", "land_area_fraction"), MASKS)
    if land is None:
        file.refuse("sftlf", f"missing; the share of land in each cell, also as {', '.join(MASKS)}")
    clipped, rule = Clipped(), "a share of land lies from 0 to 1, or 0 to 100 %"
    share = clip_rounding(file.map(land, "1"), 0, 1, SHARE_ROUNDING, clipped)
    file.refuse_values(land, (share < 0) | (share > 1), share, rule, ("y", "x"))
    clipped.tell(file.path, land, rule)
    if "distance_to_coast" not in file.data.variables:
        return share >= 0.5, None
    return share >= 0.5, file.map("distance_to_coast", "km")


def height_of(file: File) -> np.ndarray | None:
    """Read the height of the land (y, x) [m]; None where the file does not have it."""
    name = file.find("orog", ("surface_altitude",), HEIGHTS)
    return None if name is None else file.map(name, "m")
