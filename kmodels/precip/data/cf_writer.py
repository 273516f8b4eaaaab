"""Daily rain and the coarse state as CF NetCDF: what the simulator writes and what users bring (see cf_reader.py).

A data set is a folder with files of three kinds, which their names begin with:

    fine*.nc      pr (time, lat, lon)                        [kg m-2 s-1]
    coarse*.nc    the predictors, each (time, lat, lon)      [their own units]; pr [kg m-2 s-1] may be one of them
    static*.nc    sftlf (lat, lon), 1 on land                [1]
                  distance_to_coast (lat, lon)               [km]
                  orog (lat, lon)                            [m]

Each value is the mean of a day, whose ends are in time_bnds.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from kmodels.core.io.netcdf import global_attributes, save
from kmodels.precip.data.variables import COVARIATES, DAY, RAIN_INDEX, STORED_RAIN_UNITS
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


def simulated_axes(grid, block: int) -> dict[str, np.ndarray]:
    """Compute latitude and longitude of the simulated grid [degrees].

    Parameters
    ----------
    grid : Grid
        Of the recipe.
    block : int
        A cell is `block` x `block` fine cells; 1: the fine grid.

    Returns
    -------
    dict of str to numpy.ndarray
        `lat` (y,) and `lon` (x,), cell centres.
    """
    cell = COARSE_DEGREES * block / grid.block
    return {
        name: centres(n // block, cell, edge)
        for name, n, edge in zip(("lat", "lon"), grid.fine, SOUTH_WEST, strict=True)
    }


def write_fine(path: Path, first_day: int, rain: np.ndarray, axes: dict[str, np.ndarray]) -> None:
    """Save days of fine rain (days, y, x) [mm/day], the first of which is so many days after the epoch."""
    flux = (rain / DAY).astype("float32")
    data = _dataset("Simulated daily rain", {RAIN_NAME: flux}, axes, first_day)
    data[RAIN_NAME].attrs = RAIN_ATTRIBUTES
    save(path, data, {RAIN_NAME: (1, *rain.shape[1:])})


def write_coarse(path: Path, first_day: int, states: np.ndarray, axes: dict[str, np.ndarray], is_latent: bool) -> None:
    """Save days of coarse states (days, Y, X, C) as `weather.Day` has them."""
    names = (RAIN_INDEX if is_latent else RAIN_NAME, *(c.name for c in COVARIATES))
    fields = {name: states[..., k].astype("float32") for k, name in enumerate(names)}
    if not is_latent:
        fields[RAIN_NAME] /= np.float32(DAY)
    data = _dataset("Simulated coarse state of the atmosphere", fields, axes, first_day)
    first = {"long_name": "latent rain", "units": "1", "cell_methods": "time: mean"} if is_latent else RAIN_ATTRIBUTES
    data[names[0]].attrs = first
    for c in COVARIATES:
        data[c.name].attrs = {
            "standard_name": c.standard_name,
            "long_name": c.standard_name.replace("_", " "),
            "units": c.units,
            **({"units_metadata": "temperature: on_scale"} if c.units == "K" else {}),
            "cell_methods": "time: mean",
        }
    save(path, data, {name: (len(states), *states.shape[1:3]) for name in names})


def write_static(path: Path, land, distance, height, axes: dict[str, np.ndarray]) -> None:
    """Save the land mask, the distance to the coast [km] and the height of the land [m], each (y, x)."""
    fields = {"sftlf": land.astype("int8"), "distance_to_coast": distance.astype("float32")}
    fields["orog"] = height.astype("float32")
    data = _dataset("Land and sea of a simulated domain", fields, axes, None)
    for name in fields:
        data[name].attrs = ATTRIBUTES[name]
    save(path, data, {})


def _dataset(title: str, fields: dict[str, np.ndarray], axes: dict[str, np.ndarray], first_day: int | None):
    """Fields on these axes, each (days, y, x), or (y, x) where there is no first day."""
    dims, coordinates = ("lat", "lon"), {name: (name, values) for name, values in axes.items()}
    if first_day is not None:
        start = first_day + np.arange(len(next(iter(fields.values()))), dtype="float64")
        dims = ("time", *dims)
        coordinates["time"] = ("time", start + 0.5)
        coordinates["time_bnds"] = (("time", "bnds"), np.stack([start, start + 1], axis=1))
    variables = {name: (dims, values) for name, values in fields.items()}
    data = xr.Dataset(variables, coordinates, attrs=global_attributes(title, "precip"))
    for name in set(coordinates) & set(ATTRIBUTES):
        data[name].attrs = ATTRIBUTES[name]
    return data
