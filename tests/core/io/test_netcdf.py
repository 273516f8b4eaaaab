"""NetCDF files as all models write them."""

import time

import numpy as np
import xarray as xr

from kmodels.core.io import netcdf


def test_the_same_content_is_the_same_bytes_at_another_time(tmp_path):
    data = xr.Dataset({"a": (("x", "y"), np.arange(12.0).reshape(3, 4))}, {"x": [1, 2, 3]}, {"title": "t"})
    for name in ("first.nc", "later.nc"):
        netcdf.save(tmp_path / name, data, {"a": (1, 4)})
        time.sleep(1.1)  # HDF5 counts whole seconds
    assert (tmp_path / "first.nc").read_bytes() == (tmp_path / "later.nc").read_bytes()
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "first.nc"), data)
