"""The loader: formats, grids, calendars and units by hand-worked values, and each kind of bad file refused."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr
from helpers.small_days import RECIPE_SMALL, contents, refused, rewrite, with_attribute, with_value

from kmodels.core.io import files
from kmodels.core.runs.cache import data_files
from kmodels.precip.data import load as loader
from kmodels.precip.data.load import SUFFIXES, load
from kmodels.precip.data.records import heavy_threshold
from kmodels.precip.data.split import day_in_block, split
from kmodels.precip.data.variables import DAY
from kmodels.precip.simulator.weather import block_mean

ALL = np.arange(12)
FINE, COARSE, STATIC = "fine-00000.nc", "coarse-00000.nc", "static.nc"


def same(days, other):
    np.testing.assert_allclose(days.rain(ALL), other.rain(ALL), rtol=1e-5)
    np.testing.assert_allclose(days.state(ALL), other.state(ALL), rtol=1e-5)
    np.testing.assert_array_equal(days.domain.land, other.domain.land)
    np.testing.assert_allclose(days.domain.lat, other.domain.lat)
    np.testing.assert_allclose(days.domain.lon, other.domain.lon)


def test_simulated_days(plain):
    assert len(plain) == 12 and plain.rain(ALL).shape == (12, 8, 6) and plain.state(ALL).shape == (12, 4, 3, 6)
    assert plain.rain([0]).dtype == plain.state([0]).dtype == "float32"
    assert [str(d)[:10] for d in plain.dates[[0, 11]]] == ["2001-01-01", "2001-01-12"]
    np.testing.assert_allclose(plain.state(ALL)[..., 0], block_mean(plain.rain(ALL), 2), rtol=1e-4)  # mm/day, both
    land = plain.domain.land
    np.testing.assert_allclose(plain.land_mean, plain.rain(ALL)[:, land].mean(1), rtol=1e-5)
    assert plain.domain.observed.all() and plain.domain.distance_to_coast.min() > 5
    assert land.mean() == pytest.approx(0.65, abs=0.03)


def test_taking_days(plain):
    some = plain.take([3, 1]).take([1])
    assert len(some) == 1 and str(some.dates[0])[:10] == "2001-01-02"
    np.testing.assert_array_equal(some.rain([0]), plain.rain([1]))
    np.testing.assert_array_equal(some.state([0]), plain.state([1]))
    assert some.land_mean == plain.land_mean[1] and some.groups == plain.groups[1]


@pytest.mark.parametrize(
    "units, factor",
    [
        ("mm/day", DAY),
        ("mm d-1", DAY),
        ("kg m**-2 s**-1", 1.0),
        ("kg/m2/s", 1.0),
        ("m s-1", 1e-3),
        ("mm day^-1", DAY),
        ("mm/h", 3600.0),
        ("m d-1", DAY / 1000),
        ("kg m-2s-1", 1.0),
        ("Kg/m^2/s", 1.0),
        ("kg/(m^2*s)", 1.0),
        ("kg m⁻² s⁻¹", 1.0),
    ],
)
def test_units_of_rain(folder, plain, units, factor):
    def change(data):
        return with_attribute("pr", units=units)(data.assign(pr=data.pr * factor))

    rewrite(folder / FINE, change)
    rewrite(folder / COARSE, change)
    same(load(folder, RECIPE_SMALL), plain)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian", "proleptic_gregorian"])
def test_calendars(folder, calendar):
    for name in (FINE, COARSE):
        rewrite(folder / name, with_attribute("time", calendar=calendar, units="days since 2004-02-27"))
    days = load(folder, RECIPE_SMALL)
    third = {"noleap": "2004-03-01", "360_day": "2004-02-29"}.get(calendar, "2004-02-29")
    assert str(days.dates[2])[:10] == third and days.dates[0].calendar == calendar
    assert [len(rows) for rows in split(days, RECIPE_SMALL).values()]


def test_a_date_without_bounds_is_that_of_the_time(folder, plain):
    rewrite(folder / FINE, lambda d: with_attribute("time", bounds=None)(d.drop_vars("time_bnds")))
    same(load(folder, RECIPE_SMALL), plain)
    # A mean that is stamped with the end of its day belongs to the day before.
    rewrite(folder / COARSE, lambda d: d.assign_coords(time=("time", d.time.values + 0.5, d.time.attrs)))
    same(load(folder, RECIPE_SMALL), plain)


def southward(data):
    return data.isel(lat=slice(None, None, -1), lon=slice(None, None, -1))


def rotated(data):
    """The same cells on dimensions of other names, their places in two dimensions, at longitudes above 180."""
    lat, lon = xr.broadcast(data.lat, data.lon)
    data = data.rename(lat="rlat", lon="rlon").drop_vars(["rlat", "rlon"])
    return data.assign_coords(
        latitude=(("rlat", "rlon"), lat.values, {"units": "degrees_north"}),
        longitude=(("rlon", "rlat"), (lon.values + 360).T % 720 - 360, {"units": "degrees_east"}),
    )


def with_level(data):
    fields = {n: v.expand_dims(height=[2.0]) for n, v in data.data_vars.items() if "time" in v.dims and v.ndim == 3}
    return data.assign(fields)


@pytest.mark.parametrize(
    "change", [southward, rotated, with_level, lambda d: d.transpose(..., "time", missing_dims="ignore")]
)
@pytest.mark.parametrize("which", [[FINE], [FINE, COARSE, STATIC]])
def test_layouts(folder, plain, change, which):
    for name in which:
        rewrite(folder / name, change)
    same(load(folder, RECIPE_SMALL), plain)


def test_zarr_a_file_a_variable_and_a_file_a_time(folder, plain):
    coarse, fine = contents(folder / COARSE), contents(folder / FINE)
    for name in (COARSE, FINE):
        (folder / name).unlink()
    names = [n for n in coarse.data_vars if n != "time_bnds"]
    for name in names[:3]:
        coarse.drop_vars([n for n in names if n != name]).to_zarr(folder / f"coarse_{name}.zarr", zarr_format=2)
    coarse.drop_vars(names[:3]).to_netcdf(folder / "coarse_rest.nc", engine="scipy")
    fine.isel(time=slice(5, 12)).to_zarr(folder / "Fine_a.zarr", zarr_format=2)
    fine.isel(time=slice(0, 5)).to_netcdf(folder / "fine_b.nc", engine="scipy")
    days = load(folder, RECIPE_SMALL)
    same(days, plain)
    np.testing.assert_array_equal(days.rain([7, 2, 9, 2]), plain.rain([7, 2, 9, 2]))
    first = files.sha256(*data_files(folder, SUFFIXES))
    chunk = next(
        p for p in sorted((folder / "Fine_a.zarr" / "pr").rglob("*")) if p.is_file() and not p.name.startswith(".")
    )
    chunk.write_bytes(chunk.read_bytes() + b"x")
    assert files.sha256(*data_files(folder, SUFFIXES)) != first


def test_only_the_days_that_all_variables_have(folder, plain):
    rewrite(folder / COARSE, lambda d: d.isel(time=[0, 2, 3, 8]))
    rewrite(folder / FINE, lambda d: d.isel(time=slice(2, 9)))
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_array_equal(days.rain([0, 1, 2]), plain.rain([2, 3, 8]))
    np.testing.assert_array_equal(days.state([0, 1, 2]), plain.state([2, 3, 8]))
    assert len(load(folder, RECIPE_SMALL, labels=False)) == 4


def test_states_alone_are_enough_to_draw_rain(folder, plain):
    (folder / FINE).unlink()
    days = load(folder, RECIPE_SMALL, labels=False)
    assert not days.has_rain and np.isnan(days.land_mean).all()
    np.testing.assert_array_equal(days.state(ALL), plain.state(ALL))
    refused(folder, r"days: no fine\*\.nc or fine\*\.zarr; files' names begin with coarse, fine, static")


def test_predictors_are_those_of_the_recipe_in_its_order(folder, plain):
    recipe = RECIPE_SMALL.with_changes({"data": {"predictors": ["tas", "pr"]}})
    np.testing.assert_array_equal(load(folder, recipe).state(ALL), plain.state(ALL)[..., [3, 0]])
    recipe = RECIPE_SMALL.with_changes({"data": {"predictors": ["tas", "hus"]}})
    refused(folder, r"coarse-00000\.nc: hus: missing in .*; they have pr, prw, psl, tas, uas, vas$", recipe)


def test_rain_that_is_read_when_asked_for(folder, plain, monkeypatch):
    monkeypatch.setattr(loader, "KEPT_BYTES", 0)
    monkeypatch.setattr(loader, "BLOCK_BYTES", 5 * 4 * 48)  # blocks of five days
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_array_equal(days.rain([9, 0]), plain.rain([9, 0]))
    np.testing.assert_array_equal(days.land_mean, plain.land_mean)
    rewrite(folder / FINE, with_value("pr", (7, 2, 3), -1.0))
    refused(folder, r"pr\[time=7, lat=2, lon=3\] = -1;")
    rewrite(folder / FINE, with_value("pr", (7, 2, 3), 0.0))
    rewrite(folder / COARSE, lambda d: d.isel(time=[2, 9]))
    np.testing.assert_array_equal(load(folder, RECIPE_SMALL).rain([1]), plain.rain([9]))


def test_missing_rain_over_the_sea_is_not_observed(folder, plain):
    y, x = np.argwhere(~plain.domain.land)[0]
    rewrite(folder / FINE, with_value("pr", (3, y, x), np.nan))
    days = load(folder, RECIPE_SMALL)
    assert days.rain([3])[0, y, x] == 0 and not days.domain.observed[y, x] and days.domain.observed.sum() == 47


def test_distance_to_coast_is_worked_out_where_no_file_has_it(folder, plain):
    rewrite(folder / STATIC, lambda d: with_attribute("sftlf", units="%")(d.assign(sftlf=d.sftlf * 100)))
    rewrite(folder / STATIC, lambda d: d.drop_vars("distance_to_coast"))
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_array_equal(days.domain.land, plain.domain.land)
    np.testing.assert_allclose(days.domain.distance_to_coast, plain.domain.distance_to_coast, rtol=1e-5)


def land_cell(data):
    return tuple(np.argwhere(data["sftlf"].values == 1)[0])


@pytest.mark.parametrize(
    "name, change, said",
    [
        (
            FINE,
            with_value("pr", (4, 1, 2), -1e-6),
            r"fine-00000\.nc: pr\[time=4, lat=1, lon=2\] = -1e-06; rain is 0 or",
        ),
        (FINE, with_value("pr", (4, 1, 2), np.inf), r"pr\[time=4, lat=1, lon=2\] = inf; rain is at most 2000 mm/day"),
        (FINE, with_attribute("pr", units="K"), r"fine-00000\.nc: pr: units 'K'; rain is expected as a rate, such as"),
        (FINE, with_attribute("pr", units="mm"), r"pr: at most .* mm/day on any day; .* are the units right"),
        (FINE, with_attribute("pr", units=None), r"pr: units missing; rain is expected as a rate, .* or a sum"),
        (FINE, with_attribute("pr", units="mm/day"), r"pr: at most .* mm/day on any day; .* are the units right"),
        (FINE, lambda d: with_attribute("pr", units="kg m-2 s-1")(d.assign(pr=d.pr * DAY)), "more than ever fell"),
        (
            FINE,
            lambda d: d.rename(pr="x").pipe(with_attribute("x", standard_name=None)),
            r"fine-.*: pr: missing in all",
        ),
        (
            FINE,
            lambda d: d.isel(lat=slice(0, 7)),
            r"fine-00000\.nc: grid: \(y, x\) of \(7, 6\) cells; .*static\.nc has",
        ),
        (
            FINE,
            lambda d: d.assign_coords(lat=("lat", d.lat.values + 0.1, d.lat.attrs)),
            r"fine.*lat\[y=0, x=0\] = 40\.2",
        ),
        (FINE, lambda d: d.isel(time=[0, 2, 1]), r"time\[2\]: 2001-01-02 .* comes after 2001-01-03 .*; expected one"),
        (FINE, lambda d: d.isel(time=[0, 0, 1]), r"time\[1\]: 2001-01-01 .* comes after 2001-01-01"),
        (FINE, with_attribute("time", units="days"), r"time: units 'days', calendar 'standard'"),
        (FINE, with_attribute("time", calendar="lunar"), r"time: units .*, calendar 'lunar'"),
        (FINE, with_attribute("time", calendar="noleap"), r"fine-.*: time: calendar noleap; .*coarse.* has standard"),
        (
            FINE,
            with_attribute("time", units="days since 1950-01-01"),
            r"no day that all variables have: pr 20010101 to 2",
        ),
        (FINE, lambda d: d.isel(lat=0), r"latitude: has dimensions \(\); expected"),
        (FINE, lambda d: d.drop_vars("lat"), r"latitude: missing; a variable with standard_name latitude or units"),
        (FINE, with_value("lat", 2, 95.0), r"latitude\[lat=2\] = 95; expected degrees from -90 to 90"),
        (
            FINE,
            lambda d: d.assign(pr=d.pr.isel(time=0)),
            r"pr: has dimensions \(lat, lon\); expected \(time, lat, lon\)",
        ),
        (
            COARSE,
            with_value("psl", (3, 0, 1), np.nan),
            r"coarse-00000\.nc: psl\[time=3, lat=0, lon=1\] = nan; expected a",
        ),
        (COARSE, with_attribute("pr", units="dBZ"), r"coarse-00000\.nc: pr: units 'dBZ'; rain is expected as"),
        (
            COARSE,
            lambda d: d.assign_coords(lon=("lon", d.lon.values + 0.2, d.lon.attrs)),
            r"lon\[y=0, x=0\] = 0\.5; its 2 x 2 fine cells have their middle at 0\.3; the grids do not nest",
        ),
        (
            COARSE,
            lambda d: d.isel(lon=slice(0, 2)),
            r"coarse.*grid: \(y, x\) of \(4, 2\) cells; the recipe has \(4, 3\)",
        ),
        (
            STATIC,
            lambda d: d.drop_vars(["sftlf", "orog"]),
            r"sftlf: missing, and so is orog; the share of land",
        ),
        (STATIC, with_value("distance_to_coast", (1, 2), np.nan), r"distance_to_coast\[lat=1, lon=2\] = nan; expected"),
        (
            STATIC,
            with_attribute("distance_to_coast", units="hour"),
            r"distance_to_coast: units 'hour'; expected km, or what can be converted to it",
        ),
        (STATIC, lambda d: d.assign(sftlf=d.sftlf * 3.0), r"sftlf\[y=\d, x=\d\] = 3; a share of land lies from 0 to 1"),
    ],
)
def test_bad_files(folder, name, change, said):
    rewrite(folder / name, change)
    refused(folder, said)


def test_nan_over_land(folder, plain):
    y, x = np.argwhere(plain.domain.land)[0]
    rewrite(folder / FINE, with_value("pr", (5, y, x), np.nan))
    refused(
        folder, rf"pr\[time=5, lat={y}, lon={x}\] = nan; rain over land is a number; over the sea it may be missing"
    )


def test_a_bad_value_is_named_by_its_place_in_a_file_that_runs_southward(folder):
    rewrite(folder / FINE, lambda d: with_value("pr", (4, 1, 2), -1.0)(southward(d)))
    refused(folder, r"pr\[time=4, lat=1, lon=2\] = -1; rain is 0 or more")


def test_other_things_that_are_no_data_set(folder, tmp_path):
    refused(tmp_path / "nowhere", "no such file or folder")
    refused(
        folder,
        r"grid: \(y, x\) of \(8, 6\) cells; the recipe has \(12, 6\)",
        RECIPE_SMALL.with_changes({"data": {"grid": {"ny": 12}}}),
    )
    shutil.copy(folder / FINE, folder / "fine-again.nc")
    refused(folder, r"fine-again\.nc: time\[0\]: 2001-01-01 .* is in .*fine-00000\.nc, too")
    (folder / "fine-bad.nc").write_bytes(b"no NetCDF")
    refused(folder, r"fine-bad\.nc: cannot be read as NetCDF")
    shutil.copy(folder / STATIC, folder / "static2.nc")
    refused(folder, r"static2\.nc: a second static file")


def seed_folder(folder, days):
    """The same days in the prototype's layout."""
    for name, arrays in (("X_lr", days.state(ALL)), ("Y_hr", days.rain(ALL))):
        (folder / name).mkdir(parents=True)
        for k, array in enumerate(arrays):
            np.save(folder / name / f"day_{k + 40:06d}.npy", array)
    np.save(folder / "statics.npy", np.stack([days.domain.land, days.domain.distance_to_coast], axis=-1))
    (folder / "split.json").write_text(json.dumps({"train": [40, 41, 42, 43], "val": [45], "test": [50, 51]}))
    (folder / "categories.json").write_text(json.dumps({"heavy": [41, 50], "dry": [42]}))
    (folder / "thresholds.json").write_text(json.dumps({"P95": 20.1}))
    return folder


def test_the_seed_s_folder(tmp_path, plain, capsys):
    folder = seed_folder(tmp_path / "seed", plain)
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_array_equal(days.rain([5, 2]), plain.rain([5, 2]))
    np.testing.assert_array_equal(days.state(ALL), plain.state(ALL))
    np.testing.assert_allclose(days.land_mean, plain.land_mean, rtol=1e-5)
    parts = split(days, RECIPE_SMALL)
    assert [parts[p].tolist() for p in ("train", "validation", "test")] == [[0, 1, 2, 3], [5], [10, 11]]
    assert np.flatnonzero(days.heavy(0.0)).tolist() == [1, 10] and days.thresholds == {"P95": 20.1}
    for name in ("split.json", "categories.json"):
        (folder / name).unlink()
    rain = np.load(folder / "Y_hr" / "day_000045.npy")
    rain[0, 0] = -1e-12
    np.save(folder / "Y_hr" / "day_000045.npy", rain)
    days = load(folder, RECIPE_SMALL)
    assert days.rain(ALL).min() == 0 and "Y_hr: 1 of 576 values were off by at most 1e-12" in capsys.readouterr().err
    assert days.part is None and days.heavy(1e9).sum() == 0


@pytest.mark.parametrize(
    "spoil, said",
    [
        (
            lambda f: np.save(f / "Y_hr/day_000045.npy", np.full((8, 6), -1.0)),
            r"day_000045\.npy: Y_hr\[y=0, x=0\] = -1;",
        ),
        (
            lambda f: np.save(f / "Y_hr/day_000045.npy", np.zeros((8, 7))),
            r"day_000045\.npy: has shape \(8, 7\); .*\(8, 6\)",
        ),
        (
            lambda f: np.save(f / "X_lr/day_000045.npy", np.full((4, 3, 6), np.nan)),
            r"X_lr\[y=0, x=0, variable=0\] = nan",
        ),
        (lambda f: np.save(f / "X_lr/day_000045.npy", np.zeros((4, 3, 7))), r"shape \(4, 3, 7\); .*\(4, 3, 6\)"),
        (lambda f: (f / "X_lr/day_000045.npy").write_bytes(b""), r"day_000045\.npy: cannot be read as a NumPy array"),
        (lambda f: (f / "statics.npy").unlink(), r"statics\.npy: no such file"),
        (lambda f: (f / "split.json").write_text("{"), r"split\.json: cannot be read as JSON"),
        (
            lambda f: (f / "split.json").write_text('{"dev": [40]}'),
            r"split\.json: 'dev'; expected train, val, validation",
        ),
        (
            lambda f: (f / "split.json").write_text('{"train": [40], "test": [40]}'),
            r"split\.json: day 40 is in 'test' and",
        ),
        (lambda f: shutil.rmtree(f / "Y_hr"), r"no day_NNNNNN\.npy that is in X_lr and in Y_hr"),
    ],
)
def test_bad_folders_of_the_seed(tmp_path, plain, spoil, said):
    folder = seed_folder(tmp_path / "seed", plain)
    spoil(folder)
    refused(folder, said)


def test_parts_are_blocks_of_days_with_gaps(plain):
    recipe = RECIPE_SMALL.with_changes({"data": {"split": [0.4, 0.3, 0.3]}})
    assert len(np.unique(plain.groups)) in (3, 4)
    parts = split(plain, recipe)
    place = day_in_block(plain, 4)
    used = np.concatenate(list(parts.values()))
    assert len(np.unique(used)) == len(used)
    part_of = {int(r): name for name, rows in parts.items() for r in rows}
    for row in range(1, 12):
        if row in part_of and row - 1 in part_of and part_of[row] != part_of[row - 1]:
            raise AssertionError(f"days {row - 1} and {row} are neighbours in two parts")
    left_out = np.setdiff1d(ALL, used)
    assert len(left_out) and (place[left_out] == 0).all()


def test_heavy_days_lie_above_a_quantile_of_training_days(plain):
    threshold = heavy_threshold(plain, 0.75)
    assert plain.heavy(threshold).sum() == 3
    assert plain.land_mean[plain.heavy(threshold)].min() > threshold >= np.sort(plain.land_mean)[8]
