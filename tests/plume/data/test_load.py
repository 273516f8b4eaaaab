"""The loader: two formats by hand-worked values, and a bad file of each kind refused by one line."""

import numpy as np
import pytest
import xarray as xr
from helpers.plain_runs import CALM, RECIPE, WITHOUT_WIND, plain_run, refused

from kmodels.plume.data import cf_writer
from kmodels.plume.data import load as loader
from kmodels.plume.data.load import load

NAME = cf_writer.CONCENTRATION


def write(data: xr.Dataset, path):
    """As NetCDF-3, which is written and opened in a fifth of the time; test_netcdf.py sees to NetCDF-4."""
    data.to_netcdf(path, engine="scipy")


def test_files_of_a_folder_and_runs_of_a_file(tmp_path):
    cf_writer.write_runs(tmp_path / "1.nc", [plain_run("a"), plain_run("b")])
    write(cf_writer.dataset([plain_run("c", frames=6)]), tmp_path / "2.nc")
    windows = load(tmp_path, RECIPE)
    assert windows.groups.tolist() == ["a"] * 4 + ["b"] * 4 + ["c"] * 2
    assert windows.cell == (10.0, 100.0, 100.0) and windows.frame_seconds == 60.0
    assert load(tmp_path / "2.nc", RECIPE).groups.tolist() == ["c", "c"]


@pytest.mark.parametrize(
    "given, factor",
    [
        ("kg m-3", 1.0),
        ("g/m3", 1e-3),
        ("mg m^-3", 1e-6),
        ("ug m-3", 1e-9),
        ("µg/m3", 1e-9),
        ("μg m⁻³", 1e-9),
        ("micrograms/m**3", 1e-9),
        ("ng.m-3", 1e-12),
    ],
)
def test_units_of_concentration(tmp_path, given, factor):
    run = plain_run()
    data = cf_writer.dataset([run])
    data[NAME] = (data[NAME].dims, (run.concentration[None] / factor).astype("float32"), {"units": given})
    write(data, tmp_path / "r.nc")
    windows = load(tmp_path / "r.nc", RECIPE)
    np.testing.assert_allclose(windows.past([0])[0], run.concentration[:3], rtol=1e-6)
    assert windows.units == given and windows.runs[0].factor == factor


def test_emission_in_grams(tmp_path):
    data = cf_writer.dataset([plain_run()])
    data["stack_emission"] = data["stack_emission"].assign_attrs(units="g s-1") * 1000
    data["stack_emission"].attrs["units"] = "g/s"
    write(data, tmp_path / "r.nc")
    np.testing.assert_allclose(load(tmp_path, RECIPE).runs[0].stacks.emission, [2e-3, 5e-3])


def test_lengths_and_speeds_in_other_units(tmp_path):
    run = plain_run()
    data = cf_writer.dataset([run])
    for name, unit, factor in [
        ("x", "km", 1e3),
        ("y", "km", 1e3),
        ("z", "hm", 100.0),
        ("eastward_wind", "km/h", 1 / 3.6),
    ]:
        data[name] = (data[name].dims, data[name].values / factor, data[name].attrs | {"units": unit})
    data["stack_x"] = (("stack",), data["stack_x"].values / 0.3048, {"units": "ft"})
    write(data, tmp_path / "r.nc")
    windows = load(tmp_path / "r.nc", RECIPE)
    np.testing.assert_allclose(windows.cell, (10.0, 100.0, 100.0))
    np.testing.assert_allclose(windows.runs[0].u, run.u, rtol=1e-6)
    np.testing.assert_allclose(windows.runs[0].v, run.v, rtol=1e-6)
    np.testing.assert_allclose(windows.runs[0].stacks.x, run.stacks.x)


def without(name):
    return lambda data: data.drop_vars(name)


def with_units(name, unit):
    def change(data):
        data[name].attrs["units"] = unit
        return data

    return change


def with_value(name, index, value):
    def change(data):
        data[name] = data[name].copy(data=data[name].values.copy())
        data[name].values[index] = value
        return data

    return change


def with_step(coordinate, index, by):
    """A coordinate with one element moved."""
    values = coordinate.values.copy()
    values[index] += by
    return coordinate.dims, values, coordinate.attrs


@pytest.mark.parametrize(
    "change, said",
    [
        (without(NAME), rf"r\.nc: {NAME}: missing$"),
        (without("surface_altitude"), rf"r\.nc: surface_altitude: missing; needed beside {NAME}"),
        (without("eastward_wind"), r"r\.nc: eastward_wind: missing; this recipe needs it"),
        (without("northward_wind"), r"r\.nc: northward_wind: missing; this recipe needs it"),
        (without("stack_height"), r"stack_height: missing"),
        (without("z"), r"r\.nc: z: missing; a coordinate variable holds the cell centres in m"),
        (without("time"), r"r\.nc: time: missing"),
        (with_units(NAME, "ppb"), rf"{NAME}: units 'ppb'; expected kg m-3, or what can be converted to it$"),
        (with_units("eastward_wind", "knots squared"), "eastward_wind: units 'knots squared'; expected m s-1, or what"),
        (with_units("surface_altitude", "Pa"), "surface_altitude: units 'Pa'; expected m, or what can be"),
        (with_units("x", "degrees_east"), "x: units 'degrees_east'; expected m, or what can be"),
        (with_units("stack_emission", "kg"), "stack_emission: units 'kg'; expected kg s-1, or what can be"),
        (with_units("time", "s"), "time: units 's'; expected times such as"),
        (with_units("time", "frames since dawn"), "time: units 'frames since dawn'; expected"),
        (
            with_value(NAME, (0, 7, 3, 2, 4), np.nan),
            rf"{NAME}\[run=0, time=7, z=3, y=2, x=4\] = nan kg m-3; a concentration above ground is a number, 0 or",
        ),
        (with_value(NAME, (0, 0, 3, 0, 0), -1e-11), rf"{NAME}\[run=0, time=0, z=3, y=0, x=0\] = -1e-11 kg m-3; a con"),
        (with_value(NAME, (0, 4, 3, 5, 1), np.inf), r"\[run=0, time=4, z=3, y=5, x=1\] = inf kg m-3"),
        (with_value("surface_altitude", (0, 1, 2), np.nan), r"surface_altitude\[run=0, y=1, x=2\] = nan; expected a"),
        (with_value("eastward_wind", (0, 5, 1), np.nan), r"eastward_wind\[run=0, time=5, z=1\] = nan; expected a num"),
        (
            with_value("stack_x", 1, 501.0),
            r"stack_x\[stack=1\] = 501 m; outside the grid: expected .* from 0 to 500 m;",
        ),
        (with_value("stack_emission", 0, -1.0), r"stack_emission\[stack=0\] = -1; expected 0 or more"),
        (with_value("stack_run", 1, 3), r"stack_run\[stack=1\] = 3; expected a run in 0\.\.0"),
        (
            lambda d: d.assign_coords(x=with_step(d.x, 2, 30.0)),
            r"x\[2\] = 280; it comes after 150; expected even steps, most are 100; interpolate",
        ),
        (
            lambda d: d.assign_coords(y=with_step(d.y, 1, -200.0)),
            r"y\[1\] = -50; it comes after 50; expected even steps",
        ),
        (
            lambda d: d.assign_coords(time=with_step(d.time, 7, 60.0)),
            r"time\[7\] = 480; it comes after 360; expected even steps, most are 60",
        ),
        (lambda d: d.isel(time=slice(0, 4)), r"run 'a' has 4 frames; data.past = 3 and data.horizon = 2 need 5"),
        (lambda d: d.isel(z=0), rf"{NAME}: has dimensions \(run, time, y, x\); expected \(run, time, z, y, x\)"),
    ],
)
def test_bad_netcdf(tmp_path, change, said):
    write(change(cf_writer.dataset([plain_run()])), tmp_path / "r.nc")
    assert str(tmp_path / "r.nc") in refused(tmp_path, said)


def test_the_index_of_a_bad_value_counts_over_blocks_and_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "BLOCK_BYTES", 3 * 8 * 120)  # blocks of three frames
    data = cf_writer.dataset([plain_run("a"), plain_run("b")])
    write(with_value(NAME, (1, 7, 3, 2, 4), -1.0)(data), tmp_path / "r.nc")
    refused(tmp_path, r"\[run=1, time=7, z=3, y=2, x=4\] = -1 ")


def test_missing_values_below_ground_are_no_concentration(tmp_path):
    run = plain_run(terrain=30.0)
    below = run.below_ground()
    data = cf_writer.dataset([run])
    data[NAME].values[0][:, below] = np.nan
    write(data, tmp_path / "r.nc")
    windows = load(tmp_path, RECIPE)
    assert below.any() and (windows.past([0])[0][:, below] == 0).all()


@pytest.mark.parametrize(
    "other, said",
    [
        (plain_run("b", shape=(4, 6, 7)), r"2\.nc: run 'b': grid .* of \(4, 6, 7\) cells; .*1\.nc has \(4, 6, 5\)"),
        (plain_run("a", seed=1), r"2\.nc: a second run 'a', the first is in .*1\.nc"),
    ],
)
def test_files_that_disagree(tmp_path, other, said):
    write(cf_writer.dataset([plain_run("a")]), tmp_path / "1.nc")
    write(cf_writer.dataset([other]), tmp_path / "2.nc")
    refused(tmp_path, said)


def test_files_of_other_cells_or_frame_intervals(tmp_path):
    write(cf_writer.dataset([plain_run("a")]), tmp_path / "1.nc")
    data = cf_writer.dataset([plain_run("b")])
    write(data.assign_coords(z=data.z * 2), tmp_path / "2.nc")
    refused(tmp_path, r"cells \(dz, dy, dx\) of \(20, 100, 100\) m; .*1\.nc has \(10, 100, 100\) m")
    write(data.assign_coords(time=data.time * 5), tmp_path / "2.nc")
    refused(tmp_path, r"frames 300 s apart; .*1\.nc has 60 s")


def test_without_wind(tmp_path):
    write(cf_writer.dataset([plain_run(wind=False)]), tmp_path / "r.nc")
    refused(tmp_path, r"eastward_wind: missing; this recipe needs it \(--model\.wind false")
    windows = load(tmp_path, RECIPE.with_changes({"model": WITHOUT_WIND}))
    assert windows.wind([0]) is None


def test_without_labels_only_the_past_is_needed(tmp_path):
    recipe = RECIPE.with_changes({"data": {"stride": 2}})
    write(cf_writer.dataset([plain_run(frames=6)]), tmp_path / "r.nc")
    assert load(tmp_path, recipe).first.tolist() == [0]
    windows = load(tmp_path, recipe, labels=False)
    assert windows.first.tolist() == [1, 3] and windows.leads.tolist() == [2, 0]
    write(cf_writer.dataset([plain_run(frames=3)]), tmp_path / "r.nc")
    refused(tmp_path, "has 3 frames; data.past = 3 and data.horizon = 2 need 5")
    assert load(tmp_path, recipe, labels=False).first.tolist() == [0]
    write(cf_writer.dataset([plain_run(frames=2)]), tmp_path / "r.nc")
    refused(tmp_path, "has 2 frames; data.past = 3 need 3", labels=False)


@pytest.mark.parametrize("content", [b"", b"CDF", b"\x89HDF\r\n\x1a\n" + bytes(200), b"X,Y\n"])
def test_a_netcdf_file_that_is_none(tmp_path, content):
    (tmp_path / "bad.nc").write_bytes(content)
    refused(tmp_path, r"bad\.nc: cannot be read as NetCDF: ")


def test_a_netcdf_file_with_a_damaged_chunk(tmp_path):
    cf_writer.write_run(tmp_path / "r.nc", plain_run(frames=40, shape=(8, 12, 12)))
    content = bytearray((tmp_path / "r.nc").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    (tmp_path / "r.nc").write_bytes(content)
    refused(tmp_path, r"r\.nc: .*(cannot be read|= nan|= -)")


def test_files_of_another_kind(tmp_path):
    (tmp_path / "run.csv").write_text("1,2\n")
    refused(tmp_path / "run.csv", r"run\.csv: data of plume is a file \.nc, \.npz, \.pst, \.plt")
    refused(tmp_path, r"no file here ends in \.nc or \.npz or \.pst or \.plt")


# --- the prototype's archives: 2 frames, 3 x 4 x 2 cells (y, x, z) ---


def archive(folder, changes=None, together=False, scale=1e-6, **more):
    """The pair of a run whose conc is 1000 t + 100 y + 10 x + z mg m-3, in its folder."""
    t, y, x, z = np.indices((2, 3, 4, 2))
    rate, height = np.zeros((3, 4)), np.zeros((3, 4))
    rate[1, 2], height[1, 2] = 5.0, 6.0
    arrays = {"terrain": np.zeros((3, 4)), "source_q": rate, "source_h": height}
    arrays |= {"conc": (1000.0 * t + 100 * y + 10 * x + z) * scale} | more | (changes or {})
    labels = {name: arrays.pop(name) for name in ("conc", "units") if name in arrays}
    if together:
        np.savez(folder / "run.npz", **arrays, **labels)
    else:
        np.savez(folder / "run_maps.npz", **arrays)
        np.savez(folder / "run_labels.npz", **labels)


@pytest.mark.parametrize("together", [True, False])
def test_the_seeds_archives(tmp_path, together):
    archive(tmp_path, together=together)
    names = ["run.npz"] if together else ["run_maps.npz", "run_labels.npz"]
    for source in (tmp_path, *(tmp_path / name for name in names)):
        windows = load(source, CALM)
        assert windows.groups.tolist() == ["run"] and windows.shape == (2, 3, 4) and windows.wind([0]) is None
        # conc[t=0, y=2, x=3, z=1] = 231 mg m-3 stands at (z=1, y=2, x=3); a frame later it is 1000 more.
        found = windows.past([0])[0, 0, 1, 2, 3], windows.target([0])[0, 1, 2, 3]
        np.testing.assert_allclose(found, (231e-6, 1231e-6), rtol=1e-6)
        assert windows.cell == (10.0, 100.0, 100.0) and windows.x.tolist() == [50, 150, 250, 350]
        maps = windows.maps([0])
        # 5 g/s from 6 m above ground, in the lower of two cells of 10 m
        assert np.argwhere(maps.source_emission[0]).tolist() == [[0, 1, 2]]
        assert maps.source_emission[0, 0, 1, 2] == np.float32(5e-3) and maps.source_height[0, 0, 1, 2] == 6.0


def test_the_unit_of_an_archive(tmp_path):
    archive(tmp_path, scale=1.0, units=np.array("ug m-3"))
    windows = load(tmp_path, CALM)
    np.testing.assert_allclose(windows.past([0])[0, 0, 1, 2, 3], 231e-9, rtol=1e-6)
    assert windows.units == "ug m-3"


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"conc": np.zeros((3, 4, 2))}, r"run_labels\.npz: conc has shape \(3, 4, 2\); expected \(time, y, x, z\)"),
        ({"terrain": np.zeros((4, 3))}, r"run_maps\.npz: terrain has shape \(4, 3\); conc has \(y, x\) = \(3, 4\)"),
        ({"source_q": np.full((3, 4), -1.0)}, r"source_q\[y=0, x=0\] = -1; expected 0 or more"),
        ({"source_h": np.full((3, 4), np.nan)}, r"source_h\[y=0, x=0\] = nan; expected 0 or more"),
        ({"terrain": np.full((3, 4), np.inf)}, r"terrain\[y=0, x=0\] = inf; expected a number"),
        (
            {"conc": np.full((2, 3, 4, 2), -0.5)},
            r"run_labels\.npz: conc\[time=0, z=0, y=0, x=0\] = -0\.5 kg m-3; a con",
        ),
        ({"units": np.array("ppm")}, r"units 'ppm'; expected kg m-3, or what"),
        ({"conc": np.array([None])}, "cannot be read as a NumPy archive: Object arrays"),
    ],
)
def test_bad_archives(tmp_path, changes, said):
    archive(tmp_path, changes)
    refused(tmp_path, said, CALM)


def test_archives_that_lack_something(tmp_path):
    archive(tmp_path)
    refused(
        tmp_path,
        r"run_labels\.npz: eastward_wind: missing",
        RECIPE.with_changes({"model": {"transport": False, "base": "none"}, "data": {"past": 1}}),
    )
    (tmp_path / "run_maps.npz").unlink()
    refused(tmp_path, r"run_maps\.npz: no such file; a run is NAME_maps\.npz and NAME_labels\.npz", CALM)
    np.savez(tmp_path / "run_maps.npz", terrain=np.zeros((3, 4)))
    refused(tmp_path, r"run_maps\.npz: source_q: missing; needed: terrain, source_q, source_h", CALM)
    (tmp_path / "run_maps.npz").write_bytes(b"PK\x03\x04")
    refused(tmp_path, r"run_maps\.npz: cannot be read as a NumPy archive", CALM)
    (tmp_path / "run_labels.npz").unlink()
    refused(tmp_path, r"run_labels\.npz: no such file|run_maps\.npz: cannot", CALM)
