"""CF NetCDF -> StoredRun: kmodels' own files (see netcdf.py) and others like them.

What may differ from ours: axes go by another name if their coordinate has an `axis` attribute; a variable goes by
another name if its standard_name is the one wanted (for the concentration any mass_concentration_of_*_in_air); the
dimension `run` is left out in a file of one run, and wherever all runs share a variable; units are any of units.py;
wind is (run, time), (run, time, z) or (run, time, z, y, x), the last averaged over the air of each level; cells below
ground may be missing values; a z axis with the standard_name `height` follows the terrain. NetCDF-3 is read too.
"""

import re
from pathlib import Path

import numpy as np
import xarray as xr

from kmodels.core.io.files import reading
from kmodels.core.io.netcdf import opened, refuse_values
from kmodels.core.io.units import canonical
from kmodels.core.spec.errors import UserError
from kmodels.plume.data import units
from kmodels.plume.data.cf_writer import CONCENTRATION
from kmodels.plume.data.run import Stacks, StoredRun

AXES = {"T": "time", "Z": "z", "Y": "y", "X": "x"}
FRAMES = ("time", "z", "y", "x")
BLOCK_BYTES = 32 << 20  # of a variable that is read at once


def read(path: Path) -> list[StoredRun]:
    """The runs of a file, none of their frames read. Raises UserError by file, variable, index, value and rule."""
    with reading(path, "NetCDF"):
        return _runs(_File(path))


def _runs(file: "_File") -> list[StoredRun]:
    """The runs of an open file."""
    concentration = file.variable(CONCENTRATION, FRAMES, units.CONCENTRATION)
    start, time = file.times()
    names = file.run_names(concentration)
    stacks = _stacks(file, len(names))
    altitude = file.coordinate("z").attrs.get("standard_name") != "height"
    axes = {axis: file.coordinate(axis).to_numpy().astype("float64") for axis in "xyz"}
    unit = canonical(concentration.attrs["units"])
    runs = []
    for k, name in enumerate(names):
        terrain = file.values("surface_altitude", ("y", "x"), units.LENGTH, k)
        below = (axes["z"][:, None, None] < terrain) & altitude
        runs.append(
            StoredRun(
                name=name,
                file=file.path,
                start=start,
                time=time,
                **axes,
                terrain=terrain,
                stacks=stacks[k],
                frames_as_stored=_Frames(_of_run(concentration, k)),
                units=unit,
                factor=units.CONCENTRATION[unit],
                variable=concentration.name,
                within=f"run={k}, " if "run" in concentration.dims else "",
                u=_wind(file, "eastward_wind", k, below),
                v=_wind(file, "northward_wind", k, below),
                follows_terrain=not altitude,
            )
        )
    return runs


class _Frames:
    """frames_as_stored of one run."""

    def __init__(self, variable: xr.DataArray):
        self._variable = variable

    def __call__(self, first: int, stop: int) -> np.ndarray:
        return self._variable.isel(time=slice(first, stop)).to_numpy()


class _File:
    """An open file; refuses what is not as it should be."""

    def __init__(self, path: Path):
        self.path = path
        self.data = _renamed(opened(path))

    def refuse(self, name: str, rule: str):
        """Raise for a variable."""
        raise UserError(f"{self.path}: {name}: {rule}")

    def refuse_values(self, bad: np.ndarray, values: np.ndarray, name: str, dims, rule: str, first=0, **fixed) -> None:
        """Raise for the first element of the mask `bad`, if there is one."""
        refuse_values(self.path, name, bad, values, dims, rule, first, **fixed)

    def has(self, name: str) -> bool:
        """Whether the file has a variable."""
        return self._find(name) is not None

    def _find(self, name: str) -> str | None:
        """The name that a wanted variable has in this file."""
        if name in self.data.variables:
            return name
        wanted = re.compile(r"mass_concentration_of_\w+_in_air" if name == CONCENTRATION else re.escape(name))
        found = [n for n, v in self.data.variables.items() if wanted.fullmatch(v.attrs.get("standard_name", ""))]
        if len(found) > 1:
            raise UserError(f"{self.path}: {' and '.join(found)} could both be {name}; one of them needs that name")
        return found[0] if found else None

    def variable(self, name: str, dims: tuple[str, ...] | list, allowed: dict | None) -> xr.DataArray:
        """A variable with its dimensions in this order, `run` before them where it has one; nothing is read.

        dims: those it must have, or a list of the possible tuples. allowed: units, None where it has none.
        """
        found = self._find(name)
        if found is None:
            self.refuse(name, "missing" + ("" if name == CONCENTRATION else f"; needed beside {CONCENTRATION}"))
        variable = self.data[found]
        choices = dims if isinstance(dims, list) else [dims]
        match = [d for d in choices if set(variable.dims) - {"run"} == set(d)]
        if not match:
            shown = " or ".join("(run, " + ", ".join(d) + ")" for d in choices)
            self.refuse(found, f"has dimensions ({', '.join(map(str, variable.dims))}); expected {shown}")
        if allowed is not None and canonical(variable.attrs.get("units", "")) not in allowed:
            given = repr(variable.attrs["units"]) if "units" in variable.attrs else "missing"
            self.refuse(found, f"units {given}; expected {' or '.join(allowed)}")
        return variable.transpose("run", *match[0], missing_dims="ignore")

    def values(self, name: str, dims: tuple[str, ...], allowed: dict, run: int | None = None) -> np.ndarray:
        """A small variable, of one run where `run` is given, in this package's units; every element a number."""
        variable = self.variable(name, dims, allowed)
        factor = allowed[canonical(variable.attrs["units"])]
        fixed = {"run": run} if "run" in variable.dims else {}
        array = _of_run(variable, run).to_numpy().astype("float64")
        too_large = ~(np.abs(array * factor) <= np.finfo("float32").max)
        self.refuse_values(too_large, array, variable.name, dims, "expected a number", **fixed)
        return array * factor

    def coordinate(self, name: str) -> xr.DataArray:
        """The coordinate variable x, y or z in metres."""
        if name not in self.data.variables:
            self.refuse(name, "missing; a coordinate variable holds the cell centres in m")
        return self.variable(name, (name,), units.LENGTH)

    def times(self) -> tuple[np.datetime64, np.ndarray]:
        """(time of the first frame, (frames,) [s] after it)."""
        if "time" not in self.data.variables:
            self.refuse("time", "missing; a coordinate variable holds the time of each frame")
        given = self.data["time"].attrs.get("units", "(missing)")
        try:
            time = xr.decode_cf(self.data[["time"]])["time"].to_numpy().astype("datetime64[ns]")
        except (ValueError, TypeError, OverflowError):
            time = None
        if time is None or " since " not in given or np.isnat(time).any():
            self.refuse("time", f"units {given!r}; expected times such as `seconds since 2000-01-01 00:00:00`")
        return time[0], (time - time[0]) / np.timedelta64(1, "s")

    def run_names(self, concentration: xr.DataArray) -> list[str]:
        """The names of the runs: `run_name`, else the file's with a number."""
        count = concentration.sizes.get("run", 1)
        if "run_name" in self.data.variables:
            names = [n.decode() if isinstance(n, bytes) else str(n) for n in np.ravel(self.data["run_name"].values)]
            if len(names) != count:
                self.refuse("run_name", f"{len(names)} names for {count} runs")
            return names
        return [self.path.stem] if count == 1 else [f"{self.path.stem}_{k}" for k in range(count)]


def _renamed(data: xr.Dataset) -> xr.Dataset:
    """The data with its dimensions called time, z, y and x as far as axis attributes tell."""
    names = {}
    for name, variable in data.variables.items():
        axis = AXES.get(str(variable.attrs.get("axis", "")).upper())
        if axis and variable.dims == (name,) and axis not in data.variables and axis not in data.dims:
            names[name] = axis
    return data.rename(names)


def _of_run(variable: xr.DataArray, run: int | None) -> xr.DataArray:
    """The part of a variable that belongs to a run; all of it where runs share it."""
    return variable.isel(run=run) if "run" in variable.dims else variable


def _stacks(file: _File, count: int) -> list[Stacks]:
    """The sources of each of the `count` runs."""
    length = {name: file.values(f"stack_{name}", ("stack",), units.LENGTH) for name in ("x", "y", "height")}
    emission = file.values("stack_emission", ("stack",), units.EMISSION)
    for name, values in (*length.items(), ("emission", emission)):
        file.refuse_values(values < 0, values, f"stack_{name}", ["stack"], "expected 0 or more")
    for axis in "xy":
        centres = file.coordinate(axis).to_numpy()
        edge = abs(centres[-1] - centres[0]) * len(centres) / max(len(centres) - 1, 1)
        rule = f"outside the grid: expected at most {edge:g} m from its south-western corner"
        file.refuse_values(length[axis] > edge, length[axis], f"stack_{axis}", ["stack"], rule)
    if "stack_run" in file.data.variables:
        run = file.variable("stack_run", ("stack",), None).to_numpy()
        wrong = ~np.isin(run, np.arange(count))
        file.refuse_values(wrong, run, "stack_run", ["stack"], f"expected a run in 0..{count - 1}")
    elif count > 1 and len(emission):
        file.refuse("stack_run", f"missing; tells which of the {count} runs a stack belongs to")
    else:
        run = np.zeros(len(emission), int)
    return [Stacks(*(v[run == k] for v in (*length.values(), emission))) for k in range(count)]


def _wind(file: _File, name: str, run: int, below: np.ndarray) -> np.ndarray | None:
    """(frames, z) float32 [m s-1] of a run; None where the file has no such wind."""
    if not file.has(name):
        return None
    variable = file.variable(name, [("time",), ("time", "z"), FRAMES], units.SPEED)
    fixed = {"run": run} if "run" in variable.dims else {}
    one = _of_run(variable, run)
    per_block = max(1, BLOCK_BYTES // (8 * one[0].size))
    found = []
    for first in range(0, one.sizes["time"], per_block):
        block = one.isel(time=slice(first, first + per_block)).to_numpy().astype("float64")
        bad = ~(np.abs(block) <= np.finfo("float32").max)
        if block.ndim == 4:
            bad &= ~below
        file.refuse_values(bad, block, variable.name, one.dims, "expected a number", first, **fixed)
        found.append(_by_level(block, below))
    return np.concatenate(found).astype("float32")


def _by_level(block: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Wind (frames,), (frames, z) or (frames, z, y, x) as (frames, z): a level's mean over its air, else 0."""
    if block.ndim == 1:
        return np.repeat(block[:, None], below.shape[0], axis=1)
    if block.ndim == 2:
        return block
    air = ~below
    total = np.where(air, block, 0.0).sum((2, 3))
    return total / np.maximum(air.sum((1, 2)), 1)
