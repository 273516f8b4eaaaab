"""Fields of rain sampled for each day, as a table and as CF NetCDF."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from kmodels.core.io.netcdf import global_attributes, save
from kmodels.core.spec.errors import UserError
from kmodels.precip.data import cf_writer
from kmodels.precip.data.records import Days
from kmodels.precip.data.variables import DAY

SUFFIXES = (".nc",)
CELLS_AT_ONCE = 1_000_000  # of all fields that are looked at together


@dataclass(frozen=True, eq=False)
class Ensemble:
    """`members` fields of rain for each of n days, made when they are asked for.

    make(rows): (rows, members, y, x) float32 [mm/day], the same for the same rows however often it is asked.
    progress(done, total): told while all days are written.
    """

    days: Days
    members: int
    make: Callable[[np.ndarray], np.ndarray]
    progress: Callable[[int, int], None] | None = None

    def fields(self, rows) -> np.ndarray:
        """Make (rows, members, y, x) float32 [mm/day] of these days."""
        return self.make(np.asarray(rows))

    def blocks(self, progress: Callable[[int, int], None] | None = None):
        """Yield (rows, fields) of all days in order, a few at a time."""
        size = max(1, CELLS_AT_ONCE // (self.members * self.days.domain.land.size))
        for first in range(0, len(self.days), size):
            rows = np.arange(first, min(first + size, len(self.days)))
            yield rows, self.fields(rows)
            if progress:
                progress(int(rows[-1]) + 1, len(self.days))

    def frame(self) -> pd.DataFrame:
        """Tabulate the ensemble, a row a day.

        date. mean: over cells and members [mm/day]. maximum: the mean of the members' highest cells [mm/day]. spread:
        standard deviation of the members' means [mm/day].
        """
        parts = []
        for _, fields in self.blocks():
            means = fields.mean((2, 3), dtype="float64")
            highest = fields.max((2, 3)).mean(1, dtype="float64")
            parts.append(np.stack([means.mean(1), highest, means.std(1, ddof=1)], axis=1))
        values = np.concatenate(parts)
        columns = dict(zip(("mean", "maximum", "spread"), values.T, strict=True))
        return pd.DataFrame({"date": [date.isoformat()[:10] for date in self.days.dates]} | columns)

    def write(self, path: str | Path) -> None:
        """Save as CF NetCDF, (realization, time, y, x) in kg m-2 s-1. Raises UserError for a path without .nc."""
        if Path(path).suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: an ensemble is written as {' or '.join(SUFFIXES)}")
        save(path, self.dataset(), {"pr": (1, 1, *self.days.domain.shape)})

    def dataset(self) -> xr.Dataset:
        """Make a CF data set in memory."""
        rain = np.empty(
            (self.members, len(self.days), *self.days.domain.shape), "float32"
        )  # in the order that CF asks for
        for rows, fields in self.blocks(self.progress):
            rain[:, rows] = np.swapaxes(fields, 0, 1) / np.float32(DAY)
        domain = self.days.domain
        where = cf_writer.layout(domain.lat, domain.lon, domain.projection)
        calendar = self.days.dates[0].calendar
        middle = np.asarray(cftime.date2num(self.days.dates, cf_writer.TIME_UNITS, calendar), "float64")
        start = np.floor(middle)
        coordinates = where.coordinates | {
            "time": ("time", start + 0.5),
            "time_bnds": (("time", "bnds"), np.stack([start, start + 1], axis=1)),
            "realization": ("realization", np.arange(self.members, dtype="int32")),
        }
        data = xr.Dataset(
            {"pr": (("realization", "time", *where.dims), rain)},
            coordinates,
            attrs=global_attributes("Fields of daily rain sampled for a coarse state", "precip"),
        )
        data["pr"].attrs = cf_writer.RAIN_ATTRIBUTES | where.attributes
        data["time"].attrs = cf_writer.ATTRIBUTES["time"] | {"calendar": calendar}
        if calendar not in ("standard", "gregorian", "proleptic_gregorian", "utc"):
            del data["time"].attrs["units_metadata"]
        data["realization"].attrs = {"standard_name": "realization", "long_name": "number of the sample", "units": "1"}
        return cf_writer.with_mapping(data, where)
