"""Coordinates place stacks; axes run either way; what is uneven is refused by a sentence that says what to do."""

import numpy as np
import pytest
from helpers.plain_runs import RECIPE, plain_run, refused

from kmodels.plume.data import cf_reader, cf_writer
from kmodels.plume.data.load import load
from kmodels.plume.data.run import Maps

NAME = cf_writer.CONCENTRATION
AXES = ["time", "z", "y", "x"]


def plain():
    return cf_writer.dataset([plain_run(terrain=30.0)])


def moved(data, x=0.0, y=0.0, stacks=True):
    """A data set with other coordinates, its stacks with it."""
    for axis, by in (("x", x), ("y", y)):
        data = data.assign_coords({axis: (axis, data[axis].values + by, data[axis].attrs)})
        data[f"stack_{axis}"] = ("stack", data[f"stack_{axis}"].values + by * stacks, {"units": "m"})
    return data


def loaded(data, folder):
    path = folder / f"{len(list(folder.iterdir()))}.nc"  # frames are read later: each its own file
    data.to_netcdf(path, engine="scipy")
    return load(path, RECIPE)


def check_same(windows, again):
    """Every array of the two but the coordinates."""
    rows = np.arange(len(windows))
    assert len(again) == len(windows) and again.cell == windows.cell
    np.testing.assert_array_equal(again.past(rows), windows.past(rows))
    np.testing.assert_array_equal(again.target(rows), windows.target(rows))
    np.testing.assert_array_equal(again.wind(rows), windows.wind(rows))
    for name, one, other in zip(Maps._fields, again.maps(rows), windows.maps(rows), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("x, y", [(-250.0, -300.0), (300.0, 0.0), (550_300.0, 5_430_000.0)])
def test_stacks_stand_where_their_coordinates_are(tmp_path, x, y):
    check_same(loaded(plain(), tmp_path), loaded(moved(plain(), x, y), tmp_path))


def test_a_stack_at_the_origin_stands_in_the_middle_of_a_grid_around_it(tmp_path):
    """x and y from -550 to 550 m, twelve cells each: the stack at (0, 0) stands in cell (6, 6)."""
    data = cf_writer.dataset([plain_run(shape=(4, 12, 12))])
    data = moved(data, -600.0, -600.0, stacks=False)
    for axis in "xy":
        data[f"stack_{axis}"] = ("stack", [0.0, -550.0], {"units": "m"})
    emission = loaded(data, tmp_path).maps([0]).source_emission[0].sum(0)
    assert data.x.values[[0, -1]].tolist() == [-550, 550] and np.argwhere(emission).tolist() == [[0, 0], [6, 6]]


@pytest.mark.parametrize(
    "axis, value, edges", [("x", -251.0, "-250 to 250"), ("x", 251.0, "-250"), ("y", 301.0, "-300 to")]
)
def test_stacks_outside_the_grid_are_refused(tmp_path, axis, value, edges):
    data = moved(plain(), -250.0, -300.0)
    data[f"stack_{axis}"].values[1] = value
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    said = rf"stack_{axis}\[stack=1\] = {value:g} m; outside the grid: expected a coordinate as in {axis}, .* {edges}"
    refused(tmp_path, said)


def test_places_of_stacks_in_kilometres(tmp_path):
    data = moved(plain(), 300.0, -300.0)
    for name in ("x", "y", "stack_x", "stack_y"):
        data[name] = (data[name].dims, data[name].values / 1e3, {"units": "km"})
    again = loaded(data, tmp_path)
    np.testing.assert_allclose(again.runs[0].stacks.x, plain_run().stacks.x)
    np.testing.assert_allclose(again.runs[0].stacks.y, plain_run().stacks.y)


def test_a_run_off_the_origin_comes_back(tmp_path):
    run = plain_run()
    object.__setattr__(run, "x", run.x + 300.0)
    cf_writer.write_run(tmp_path / "r.nc", run)
    (again,) = cf_reader.read(tmp_path / "r.nc")
    np.testing.assert_array_equal(again.stacks.x, run.stacks.x)
    np.testing.assert_array_equal(again.x, run.x)


@pytest.mark.parametrize("falling", [["y"], ["x"], ["z"], ["time"], ["time", "y"], AXES])
def test_axes_that_fall_are_turned(tmp_path, falling):
    windows = loaded(plain(), tmp_path)
    again = loaded(plain().isel({name: slice(None, None, -1) for name in falling}), tmp_path)
    check_same(windows, again)
    assert again.start_time.tolist() == windows.start_time.tolist()
    for name in AXES:
        np.testing.assert_array_equal(getattr(again.runs[0], name), getattr(windows.runs[0], name))


def test_wind_of_every_cell_is_turned_with_its_axes(tmp_path):
    data = plain()
    data["eastward_wind"] = (
        data[NAME].dims,
        np.random.default_rng(0).normal(size=data[NAME].shape),
        {"units": "m s-1"},
    )
    windows = loaded(data, tmp_path)
    again = loaded(data.isel({name: slice(None, None, -1) for name in AXES}), tmp_path)
    np.testing.assert_allclose(again.wind([0, 1]), windows.wind([0, 1]), rtol=1e-6)


def test_depth_is_turned_into_height(tmp_path):
    data = plain()
    down = data.assign_coords(z=("z", -data.z.values, data.z.attrs | {"positive": "down"}))
    check_same(loaded(data, tmp_path), loaded(down, tmp_path))
    data.assign_coords(z=("z", data.z.values, data.z.attrs | {"positive": "down"})).to_netcdf(tmp_path / "r.nc")
    refused(
        tmp_path / "r.nc", "no cell lies above ground: z lies from -35 to -5 m, .* is the unit or `positive` of z wrong"
    )
    data["z"].attrs |= {"positive": "down", "standard_name": "height"}
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    refused(tmp_path / "r.nc", "z: z lies from -35 to -5 m; heights above ground are 0 or more: `positive` says")


def test_a_bad_value_is_named_by_its_place_in_the_file(tmp_path):
    data = plain().isel(y=slice(None, None, -1), time=slice(None, None, -1))
    data[NAME].values[0, 1, 3, 0, 4] = -1.0
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    refused(tmp_path, r"\[run=0, time=1, z=3, y=0, x=4\] = -1 ")


@pytest.mark.parametrize(
    "name, values", [("z", [5, 15, 35, 75]), ("y", [0, 1, 2, 2, 3, 4]), ("x", [300, 200, 100, 50, 0])]
)
def test_uneven_axes_are_told_how_to_become_even(tmp_path, name, values):
    data = plain()
    data = data.assign_coords({name: (name, np.array(values, float), data[name].attrs)})
    data[f"stack_{name}" if name != "z" else "stack_height"][:] = 1.0
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    refused(
        tmp_path, rf"{name}\[\d\] = .* expected even steps, most are .*: data\.interp\({name}=numpy\.arange\(start, st"
    )
