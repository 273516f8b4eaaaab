"""Runs as CF NetCDF: what the simulator writes and what users bring.

    mass_concentration_of_pollutant_in_air (run, time, z, y, x)  [kg m-3]
    surface_altitude                       (run, y, x)           [m]
    eastward_wind, northward_wind          (run, time, z)        [m s-1], left out where nobody measured them
    stack_x, stack_y                       (stack)               [m], in the coordinates x and y
    stack_height                           (stack)               [m]
    stack_emission                         (stack)               [kg s-1]
    stack_run                              (stack)               the run that a stack belongs to, counted from 0
    run_name                               (run)

The stacks of all runs lie behind one another in the dimension `stack`, an indexed ragged array as CF has it. The
generic pollutant has no CF standard name, so it goes by a variable name that is formed like one.

CF Metadata Conventions 1.11, https://cfconventions.org.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from kmodels.core.io.netcdf import global_attributes, save
from kmodels.plume.data.run import PlumeRun

CONCENTRATION = "mass_concentration_of_pollutant_in_air"
EPOCH = np.datetime64("2000-01-01T00:00:00", "ns")  # the date of a simulated run's first frame, which has none
TIME_UNITS = "seconds since 2000-01-01 00:00:00"

ATTRIBUTES = {
    CONCENTRATION: {"long_name": "mass concentration of pollutant in air", "units": "kg m-3"},
    "surface_altitude": {"standard_name": "surface_altitude", "long_name": "height of the terrain", "units": "m"},
    "eastward_wind": {"standard_name": "eastward_wind", "long_name": "eastward wind", "units": "m s-1"},
    "northward_wind": {"standard_name": "northward_wind", "long_name": "northward wind", "units": "m s-1"},
    "stack_x": {"long_name": "distance of the stack east of the grid's south-western corner", "units": "m"},
    "stack_y": {"long_name": "distance of the stack north of the grid's south-western corner", "units": "m"},
    "stack_height": {"long_name": "height of the stack above ground", "units": "m"},
    "stack_emission": {"long_name": "mass of pollutant emitted per time", "units": "kg s-1"},
    "stack_run": {"long_name": "run that the stack belongs to, counted from 0", "instance_dimension": "run"},
    "run_name": {"long_name": "name of the run"},
    "time": {
        "standard_name": "time",
        "long_name": "time",
        "axis": "T",
        "units": TIME_UNITS,
        "calendar": "standard",
        "units_metadata": "leap_seconds: none",
    },
    "x": {"standard_name": "projection_x_coordinate", "long_name": "distance eastward", "units": "m", "axis": "X"},
    "y": {"standard_name": "projection_y_coordinate", "long_name": "distance northward", "units": "m", "axis": "Y"},
    "z": {"standard_name": "altitude", "long_name": "altitude", "units": "m", "axis": "Z", "positive": "up"},
}


def write_run(path: str | Path, run: PlumeRun) -> None:
    """Save one run; see `write_runs`."""
    write_runs(path, [run])


def write_runs(path: str | Path, runs: Sequence[PlumeRun]) -> None:
    """Save runs of one grid and one time axis as CF NetCDF, whole or not at all.

    path: ends in .nc. runs: all in memory, all with wind or all without it. A frame is a chunk, compressed, so that
    a window of frames is read without the rest of its run. Raises ValueError for runs that differ in grid or time.
    """
    save(path, dataset(runs), {CONCENTRATION: (1, 1, *runs[0].concentration.shape[1:])})


def dataset(runs: Sequence[PlumeRun]) -> xr.Dataset:
    """Make a CF data set in memory of runs of one grid and one time axis."""
    first = runs[0]
    _refuse_differing(runs)
    variables = {
        CONCENTRATION: (
            ("run", "time", "z", "y", "x"),
            np.stack([run.concentration for run in runs]).astype("float32", copy=False),
        ),
        "surface_altitude": (("run", "y", "x"), np.stack([run.terrain for run in runs])),
        **_stacks(runs),
    }
    if first.u is not None:
        variables["eastward_wind"] = (("run", "time", "z"), np.stack([run.u for run in runs]))
        variables["northward_wind"] = (("run", "time", "z"), np.stack([run.v for run in runs]))
    coordinates = {
        "time": ("time", np.asarray(first.time, "float64")),
        "z": ("z", np.asarray(first.z, "float64")),
        "y": ("y", np.asarray(first.y, "float64")),
        "x": ("x", np.asarray(first.x, "float64")),
        "run_name": ("run", np.array([run.name for run in runs], dtype=object)),
    }
    data = xr.Dataset(variables, coordinates, attrs=global_attributes("Runs of a pollutant over terrain", "plume"))
    for name in data.variables:
        data[name].attrs = dict(ATTRIBUTES[name])
    for axis in "xy":
        if corner(getattr(first, axis)):
            data[f"stack_{axis}"].attrs["long_name"] = f"{axis} of the stack"
    return data


def _stacks(runs: Sequence[PlumeRun]) -> dict[str, tuple]:
    """Make the variables of the sources, their places in the coordinates x and y."""
    found = {}
    for name in ("x", "y", "height", "emission"):
        values = np.concatenate([np.asarray(getattr(run.stacks, name), "float64") for run in runs])
        found[f"stack_{name}"] = ("stack", values + (corner(getattr(runs[0], name)) if name in "xy" else 0.0))
    of_run = np.repeat(np.arange(len(runs), dtype="int32"), [len(run.stacks) for run in runs])
    return found | {"stack_run": ("stack", of_run)}


def corner(centres: np.ndarray) -> float:
    """Compute where the grid begins, the western or southern edge of its first cell.

    Parameters
    ----------
    centres : array (n,)
        Of its cells, evenly spaced, rising or falling [m].

    Returns
    -------
    float
        [m]; 0 where only rounding makes it another number.
    """
    centres = np.asarray(centres, "float64")
    half = (centres.max() - centres.min()) / (2 * max(len(centres) - 1, 1))
    edge = float(centres.min() - half)
    return 0.0 if abs(edge) < 1e-6 * half else edge


def _refuse_differing(runs: Sequence[PlumeRun]) -> None:
    """Raise for runs that cannot share axes, or of which only some have wind."""
    first = runs[0]
    for run in runs[1:]:
        for axis in ("time", "z", "y", "x"):
            if not np.array_equal(getattr(run, axis), getattr(first, axis)):
                raise ValueError(f"runs {first.name} and {run.name} differ in {axis}: they need a file each")
        if (run.u is None) != (first.u is None):
            raise ValueError(f"of runs {first.name} and {run.name} only one has wind: they need a file each")
