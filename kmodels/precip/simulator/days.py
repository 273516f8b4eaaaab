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
    day. All of it is a function of recipe.seed and recipe.data.

    Raises
    ------
    UserError
        Where a part of them is asked for.
    """
    if parallel.part != (1, 1):
        raise UserError("--part: the days of precip follow each other, so one process makes them all")
    from kmodels.precip.data import cf_writer
    from kmodels.precip.data.coast import distance_to_coast
    from kmodels.precip.simulator.land import simulate_land

    data = recipe.data
    of_land, of_days = (np.random.default_rng(s) for s in np.random.SeedSequence(recipe.seed).spawn(2))
    fine, coarse = (cf_writer.simulated_axes(data.grid, block) for block in (1, data.grid.block))
    land, height = simulate_land(of_land, data.grid.fine)
    distance = distance_to_coast(land, *np.meshgrid(fine["lat"], fine["lon"], indexing="ij"))
    cf_writer.write_static(folder / "static.nc", land, distance, height, fine)
    days, wet = Weather(data, height).days(of_days), 0.0
    for first in range(0, data.n_days, DAYS_A_FILE):
        some = list(itertools.islice(days, min(DAYS_A_FILE, data.n_days - first)))
        rain = np.stack([day.rain for day in some])
        cf_writer.write_fine(folder / f"fine-{first:05d}.nc", first, rain, fine)
        states = np.stack([day.state for day in some])
        cf_writer.write_coarse(folder / f"coarse-{first:05d}.nc", first, states, coarse, data.exact_posterior)
        wet += float((rain > 0).mean()) * len(some)
        report(first + len(some), data.n_days)
    return {"days": f"{data.n_days}", "wet share": f"{wet / data.n_days:.3f}"}
