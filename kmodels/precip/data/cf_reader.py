"""CF NetCDF or Zarr: kmodels' own files (see netcdf.py) and others like them, by their axes and variables.

What may differ from ours: latitude and longitude are known by standard_name or units, and may be 1-D or, on rotated and
projected grids, 2-D; axes may run either way; dimensions of length 1, such as a level, are dropped; days may lie in one
file or many, and predictors in a file each; any CF calendar; rain is pr or whatever has a standard_name of rain, in any
of units.py. A day's date is that of the start of its time bounds, or of its time where there are none.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from kmodels.core.io.files import reading
from kmodels.core.io.netcdf import opened, refuse_values
from kmodels.core.io.units import canonical
from kmodels.core.spec.errors import UserError
from kmodels.precip.data.variables import DISTANCE_UNITS, SHARE_UNITS

LATITUDE = ("degrees_north", "degree_north", "degree_N", "degrees_N")
LONGITUDE = ("degrees_east", "degree_east", "degree_E", "degrees_E")


@dataclass(frozen=True, eq=False)
class Grid:
    """Cell centres: lat and lon, each (y, x) [degrees], y northward and x eastward."""

    lat: np.ndarray
    lon: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) [cells]."""
        return self.lat.shape


class File:
    """An open file with the axes latitude, longitude and, but for maps, time; refuses what is not as it should be."""

    def __init__(self, path: Path):
        self.path = path
        self.data = opened(path)
        self._lat = self._coordinate("latitude", LATITUDE)
        self._lon = self._coordinate("longitude", LONGITUDE)
        self._y, self._x = self._horizontal()
        # Where rows run southward and columns westward they are turned round.
        lat, lon = self._degrees()
        self._turned = tuple(
            slice(None, None, -1 if np.median(d) < 0 else 1)
            for d in (np.diff(lat, axis=0), (np.diff(lon, axis=1) + 180) % 360 - 180)
        )
        self.grid = Grid(lat[self._turned], lon[self._turned])

    def refuse(self, name: str, rule: str):
        """Raise for a variable."""
        raise UserError(f"{self.path}: {name}: {rule}")

    def _coordinate(self, name: str, of_units: tuple[str, ...]) -> xr.Variable:
        """The variable with a standard_name or, if none has it, with units that nothing else has."""
        found = [v for v in self.data.variables.values() if v.attrs.get("standard_name") == name]
        found = found or [v for v in self.data.variables.values() if v.attrs.get("units") in of_units]
        if not found:
            self.refuse(name, f"missing; a variable with standard_name {name} or units {of_units[0]} holds it")
        if found[0].ndim not in (1, 2):
            self.refuse(name, f"has dimensions {found[0].dims}; expected (y) and (x), or (y, x) for both")
        return found[0]

    def _horizontal(self) -> tuple[str, str]:
        """The names of the dimensions that run northward and eastward."""
        dims = self._lat.dims + self._lon.dims if self._lat.ndim == 1 else self._lat.dims
        if self._lat.ndim != self._lon.ndim or len(set(dims)) != 2 or not set(self._lon.dims) <= set(dims):
            self.refuse(
                "latitude and longitude",
                f"have dimensions {self._lat.dims} and {self._lon.dims}; expected (y) and (x), or (y, x) for both",
            )
        return dims

    def _degrees(self) -> tuple[np.ndarray, np.ndarray]:
        """lat and lon as they lie in the file, each (y, x)."""
        with reading(self.path, "degrees"):
            lat, lon = (np.asarray(v.values, float) for v in (self._lat, self._lon))
        for name, values, variable, most in (("latitude", lat, self._lat, 90.0), ("longitude", lon, self._lon, 360.0)):
            rule = f"expected degrees from {-most:g} to {most:g}"
            refuse_values(self.path, name, ~(np.abs(values) <= most), values, variable.dims, rule)
        if lat.ndim == 1:
            return np.meshgrid(lat, lon, indexing="ij")
        return lat, lon if self._lon.dims == self._lat.dims else lon.T

    def find(self, name: str, standard_names: tuple[str, ...] = ()) -> str | None:
        """The variable of this name, else the one with one of these standard_names."""
        if name in self.data.variables:
            return name
        names = [n for n, v in self.data.variables.items() if v.attrs.get("standard_name") in standard_names]
        if len(names) > 1:
            self.refuse(" and ".join(map(str, names)), f"each could be {name}; one of them needs that name")
        return names[0] if names else None

    @cached_property
    def time(self) -> str:
        """The name of the time axis."""
        for name, variable in self.data.variables.items():
            said = name, variable.attrs.get("standard_name"), variable.attrs.get("axis")
            if variable.dims == (name,) and {"time", "T"} & set(said):
                return name
        self.refuse("time", "missing; a coordinate variable holds the date of each day")

    @cached_property
    def dates(self) -> np.ndarray:
        """(n,) cftime dates, one a day."""
        variable = self.data.variables[self.time]
        given = variable.attrs.get("units", "(missing)")
        calendar = variable.attrs.get("calendar", "standard")
        with reading(self.path, "dates"):
            values = np.asarray(variable.values, float)
        bounds = self.data.variables.get(variable.attrs.get("bounds"))
        if bounds is not None and bounds.shape == (len(values), 2):
            with reading(self.path, "dates"):
                values = np.asarray(bounds.values, float)[:, 0]
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
        """A variable as (time, y, x) or (y, x), turned northward and eastward; nothing is read."""
        array = self.data[name].squeeze(
            [d for d in self.data[name].dims if self.data.sizes[d] == 1 and d not in self._wanted(with_time)]
        )
        wanted = self._wanted(with_time)
        if set(array.dims) != set(wanted):
            self.refuse(name, f"has dimensions ({', '.join(map(str, array.dims))}); expected ({', '.join(wanted)})")
        return array.transpose(*wanted).isel(dict(zip((self._y, self._x), self._turned, strict=True)))

    def _wanted(self, with_time: bool) -> tuple[str, ...]:
        return (self.time, self._y, self._x) if with_time else (self._y, self._x)

    def factor(self, name: str, allowed: dict[str, float]) -> float:
        """What turns a variable into this package's units, by its units attribute."""
        attributes = self.data[name].attrs
        unit = canonical(attributes.get("units", ""))
        if unit not in allowed or "units" not in attributes:
            given = repr(attributes["units"]) if "units" in attributes else "missing"
            self.refuse(name, f"units {given}; expected {' or '.join(u for u in allowed if u)}")
        return allowed[unit]

    def map(self, name: str, allowed: dict[str, float]) -> np.ndarray:
        """A variable (y, x) in this package's units, every element a number."""
        field = self.field(name, with_time=False)
        with reading(self.path, f"numbers of {name}"):
            values = field.to_numpy().astype(float) * self.factor(name, allowed)
        refuse_values(self.path, name, ~np.isfinite(values), values, field.dims, "expected a number")
        return values


def date_keys(dates: np.ndarray) -> np.ndarray:
    """(n,) integers that order dates by year, month and day, whatever their calendar."""
    return np.array([(d.year * 100 + d.month) * 100 + d.day for d in dates], int)


def land_and_distance(file: File) -> tuple[np.ndarray, np.ndarray | None]:
    """The land mask (y, x) bool and, where the file has it, the distance to the coast (y, x) [km]."""
    land = file.find("sftlf", ("land_binary_mask", "land_area_fraction"))
    if land is None:
        file.refuse("sftlf", "missing; the share of land in each cell")
    share = file.map(land, SHARE_UNITS)
    bad = (share < 0) | (share > 1)
    refuse_values(file.path, land, bad, share, ("y", "x"), "a share of land lies from 0 to 1, or 0 to 100 %")
    if "distance_to_coast" not in file.data.variables:
        return share >= 0.5, None
    return share >= 0.5, file.map("distance_to_coast", DISTANCE_UNITS)
