"""Runs as CF NetCDF: what a CF checker says, how frames lie on disk, what comes back."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray as xr
from helpers.cf_check import check_cf
from helpers.plain_runs import RECIPE, plain_run

from kmodels.plume.data import cf_reader, cf_writer
from kmodels.plume.data.load import load
from kmodels.plume.data.run import Stacks
from kmodels.plume.evaluation.prediction import Forecast


def test_a_cf_checker_finds_nothing(tmp_path):
    cf_writer.write_runs(tmp_path / "wind.nc", [plain_run("a"), plain_run("b")])
    cf_writer.write_run(tmp_path / "calm.nc", plain_run(wind=False))
    windows = load(tmp_path / "wind.nc", RECIPE)
    rows = np.arange(len(windows))
    Forecast(windows, windows.future(rows, 2)).write(tmp_path / "forecast.nc")
    done = check_cf(*(tmp_path / f"{name}.nc" for name in ("wind", "calm", "forecast")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("All tests passed!") == 3, done.stdout


def test_the_checker_would_find_something(tmp_path):
    data = cf_writer.dataset([plain_run()])
    data["eastward_wind"].attrs["units"] = "kg"
    data.to_netcdf(tmp_path / "bad.nc", engine="h5netcdf")
    done = check_cf(tmp_path / "bad.nc")
    assert done.returncode == 1 and "eastward_wind" in done.stdout, done.stdout + done.stderr


def test_what_is_written_comes_back(tmp_path):
    written = [plain_run("a"), replace(plain_run("b"), stacks=Stacks(*np.zeros((4, 0)))), plain_run("c")]
    cf_writer.write_runs(tmp_path / "r.nc", written)
    for run, again in zip(written, cf_reader.read(tmp_path / "r.nc"), strict=True):
        assert again.name == run.name and again.units == "kg m-3" and len(again.stacks) == len(run.stacks)
        np.testing.assert_array_equal(again.concentration(0, 8), run.concentration)
        np.testing.assert_array_equal(again.below_ground(), run.below_ground())
        for name in ("time", "x", "y", "z", "terrain"):
            np.testing.assert_array_equal(getattr(again, name), getattr(run, name), err_msg=name)
        for name in ("x", "y", "height", "emission"):
            np.testing.assert_array_equal(getattr(again.stacks, name), getattr(run.stacks, name), err_msg=name)
        np.testing.assert_array_equal(again.u, run.u.astype("float32"))
        np.testing.assert_array_equal(again.v, run.v.astype("float32"))


def test_a_frame_is_a_compressed_chunk(tmp_path):
    cf_writer.write_run(tmp_path / "r.nc", plain_run())
    with h5py.File(tmp_path / "r.nc") as file:
        stored = file[cf_writer.CONCENTRATION]
        assert stored.chunks == (1, 1, 4, 6, 5) and stored.compression == "gzip" and stored.dtype == "float32"


def test_runs_of_one_file_share_axes_and_wind(tmp_path):
    for other, said in [
        (plain_run("b", frames=9), "runs a and b differ in time"),
        (plain_run("b", shape=(4, 6, 6)), "differ in x"),
        (plain_run("b", wind=False), "only one has wind"),
    ]:
        with pytest.raises(ValueError, match=said):
            cf_writer.write_runs(tmp_path / "r.nc", [plain_run("a"), other])
    assert not list(tmp_path.iterdir())


def test_names_and_layouts_of_other_models(tmp_path):
    """One run without the dimension `run`, axes by their attributes, a pollutant of the CF table, NetCDF-3."""
    run = plain_run()
    data = cf_writer.dataset([run]).isel(run=0).drop_vars(["run_name", "stack_run"])
    data = data.rename({"x": "easting", "time": "t", cf_writer.CONCENTRATION: "so2"}).transpose(..., "t")
    data["so2"].attrs["standard_name"] = "mass_concentration_of_sulfur_dioxide_in_air"
    data.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    data.to_netcdf(tmp_path / "classic.nc", engine="scipy", format="NETCDF3_64BIT")
    for name in ("other", "classic"):
        (again,) = cf_reader.read(tmp_path / f"{name}.nc")
        assert again.name == name and again.variable == "so2"
        np.testing.assert_array_equal(again.concentration(2, 5), run.concentration[2:5])
        np.testing.assert_array_equal(again.stacks.emission, run.stacks.emission)


def test_wind_of_fewer_and_more_dimensions(tmp_path):
    run = plain_run()
    data = cf_writer.dataset([run])
    volume = np.broadcast_to(np.arange(8.0)[:, None, None, None], (8, 4, 6, 5)).copy()
    volume[:, 1] += np.arange(5.0)
    below = run.below_ground()
    volume[:, below] = np.nan
    data["eastward_wind"] = (("run", "time"), run.u[None, :, 2], data["eastward_wind"].attrs)
    data["northward_wind"] = (("run", "time", "z", "y", "x"), volume[None], data["northward_wind"].attrs)
    data.to_netcdf(tmp_path / "w.nc", engine="h5netcdf")
    (again,) = cf_reader.read(tmp_path / "w.nc")
    np.testing.assert_allclose(again.u, np.repeat(run.u[:, 2:3], 4, 1), rtol=1e-6)
    np.testing.assert_array_equal(again.v[:, [0, 2, 3]], np.repeat(np.arange(8.0)[:, None], 3, 1))
    columns = np.broadcast_to(np.arange(5.0), (6, 5))[~below[1]]
    np.testing.assert_allclose(again.v[:, 1], np.arange(8) + columns.mean(), rtol=1e-6)


def test_height_instead_of_altitude_follows_the_terrain(tmp_path):
    data = cf_writer.dataset([plain_run(terrain=30.0)])
    assert read_netcdf_of(data, tmp_path).below_ground().any()
    data["z"].attrs["standard_name"] = "height"
    assert not read_netcdf_of(data, tmp_path).below_ground().any()


def read_netcdf_of(data: xr.Dataset, folder):
    data.to_netcdf(folder / "one.nc", engine="h5netcdf")
    (run,) = cf_reader.read(folder / "one.nc")
    return run
