"""A forecast: concentrations after each window, as a table and as CF NetCDF."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from kmodels.core.io.netcdf import global_attributes, save
from kmodels.core.spec.errors import UserError
from kmodels.plume.data import cf_writer
from kmodels.plume.data.records import Windows

SUFFIXES = (".nc",)
FILL = np.float32(9.96921e36)  # NetCDF's own for float
DIMENSIONS = ("window", "forecast_period", "z", "y", "x")


@dataclass(frozen=True, eq=False)
class Forecast:
    """Concentrations after n windows.

    Parameters
    ----------
    windows : Windows
        What they were forecast from.
    concentration : array (n, leads, z, y, x) of float32
        [kg m-3].
    leads : array (leads,), optional
        Frames after the last one seen; by default 1, 2, 3, ...
    """

    windows: Windows
    concentration: np.ndarray
    leads: np.ndarray | None = None

    @property
    def lead_time(self) -> np.ndarray:
        """(leads,) [s] after the last frame seen."""
        frames = np.arange(1, self.concentration.shape[1] + 1) if self.leads is None else np.asarray(self.leads)
        return frames * self.windows.frame_seconds

    def frame(self) -> pd.DataFrame:
        """Make a table with a row a window and lead.

        Returns
        -------
        DataFrame
            run; start, time of the last frame seen; lead_time [s]; maximum and mean concentration above ground
            [kg m-3]; mass of the pollutant above ground [kg].
        """
        n, leads = self.concentration.shape[:2]
        air = ~self.windows.maps(np.arange(n)).below_ground
        # Window by window, and summed in double precision: a roll-out of many windows is large.
        highest, total = np.zeros((n, leads)), np.zeros((n, leads))
        for k in range(n):
            values = self.concentration[k][:, air[k]]
            highest[k], total[k] = values.max(1, initial=0.0), values.sum(1, dtype="float64")
        cells = np.maximum(air.sum((1, 2, 3)), 1)[:, None]
        return pd.DataFrame(
            {
                "run": np.repeat(self.windows.groups, leads),
                "start": np.repeat(self.windows.reference_time, leads),
                "lead_time": np.tile(self.lead_time, n),
                "maximum": highest.ravel(),
                "mean": (total / cells).ravel(),
                "mass": (total * np.prod(self.windows.cell)).ravel(),
            }
        )

    def write(self, path: str | Path) -> None:
        """Save as CF NetCDF in the units of the first input file; cells below ground are missing values.

        Parameters
        ----------
        path : str or Path
            Ends in .nc.

        Raises
        ------
        UserError
            For another suffix.
        """
        if Path(path).suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: a forecast is written as {' or '.join(SUFFIXES)}")
        save(path, self.dataset(), {cf_writer.CONCENTRATION: (1, 1, *self.concentration.shape[2:])}, FILL)

    def dataset(self) -> xr.Dataset:
        """Make a CF data set in memory, NaN below ground."""
        rows = np.arange(len(self.windows))
        maps = self.windows.maps(rows)
        factor = self.windows.runs[0].factor
        values = self.concentration / np.float32(factor)
        values[np.broadcast_to(maps.below_ground[:, None], values.shape)] = np.nan
        start = (self.windows.reference_time - cf_writer.EPOCH) / np.timedelta64(1, "s")
        variables = {
            cf_writer.CONCENTRATION: (DIMENSIONS, values),
            "surface_altitude": (("window", "y", "x"), maps.terrain),
        }
        coordinates = {
            "forecast_period": ("forecast_period", self.lead_time.astype("float64")),
            **{axis: (axis, np.asarray(getattr(self.windows, axis), "float64")) for axis in "zyx"},
            "forecast_reference_time": ("window", start),
            "time": (("window", "forecast_period"), start[:, None] + self.lead_time),
            "run_name": ("window", self.windows.groups.astype(object)),
        }
        data = xr.Dataset(
            variables, coordinates, attrs=global_attributes("Forecast of a pollutant over terrain", "plume")
        )
        for name, attributes in self._attributes().items():
            data[name].attrs = attributes
        return data

    def _attributes(self) -> dict[str, dict[str, str]]:
        """List the attributes of each variable."""
        own = cf_writer.ATTRIBUTES
        reference = {"standard_name": "forecast_reference_time", "long_name": "time of the last frame seen"}
        clock = {name: own["time"][name] for name in ("units", "calendar", "units_metadata")}
        z = own["z"]
        if self.windows.runs[0].follows_terrain:
            z = z | {"standard_name": "height", "long_name": "height above ground"}
        return {
            **{name: dict(own[name]) for name in ("x", "y", "surface_altitude", "run_name")},
            "z": dict(z),
            cf_writer.CONCENTRATION: own[cf_writer.CONCENTRATION] | {"units": self.windows.units},
            "forecast_period": {"standard_name": "forecast_period", "long_name": "lead time", "units": "s"},
            "forecast_reference_time": reference | clock,
            "time": {"standard_name": "time", "long_name": "time that is forecast"} | clock,
        }
