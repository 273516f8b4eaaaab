"""CF NetCDF -> StoredRun: kmodels' own files (see cf_writer.py) and others like them.

What may differ from ours: axes go by another name if cf-xarray knows them by standard_name, axis or positive; a
variable goes by another name if its standard_name is the one wanted (for the concentration any
mass_concentration_of_*_in_air); the dimension `run` is left out in a file of one run, and wherever all runs share a
variable; units are any that convert to those of units.py; wind is (run, time), (run, time, z) or (run, time, z, y, x),
the last averaged over the air of each level; cells below ground may be missing values; a z axis with the standard_name
`height` follows the terrain, one with `positive` = `down` is depth, which is turned into height. Axes may fall: the
loader turns them. The places of stacks are in the coordinates x and y. NetCDF-3 is read too.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from kmodels.core.io.cf import CfFile
from kmodels.core.io.files import reading
from kmodels.core.io.netcdf import few_open
from kmodels.plume.data import units
from kmodels.plume.data.cf_writer import CONCENTRATION, corner
from kmodels.plume.data.run import Stacks, StoredRun

POLLUTANT = r"mass_concentration_of_\w+_in_air"  # a standard name
AXES = {"time": ("T",), "z": ("Z", "vertical"), "y": ("Y",), "x": ("X",)}  # ours, and what cf-xarray calls them
FRAMES = ("time", "z", "y", "x")
BLOCK_BYTES = 32 << 20  # of a variable that is read at once


def read(path: Path) -> list[StoredRun]:
    """Read the runs of a file, none of their frames.

    Parameters
    ----------
    path : pathlib.Path
        CF NetCDF.

    Returns
    -------
    list of StoredRun
        Frames are read when they are asked for.

    Raises
    ------
    UserError
        By file, variable, index, value and rule.
    """
    with reading(path, "NetCDF"):
        return _runs(_File(path))


def _runs(file: "_File") -> list[StoredRun]:
    """Read the runs of an open file."""
    concentration = file.variable(CONCENTRATION, FRAMES)
    factor = file.factor(concentration.name, units.CONCENTRATION)
    start, time = file.times()
    names = file.run_names(concentration)
    axes = {name: file.axis(name) for name in "xyz"}
    stacks = _stacks(file, axes, len(names))
    altitude = file.data["z"].attrs.get("standard_name") != "height"
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
                units=concentration.attrs["units"].strip(),
                factor=factor,
                variable=concentration.name,
                within={"run": k} if "run" in concentration.dims else {},
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
        with few_open():
            return self._variable.isel(time=slice(first, stop)).to_numpy()


class _File(CfFile):
    """An open file with the axes time, z, y and x; refuses what is not as it should be."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._rename_axes()

    def _rename_axes(self) -> None:
        """Call the axes time, z, y and x, as far as cf-xarray can tell them."""
        names = {}
        for name, keys in AXES.items():
            found = [] if name in self.data.variables or name in self.data.dims else self._axes_of(keys)
            if len(found) > 1:
                self.refuse(" and ".join(found), f"each could be the axis {name}; one of them needs that name")
            names |= dict.fromkeys(found, name)
        self.data = self.data.rename(names)

    def _axes_of(self, keys: tuple[str, ...]) -> list[str]:
        """Find the axes of the first of these kinds that there are any of."""
        return next((found for key in keys if (found := self.axes(key))), [])

    def variable(self, name: str, dims: tuple[str, ...] | list) -> xr.DataArray:
        """Find a variable, with its dimensions in this order, `run` before them where it has one; nothing is read.

        dims: those it must have, or a list of the possible tuples.
        """
        found = self.find(name, (POLLUTANT if name == CONCENTRATION else name,))
        if found is None:
            self.refuse(name, "missing" + ("" if name == CONCENTRATION else f"; needed beside {CONCENTRATION}"))
        variable = self.data[found]
        choices = dims if isinstance(dims, list) else [dims]
        match = [d for d in choices if set(variable.dims) - {"run"} == set(d)]
        if not match:
            shown = " or ".join("(run, " + ", ".join(d) + ")" for d in choices)
            self.refuse(found, f"has dimensions ({', '.join(map(str, variable.dims))}); expected {shown}")
        return variable.transpose("run", *match[0], missing_dims="ignore")

    def values(self, name: str, dims: tuple[str, ...], unit: str, run: int | None = None) -> np.ndarray:
        """Read a small variable, of one run where `run` is given, in this unit; every element a number."""
        variable = self.variable(name, dims)
        factor = self.factor(variable.name, unit)
        fixed = {"run": run} if "run" in variable.dims else {}
        array = self.numbers(_of_run(variable, run))
        self.refuse_values(variable.name, ~_is_number(array * factor), array, "expected a number", dims, fixed=fixed)
        return array * factor

    def axis(self, name: str) -> np.ndarray:
        """Read the cell centres of the axis x, y or z [m], z upward from below."""
        if name not in self.data.variables:
            self.refuse(name, "missing; a coordinate variable holds the cell centres in m")
        centres = self.numbers(self.variable(name, (name,))) * self.factor(name, "m")
        return -centres if self.data[name].attrs.get("positive") == "down" else centres

    def times(self) -> tuple[np.datetime64, np.ndarray]:
        """Read the time of the earliest frame, and that of each, (frames,) [s], after it."""
        if "time" not in self.data.variables:
            self.refuse("time", "missing; a coordinate variable holds the time of each frame")
        given = self.data["time"].attrs.get("units", "(missing)")
        try:
            time = xr.decode_cf(self.data[["time"]])["time"].to_numpy().astype("datetime64[ns]")
        except (ValueError, TypeError, OverflowError):
            time = None
        if time is None or " since " not in given or np.isnat(time).any():
            self.refuse("time", f"units {given!r}; expected times such as `seconds since 2000-01-01 00:00:00`")
        return time.min(), (time - time.min()) / np.timedelta64(1, "s")

    def run_names(self, concentration: xr.DataArray) -> list[str]:
        """Read the names of the runs: `run_name`, else the file's with a number."""
        count = concentration.sizes.get("run", 1)
        if "run_name" in self.data.variables:
            names = [n.decode() if isinstance(n, bytes) else str(n) for n in np.ravel(self.data["run_name"].values)]
            if len(names) != count:
                self.refuse("run_name", f"{len(names)} names for {count} runs")
            return names
        return [self.path.stem] if count == 1 else [f"{self.path.stem}_{k}" for k in range(count)]


def _is_number(values: np.ndarray) -> np.ndarray:
    """Tell whether each value is one that float32 can hold."""
    return np.abs(values) <= np.finfo("float32").max


def _of_run(variable: xr.DataArray, run: int | None) -> xr.DataArray:
    """Select the part of a variable that belongs to a run; all of it where runs share it."""
    return variable.isel(run=run) if "run" in variable.dims else variable


def _stacks(file: _File, axes: dict[str, np.ndarray], count: int) -> list[Stacks]:
    """Read the sources of each of the `count` runs."""
    length = {name: file.values(f"stack_{name}", ("stack",), units.LENGTH) for name in ("x", "y", "height")}
    emission = file.values("stack_emission", ("stack",), units.EMISSION)
    for name, values in (("height", length["height"]), ("emission", emission)):
        file.refuse_values(f"stack_{name}", values < 0, values, "expected 0 or more", ["stack"])
    for axis in "xy":
        length[axis] = _from_corner(file, axis, length[axis], axes[axis])
    run = _run_of_stacks(file, count, len(emission))
    return [Stacks(*(v[run == k] for v in (*length.values(), emission))) for k in range(count)]


def _from_corner(file: _File, axis: str, places: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Turn stacks' coordinates x or y [m] into distances from the grid's south-western corner; refuse those outside."""
    first = corner(centres)
    last = first + abs(centres[-1] - centres[0]) * len(centres) / max(len(centres) - 1, 1)
    slack = 1e-6 * (last - first)  # of units' conversion
    outside = (places < first - slack) | (places > last + slack)
    rule = (
        f"outside the grid: expected a coordinate as in {axis}, whose cells reach from {first:g} to {last:g} m; are "
        "both in the units that they name?"
    )
    file.refuse_values(f"stack_{axis}", outside, places, rule, ["stack"], unit="m")
    return places - first


def _run_of_stacks(file: _File, count: int, stacks: int) -> np.ndarray:
    """Read the run that each stack belongs to, (stacks,)."""
    if "stack_run" in file.data.variables:
        run = file.variable("stack_run", ("stack",)).to_numpy()
        wrong = ~np.isin(run, np.arange(count))
        file.refuse_values("stack_run", wrong, run, f"expected a run in 0..{count - 1}", ["stack"])
        return run
    if count > 1 and stacks:
        file.refuse("stack_run", f"missing; tells which of the {count} runs a stack belongs to")
    return np.zeros(stacks, int)


def _wind(file: _File, name: str, run: int, below: np.ndarray) -> np.ndarray | None:
    """Read the wind of a run, (frames, z) float32 [m s-1]; None where the file has no such wind."""
    if file.find(name, (name,)) is None:
        return None
    variable = file.variable(name, [("time",), ("time", "z"), FRAMES])
    factor = file.factor(variable.name, units.SPEED)
    fixed = {"run": run} if "run" in variable.dims else {}
    one = _of_run(variable, run)
    per_block = max(1, BLOCK_BYTES // (8 * one[0].size))
    found = []
    for first in range(0, one.sizes["time"], per_block):
        block = file.numbers(one.isel(time=slice(first, first + per_block)))
        bad = ~_is_number(block * factor)
        if block.ndim == 4:
            bad &= ~below
        file.refuse_values(variable.name, bad, block, "expected a number", one.dims, first=first, fixed=fixed)
        found.append(_by_level(block * factor, below))
    return np.concatenate(found).astype("float32")


def _by_level(block: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Average wind (frames,), (frames, z) or (frames, z, y, x) to (frames, z): a level's mean over its air, else 0."""
    if block.ndim == 1:
        return np.repeat(block[:, None], below.shape[0], axis=1)
    if block.ndim == 2:
        return block
    air = ~below
    total = np.where(air, block, 0.0).sum((2, 3))
    return total / np.maximum(air.sum((1, 2)), 1)
