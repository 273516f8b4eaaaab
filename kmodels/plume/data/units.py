"""The units of this package, and how large its quantities can be: beyond that another unit is likelier.

A factor of 10 to 1e9 is a slip that no other check sees, for the file is whole and its numbers are numbers. Each bound
lies where nobody who looks at clouds from stacks has data; who has, gives it in another scale.
"""

import numpy as np

from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError
from kmodels.plume.data.run import StoredRun

CONCENTRATION = "kg m-3"
EMISSION = "kg s-1"
LENGTH = "m"
SPEED = "m s-1"

MOST = 0.1  # kg m-3: raw flue gas carries less dust, a cell outside the stack far less
LEAST = 1e-3  # of model.c0, the highest of all concentrations: log1p(c / c0) of less is nothing to the network
ROUNDING = 1e-5  # of a run's highest concentration: half a step of 16-bit packing is 0.8e-5 of the range
WIDTH = (1.0, 50e3)  # m, of a cell
DEPTH = (0.5, 5e3)  # m, of a cell
INTERVAL = (0.1, 86_400.0)  # s, between two frames
GROUND = (-500.0, 9000.0)  # m: from the Dead Sea's shore to Mount Everest
TALLEST = 500.0  # m: the tallest chimney has 420
STRONGEST = 5000.0  # kg s-1: four times the CO2 of the largest coal-fired power station
FASTEST = 150.0  # m s-1: the strongest gust on record had 113


def refuse_unlikely(run: StoredRun, cell: tuple[float, float, float], seconds: float) -> None:
    """Refuse lengths, times, winds and sources that are likelier of another unit.

    Parameters
    ----------
    run : StoredRun
        Before any of its frames is read.
    cell : (dz, dy, dx)
        Its cells [m].
    seconds : float
        Between two frames [s].

    Raises
    ------
    UserError
        With the value, the bound and the question which unit it is.
    """
    dz, dy, dx = cell
    _refuse(run, "y: cells", dy, "m wide", WIDTH, "m, km or cm")
    _refuse(run, "x: cells", dx, "m wide", WIDTH, "m, km or cm")
    if len(run.z) > 1:
        _refuse(run, "z: cells", dz, "m high", DEPTH, "m, km or cm")
    _refuse(run, "time: frames", seconds, "s apart", INTERVAL, "seconds, minutes or hours")
    _refuse_terrain(run)
    _refuse_above(run, "a stack", run.stacks.height, "m high", TALLEST, "the tallest has 420 m", "m, feet or cm")
    _refuse_above(
        run, "a stack that emits", run.stacks.emission, "kg s-1", STRONGEST, "no source is as strong", "kg, g or mg s-1"
    )
    for name, wind in (("eastward_wind", run.u), ("northward_wind", run.v)):
        if wind is not None:
            rule = f"no wind is faster than {FASTEST:g} m s-1; is its unit m, km or cm per second or hour?"
            too_fast = np.abs(wind) > FASTEST
            refuse_values(run.file, name, too_fast, wind, rule, ("time", "z"), unit="m s-1", fixed=run.within)


def _refuse(run: StoredRun, what: str, value: float, unit: str, bounds: tuple[float, float], units: str) -> None:
    """Refuse one number outside its bounds."""
    if not bounds[0] <= value <= bounds[1]:
        raise UserError(
            f"{run.file}: {what} {value:g} {unit}; expected {bounds[0]:g} to {bounds[1]:g}; is its unit {units}?"
        )


def _refuse_above(run: StoredRun, what: str, values: np.ndarray, unit: str, bound: float, why: str, units: str) -> None:
    """Refuse the sources of a run where one is above a bound."""
    if (values > bound).any():
        raise UserError(
            f"{run.file}: run {run.name!r}: {what} {values.max():g} {unit}; {why}, expected at most {bound:g}; "
            f"is its unit {units}?"
        )


def _refuse_terrain(run: StoredRun) -> None:
    """Refuse ground where there is none on Earth, and a grid that lies in it as a whole."""
    rule = f"the ground of the Earth lies from {GROUND[0]:g} to {GROUND[1]:g} m; is its unit m, feet or cm?"
    outside = (run.terrain < GROUND[0]) | (run.terrain > GROUND[1])
    refuse_values(run.file, "surface_altitude", outside, run.terrain, rule, ("y", "x"), unit="m", fixed=run.within)
    levels = f"z lies from {run.z.min():g} to {run.z.max():g} m"
    if run.follows_terrain and run.z.min() < 0:
        raise UserError(f"{run.file}: z: {levels}; heights above ground are 0 or more: `positive` says which way is up")
    if run.below_ground().all():
        raise UserError(
            f"{run.file}: run {run.name!r}: no cell lies above ground: {levels}, the terrain from "
            f"{run.terrain.min():g} to {run.terrain.max():g} m; is the unit or `positive` of z wrong, or is z height "
            "above ground (standard_name `height`)?"
        )
