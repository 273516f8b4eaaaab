"""A small simulated data set, and changes to its files."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from kmodels.core.io.netcdf import opened
from kmodels.core.spec.errors import UserError
from kmodels.precip.data.load import load
from kmodels.precip.recipe import RECIPE
from kmodels.precip.simulator.days import simulate

RECIPE_SMALL = RECIPE().with_changes(
    {
        "seed": 7,
        "data": {
            "n_days": 12,
            "outer_scale": 4.0,
            "block_days": 4,
            "gap_days": 1,
            "grid": {"ny": 8, "nx": 6, "block": 2},
        },
    }
)


def written(folder: Path, recipe=RECIPE_SMALL) -> Path:
    """The folder with the simulated files."""
    folder.mkdir(exist_ok=True)
    simulate(recipe, folder, lambda done, total: None)
    return folder


def refused(folder: Path, said: str, recipe=RECIPE_SMALL, **options) -> None:
    """Check that a folder is refused in one line that matches `said`."""
    with pytest.raises(UserError) as caught:
        load(folder, recipe, **options)
    message = str(caught.value)
    assert "\n" not in message and re.search(said, message), message


def contents(path: Path) -> xr.Dataset:
    """A file in memory, times as numbers."""
    with opened(path) as data:
        return data.load()


def rewrite(path: Path, change) -> None:
    """Replace a file by a changed one, as NetCDF-3, which takes a fifth of the time to write."""
    data = change(contents(path))
    data.to_netcdf(path, engine="scipy")


def with_value(name: str, index, value):
    """A change of one element."""

    def change(data: xr.Dataset) -> xr.Dataset:
        values = np.array(data[name].values)
        values[index] = value
        return data.assign({name: (data[name].dims, values, data[name].attrs)})

    return change


def with_attribute(name: str, **attributes):
    """A change of attributes; None removes one."""

    def change(data: xr.Dataset) -> xr.Dataset:
        merged = data[name].attrs | attributes
        data[name].attrs = {k: v for k, v in merged.items() if v is not None}
        return data

    return change
