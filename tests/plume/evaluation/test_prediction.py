"""A forecast as a table and as a file, by hand-worked values."""

import numpy as np
import pytest
import xarray as xr
from helpers.plain_runs import RECIPE, plain_run

from kmodels.core.spec.errors import UserError
from kmodels.plume.data import cf_writer
from kmodels.plume.data.load import load
from kmodels.plume.evaluation.prediction import Forecast


def loaded(folder, units="kg m-3", **changes):
    """Windows of a run of 8 frames in a file of these units."""
    run = plain_run(**changes)
    data = cf_writer.dataset([run])
    factor = {"kg m-3": 1.0, "ug m-3": 1e-9}[units]
    data[cf_writer.CONCENTRATION] = data[cf_writer.CONCENTRATION].copy(
        data=run.concentration[None] / np.float32(factor)
    )
    data[cf_writer.CONCENTRATION].attrs["units"] = units
    data.to_netcdf(folder / "r.nc", engine="scipy")
    return load(folder / "r.nc", RECIPE)


def test_frame(tmp_path):
    windows = loaded(tmp_path, terrain=30.0).take([0, 3])
    below = windows.maps([0]).below_ground[0]
    assert below.any()
    concentration = np.full((2, 2, 4, 6, 5), 2e-9, "float32")
    concentration[1, 0, 3, 2, 4] = 7e-9
    concentration[:, :, below] = 1.0  # not air: must not count
    frame = Forecast(windows, concentration).frame()
    assert frame["run"].tolist() == ["a"] * 4 and frame["lead_time"].tolist() == [60.0, 120.0] * 2
    # the windows see frames 0..2 and 3..5
    assert frame["start"].dt.strftime("%H:%M:%S").tolist() == ["00:02:00"] * 2 + ["00:05:00"] * 2
    np.testing.assert_allclose(frame["maximum"], [2e-9, 2e-9, 7e-9, 2e-9], rtol=1e-6)
    air = (~below).sum()
    total = np.array([2e-9 * air, 2e-9 * air, 2e-9 * air + 5e-9, 2e-9 * air])
    np.testing.assert_allclose(frame["mean"], total / air, rtol=1e-6)
    np.testing.assert_allclose(frame["mass"], total * 100 * 100 * 10, rtol=1e-6)


def test_leads_of_a_longer_horizon(tmp_path):
    windows = loaded(tmp_path)
    frame = Forecast(windows.take([0]), windows.future([0], 2), leads=np.array([2, 4])).frame()
    assert frame["lead_time"].tolist() == [120.0, 240.0]


@pytest.mark.parametrize("units, factor", [("kg m-3", 1.0), ("ug m-3", 1e-9)])
def test_write(tmp_path, units, factor):
    windows = loaded(tmp_path, units, terrain=30.0)
    rows = np.array([0, 2])
    future = windows.future(rows, 3)
    forecast = Forecast(windows.take(rows), future.copy())
    forecast.write(tmp_path / "f.nc")
    np.testing.assert_array_equal(forecast.concentration, future)  # writing leaves it alone
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf", mask_and_scale=False) as raw:
        stored = raw[cf_writer.CONCENTRATION]
        fill = stored.attrs["_FillValue"]
        below = windows.maps(rows).below_ground[:, None].repeat(3, 1)
        assert below.any() and (stored.values[below] == fill).all() and (stored.values[~below] != fill).all()
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf", decode_timedelta=False) as file:
        written = file[cf_writer.CONCENTRATION]
        assert written.dims == ("window", "forecast_period", "z", "y", "x") and written.attrs["units"] == units
        np.testing.assert_allclose(written.values[~below] * factor, future[~below], rtol=1e-6)
        assert file["forecast_period"].values.tolist() == [60.0, 120.0, 180.0]
        assert file["forecast_reference_time"].values.tolist() == windows.reference_time[rows].tolist()
        lead = np.timedelta64(180, "s")
        assert (file["time"].values[:, 2] == windows.reference_time[rows] + lead).all()
        assert file["run_name"].values.tolist() == ["a", "a"]


def test_only_netcdf_is_written(tmp_path):
    windows = loaded(tmp_path)
    with pytest.raises(UserError, match=r"f\.csv: a forecast is written as \.nc"):
        Forecast(windows, windows.future(np.arange(4), 1)).write(tmp_path / "f.csv")
