"""CF NetCDF or Zarr: kmodels' own files (see cf_writer.py) and others like them, by their axes and variables.

What may differ from ours: latitude and longitude are known by standard_name or units, and may be 1-D or, on rotated and
projected grids, 2-D; axes may run either way; dimensions of length 1, such as a level, are dropped; days may lie in one
file or many, and predictors in a file each; any CF calendar; rain is pr or whatever has a standard_name of rain, in any
unit of water per area and time. A day's date is that of the start of its time bounds, or of its time without them.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from kmodels.core.io.cf import CfFile
from kmodels.core.io.files import reading


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
        return dims

    def _degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """Read latitude and longitude as they lie in the file, each (y, x)."""
        lat, lon = self.numbers(self._lat), self.numbers(self._lon)
        for name, values, variable, most in (("latitude", lat, self._lat, 90.0), ("longitude", lon, self._lon, 360.0)):
            rule = f"expected degrees from {-most:g} to {most:g}"
            self.refuse_values(name, ~(np.abs(values) <= most), values, rule, variable.dims)
        if lat.ndim == 1:
            return np.meshgrid(lat, lon, indexing="ij")
        return lat, lon if self._lon.dims == self._lat.dims else lon.T

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
        variable = self.data[self.time]
        given = variable.attrs.get("units", "(missing)")
        calendar = variable.attrs.get("calendar", "standard")
        bounds = self.bounds(self.time)
        values = self.numbers(variable) if bounds is None else bounds[:, 0]
        try:
            dates = cftime.num2date(values, given, calendar, only_use_cftime_datetimes=True)
        except (ValueError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            self.refuse(self.time, f"units {given!r}, calendar {calendar!r}: {reason}")
        keys = date_keys(np.atleast_1d(dates))
        again = np.flatnonzero(np.diff(keys) <= 0)
        if len(again):
            k = int(again[0])
            before, after = (str(dates[i]) for i in (k, k + 1))
            self.refuse(f"{self.time}[{k + 1}]", f"{after} comes after {before}; expected one value a day, in order")
        return np.atleast_1d(dates)

    def field(self, name: str, with_time: bool) -> xr.DataArray:
        """Find a variable as (time, y, x) or (y, x), turned northward and eastward; nothing is read."""
        array = self.data[name].squeeze(
            [d for d in self.data[name].dims if self.data.sizes[d] == 1 and d not in self._wanted(with_time)]
        )
        wanted = self._wanted(with_time)
        if set(array.dims) != set(wanted):
            self.refuse(name, f"has dimensions ({', '.join(map(str, array.dims))}); expected ({', '.join(wanted)})")
        return array.transpose(*wanted).isel(dict(zip((self._y, self._x), self._turned, strict=True)))

    def _wanted(self, with_time: bool) -> tuple[str, ...]:
        return (self.time, self._y, self._x) if with_time else (self._y, self._x)

    def map(self, name: str, unit: str) -> np.ndarray:
        """Read a variable (y, x) in this unit, every element a number."""
        field = self.field(name, with_time=False)
        values = self.numbers(field) * self.factor(name, unit)
        self.refuse_values(name, ~np.isfinite(values), values, "expected a number", field.dims)
        return values


def date_keys(dates: np.ndarray) -> np.ndarray:
    """Turn dates into numbers by year, month and day, whatever their calendar: (n,) integers that rise with them."""
    return np.array([(d.year * 100 + d.month) * 100 + d.day for d in dates], int)


def land_and_distance(file: File) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the land mask (y, x) bool and, where the file has it, the distance to the coast (y, x) [km]."""
    land = file.find("sftlf", ("land_binary_mask", "land_area_fraction"))
    if land is None:
        file.refuse("sftlf", "missing; the share of land in each cell")
    share = file.map(land, "1")
    bad = (share < 0) | (share > 1)
    file.refuse_values(land, bad, share, "a share of land lies from 0 to 1, or 0 to 100 %", ("y", "x"))
    if "distance_to_coast" not in file.data.variables:
        return share >= 0.5, None
    return share >= 0.5, file.map("distance_to_coast", "km")
