"""Daily rain and the coarse state as CF NetCDF: what the simulator writes and what users bring (see cf_reader.py).

A data set is a folder with files of three kinds, which their names begin with:

    fine*.nc      pr (time, lat, lon)                        [kg m-2 s-1]
    coarse*.nc    the predictors, each (time, lat, lon)      [their own units]; pr [kg m-2 s-1] may be one of them
    static*.nc    sftlf (lat, lon), 1 on land                [1]
                  distance_to_coast (lat, lon)               [km]
                  orog (lat, lon)                            [m]

or, where the grids do not nest, in CORDEX ML-Bench's form:

    predictors/*.nc               z_850, z_700, z_500, u_850, ... (time, lat, lon)     [m, m s-1, K, 1]
    predictors/Static_fields.nc   orog (y, x)                                          [m]
    target/pr_*.nc                pr (time, y, x), its units told or not

Each value is the mean of a day, whose ends are in time_bnds.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from kmodels.core.io import units
from kmodels.core.io.netcdf import global_attributes, save
from kmodels.precip.data.records import Projection
from kmodels.precip.data.variables import (
    ALOFT,
    COVARIATES,
    DAY,
    LEVELS,
    RAIN_INDEX,
    RAIN_UNITS,
    STORED_RAIN_UNITS,
    on_level,
)
from kmodels.precip.data.variables import RAIN as RAIN_NAME

TIME_UNITS = "days since 2001-01-01 00:00:00"  # the date of the first simulated day
CALENDAR = "standard"
COARSE_DEGREES = 0.6  # side of a simulated coarse cell
SOUTH_WEST = 40.0, 0.0  # corner of the simulated domain: latitude, longitude [degrees]

RAIN_ATTRIBUTES = {
    "standard_name": "precipitation_flux",
    "long_name": "precipitation",
    "units": STORED_RAIN_UNITS,
    "cell_methods": "time: mean",
}
MAPPING = "crs"  # the grid mapping variable
PROJECTED = ("projection_y_coordinate", "projection_x_coordinate")
AXES = {"rotated_latitude_longitude": ("grid_latitude", "grid_longitude")}  # by mapping; PROJECTED for all others
ATTRIBUTES = {
    "time": {
        "standard_name": "time",
        "long_name": "time",
        "axis": "T",
        "units": TIME_UNITS,
        "calendar": CALENDAR,
        "bounds": "time_bnds",
        "units_metadata": "leap_seconds: none",
    },
    "lat": {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "lon": {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east", "axis": "X"},
    "sftlf": {"standard_name": "land_binary_mask", "long_name": "1 on land, 0 on the sea", "units": "1"},
    "distance_to_coast": {"long_name": "distance to the coast", "units": "km"},
    "orog": {"standard_name": "surface_altitude", "long_name": "height of the land", "units": "m"},
}


def centres(cells: int, cell: float, first_edge: float) -> np.ndarray:
    """Compute the centres of cells, (cells,) [degrees], from an edge on."""
    return first_edge + cell * (np.arange(cells) + 0.5)


class Layout(NamedTuple):
    """How fields lie in a file.

    dims: names of (y, x). coordinates: {name: (dimensions, values, attributes)}. mapping: attributes of the grid
    mapping variable; None where there is none.
    """

    dims: tuple[str, str]
    coordinates: dict
    mapping: dict | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """What every field says of its layout."""
        return {"grid_mapping": MAPPING} if self.mapping else {}


def layout(lat: np.ndarray | None, lon: np.ndarray | None, projection: Projection | None = None) -> Layout:
    """Lay a grid out in a file: latitudes and longitudes where known, 1-D where they can be.

    Parameters
    ----------
    lat, lon : numpy.ndarray or None
        (y, x) of the middles [degrees]; None where nobody knows them.
    projection : Projection, optional
        What the axes are of a grid whose rows are no parallels.
    """
    if lat is None:
        return Layout(("y", "x"), {})
    attributes = {name: dict(ATTRIBUTES[name]) for name in ("lat", "lon")}
    if (lat == lat[:, :1]).all() and (lon == lon[:1]).all():
        axes = {"lat": lat[:, 0], "lon": lon[0]}
        made = {name: (name, np.asarray(v, "float64"), attributes[name]) for name, v in axes.items()}
        return Layout(("lat", "lon"), made)
    for one in attributes.values():
        del one["axis"]  # of a grid whose rows are no parallels
    places = {name: (("y", "x"), v, attributes[name]) for name, v in (("lat", lat), ("lon", lon))}
    return (
        Layout(("y", "x"), _axes(projection) | places, projection.mapping) if projection else Layout(("y", "x"), places)
    )


def _axes(projection: Projection) -> dict:
    """Make the coordinate variables y and x of a map projection."""
    names = AXES.get(projection.mapping["grid_mapping_name"], PROJECTED)
    axes = zip("yx", (projection.y, projection.x), names, projection.units, strict=True)
    return {
        axis: (
            axis,
            np.asarray(values, "float64"),
            {"standard_name": name, "long_name": name.replace("_", " "), "units": unit, "axis": axis.upper()},
        )
        for axis, values, name, unit in axes
    }


def simulated_axes(grid, block: int) -> Layout:
    """Lay out the simulated grid.

    Parameters
    ----------
    grid : Grid
        Of the recipe.
    block : int
        A cell is `block` x `block` fine cells; 1: the fine grid.
    """
    cell = COARSE_DEGREES * block / grid.block
    axes = [centres(n // block, cell, edge) for n, edge in zip(grid.fine, SOUTH_WEST, strict=True)]
    return layout(*np.meshgrid(*axes, indexing="ij"))


def write_fine(path: Path, first_day: int, rain: np.ndarray, where: Layout, unsaid: str = "") -> None:
    """Save days of fine rain (days, y, x) [mm/day], the first of which is so many days after the epoch.

    unsaid: in these units, of which the file says nothing; "": in those of CF.
    """
    flux = rain / DAY if not unsaid else units.convert(RAIN_UNITS, unsaid, of_water=True)(rain)
    data = _dataset("Simulated daily rain", {RAIN_NAME: flux.astype("float32")}, where, first_day)
    said = {"long_name": "precipitation", "cell_methods": "time: mean"} if unsaid else RAIN_ATTRIBUTES
    data[RAIN_NAME].attrs = said | where.attributes
    save(path, data, {RAIN_NAME: (1, *rain.shape[1:])})


def write_coarse(path: Path, first_day: int, states: np.ndarray, where: Layout, is_latent: bool) -> None:
    """Save days of coarse states (days, Y, X, C) as `weather.Day` has them."""
    names = (RAIN_INDEX if is_latent else RAIN_NAME, *(c.name for c in COVARIATES))
    fields = {name: states[..., k].astype("float32") for k, name in enumerate(names)}
    if not is_latent:
        fields[RAIN_NAME] /= np.float32(DAY)
    data = _dataset("Simulated coarse state of the atmosphere", fields, where, first_day)
    first = {"long_name": "latent rain", "units": "1", "cell_methods": "time: mean"} if is_latent else RAIN_ATTRIBUTES
    data[names[0]].attrs = first
    for c in COVARIATES:
        data[c.name].attrs = _of_covariate(c)
    save(path, data, {name: (len(states), *states.shape[1:3]) for name in names})


def _of_covariate(variable) -> dict[str, str]:
    """Describe a coarse variable, Covariate or Aloft."""
    return {
        "standard_name": variable.standard_name,
        "long_name": variable.standard_name.replace("_", " "),
        "units": variable.units,
        **({"units_metadata": "temperature: on_scale"} if variable.units == "K" else {}),
        "cell_methods": "time: mean",
    }


def write_aloft(path: Path, first_day: int, states: np.ndarray, where: Layout) -> None:
    """Save days of the state aloft (days, Y, X, C), each of ALOFT on all LEVELS."""
    found = {on_level(one.name, level): (one, level) for one in ALOFT for level in LEVELS}
    fields = {name: states[..., k].astype("float32") for k, name in enumerate(found)}
    data = _dataset("Simulated state of the atmosphere on pressure levels", fields, where, first_day)
    for name, (one, level) in found.items():
        attributes = _of_covariate(one)
        data[name].attrs = attributes | {"long_name": f"{attributes['long_name']} at {level} hPa"}
    save(path, data, {name: (len(states), *states.shape[1:3]) for name in found})


def write_static(path: Path, fields: dict[str, np.ndarray], where: Layout) -> None:
    """Save maps (y, x): sftlf, the land mask; distance_to_coast [km]; orog, the height of the land [m]."""
    kinds = {name: "int8" if name == "sftlf" else "float32" for name in fields}
    data = _dataset("Land and sea of a simulated domain", {n: v.astype(kinds[n]) for n, v in fields.items()}, where)
    for name in fields:
        data[name].attrs = ATTRIBUTES[name] | where.attributes
    save(path, data, {})


def _dataset(title: str, fields: dict[str, np.ndarray], where: Layout, first_day: int | None = None) -> xr.Dataset:
    """Lay fields out, each (days, y, x), or (y, x) where there is no first day."""
    dims, coordinates = where.dims, dict(where.coordinates)
    if first_day is not None:
        start = first_day + np.arange(len(next(iter(fields.values()))), dtype="float64")
        dims = ("time", *dims)
        coordinates["time"] = ("time", start + 0.5, ATTRIBUTES["time"])
        coordinates["time_bnds"] = (("time", "bnds"), np.stack([start, start + 1], axis=1))
    variables = {name: (dims, values) for name, values in fields.items()}
    return with_mapping(xr.Dataset(variables, coordinates, attrs=global_attributes(title, "precip")), where)


def with_mapping(data: xr.Dataset, where: Layout) -> xr.Dataset:
    """Add the grid mapping variable of a layout, where it has one."""
    return data.assign({MAPPING: ((), np.int32(0), where.mapping)}) if where.mapping else data
