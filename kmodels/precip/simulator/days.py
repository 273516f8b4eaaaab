"""Days of simulated rain and the coarse state that belongs to them, as the field's own files."""

import itertools
from pathlib import Path

import numpy as np

from kmodels.core.io import parallel
from kmodels.core.spec.errors import UserError
from kmodels.precip.simulator.weather import Weather

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
DAYS_A_FILE = 366


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write recipe.data.n_days days that follow each other; returns how many there are, and their share of wet cells.

    Files: static.nc, and for every DAYS_A_FILE days a fine-NNNNN.nc and a coarse-NNNNN.nc, called after their first
    day; where the grids do not nest, folders predictors and target in the form of CORDEX ML-Bench. All of it is a
    function of recipe.seed and recipe.data.

    Raises
    ------
    UserError
        Where a part of them is asked for, and where the predictors' grid does not reach over the fine one.
    """
    if parallel.part != (1, 1):
        raise UserError("--part: the days of precip follow each other, so one process makes them all")
    from kmodels.precip.simulator.land import simulate_land

    data = recipe.data
    of_land, of_days = (np.random.default_rng(s) for s in np.random.SeedSequence(recipe.seed).spawn(2))
    land, height = simulate_land(of_land, data.grid.fine)
    weather, write = (_nested if data.grid.nested else _regional)(data, folder, land, height)
    days, wet = weather.days(of_days), 0.0
    for first in range(0, data.n_days, DAYS_A_FILE):
        some = list(itertools.islice(days, min(DAYS_A_FILE, data.n_days - first)))
        rain = np.stack([day.rain for day in some])
        write(first, rain, np.stack([day.state for day in some]))
        wet += float((rain > 0).mean()) * len(some)
        report(first + len(some), data.n_days)
    return {"days": f"{data.n_days}", "wet share": f"{wet / data.n_days:.3f}"}


def _nested(data, folder: Path, land: np.ndarray, height: np.ndarray):
    """Write the static file of grids that nest; returns the weather, and what writes days of it."""
    from kmodels.precip.data import cf_writer
    from kmodels.precip.data.grids import distance_to_coast

    fine, coarse = (cf_writer.simulated_axes(data.grid, block) for block in (1, data.grid.block))
    lat, lon = np.meshgrid(*(fine.coordinates[name][1] for name in ("lat", "lon")), indexing="ij")
    static = {"sftlf": land, "distance_to_coast": distance_to_coast(land, lat, lon), "orog": height}
    cf_writer.write_static(folder / "static.nc", static, fine)

    def write(first: int, rain: np.ndarray, states: np.ndarray) -> None:
        cf_writer.write_fine(folder / f"fine-{first:05d}.nc", first, rain, fine)
        cf_writer.write_coarse(folder / f"coarse-{first:05d}.nc", first, states, coarse, data.exact_posterior)

    return Weather(data, height), write


def _regional(data, folder: Path, land: np.ndarray, height: np.ndarray):
    """Write the static file of CORDEX ML-Bench's form; returns the weather, and what writes days of it."""
    from kmodels.core.io import units
    from kmodels.precip.data import cf_writer
    from kmodels.precip.data.records import Projection
    from kmodels.precip.data.variables import RAIN_UNITS
    from kmodels.precip.simulator import regional

    try:
        units.convert(RAIN_UNITS, data.rain_units or RAIN_UNITS, of_water=True)
        weather = regional.RegionalWeather(data, height)
    except ValueError as error:
        raise UserError(str(error)) from None
    projection = Projection(*regional.fine_axes(data.grid.fine), ("m", "m"), regional.PROJECTION.attributes())
    fine = cf_writer.layout(*regional.fine_places(data.grid.fine), projection)
    coarse = cf_writer.layout(*regional.coarse_places(data.grid.coarse_shape))
    predictors, target = (folder / name for name in ("predictors", "target"))
    for made in (predictors, target):
        made.mkdir(exist_ok=True)
    cf_writer.write_static(predictors / "Static_fields.nc", {"orog": height}, fine)

    def write(first: int, rain: np.ndarray, states: np.ndarray) -> None:
        cf_writer.write_fine(target / f"pr_simulated-{first:05d}.nc", first, rain, fine, data.rain_units)
        cf_writer.write_aloft(predictors / f"simulated-{first:05d}.nc", first, states, coarse)

    return weather, write
