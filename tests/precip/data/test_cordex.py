"""Folders in the form of CORDEX ML-Bench: predictors on a larger domain of their own grid, rain without units."""

import shutil

import numpy as np
import pytest
from helpers.cf_check import check_cf
from helpers.small_days import contents, refused, rewrite, with_attribute, with_value, written

import kmodels
from kmodels.precip.data.load import load, sizes
from kmodels.precip.data.variables import SIMULATED_ALOFT
from kmodels.precip.recipe import RECIPE
from kmodels.precip.simulator import regional

GRID = {"ny": 16, "nx": 24, "coarse_ny": 5, "coarse_nx": 6}
RECIPE_CORDEX = (
    RECIPE()
    .with_changes({"data": RECIPE.VARIANTS["cordex"]["data"]})
    .with_changes({"seed": 7, "data": {"n_days": 8, "outer_scale": 4.0, "grid": GRID}})
)
PREDICTORS, STATIC, TARGET = (
    "predictors/simulated-00000.nc",
    "predictors/Static_fields.nc",
    "target/pr_simulated-00000.nc",
)
ALL = np.arange(8)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return written(tmp_path_factory.mktemp("cordex"), RECIPE_CORDEX)


@pytest.fixture(scope="module")
def plain(once):
    return load(once, RECIPE_CORDEX)


def test_the_variant_has_the_benchmarks_sizes():
    data = RECIPE().with_changes(RECIPE.VARIANTS["cordex"]).data
    assert data.grid.fine == (128, 128) and data.grid.coarse_shape == (16, 16) and not data.grid.nested
    lat, lon = regional.fine_places(data.grid.fine)
    coarse = regional.coarse_places(data.grid.coarse_shape)
    for inner, outer in zip((lat, lon), coarse, strict=True):
        assert outer.min() + 2 < inner.min() and inner.max() < outer.max() - 2  # degrees


def test_a_cf_checker_finds_nothing(once):
    done = check_cf(*(once / name for name in (PREDICTORS, STATIC, TARGET)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_in_the_files(once):
    aloft, static, target = (contents(once / name) for name in (PREDICTORS, STATIC, TARGET))
    assert set(SIMULATED_ALOFT) <= set(aloft) and aloft.z_850.dims == ("time", "lat", "lon")
    assert np.diff(aloft.lat).tolist() == [2] * 4 and np.diff(aloft.lon).tolist() == [2] * 5
    assert target.pr.dims == ("time", "y", "x") and "units" not in target.pr.attrs
    assert target.crs.attrs["grid_mapping_name"] == "lambert_conformal_conic" and target.lat.dims == ("y", "x")
    np.testing.assert_allclose(np.diff(static.x), 12500)
    assert static.orog.shape == (16, 24) and "sftlf" not in static


def test_days_as_they_were_simulated(plain, once):
    assert plain.predictors == SIMULATED_ALOFT and plain.states.shape == (8, 5, 6, 15)
    target, static = contents(once / TARGET), contents(once / STATIC)
    np.testing.assert_array_equal(plain.rain(ALL), target.pr.values)  # mm/day
    np.testing.assert_array_equal(plain.domain.land, static.orog.values > 0)
    places = regional.RegionalWeather(RECIPE_CORDEX.data, np.zeros((16, 24))).places
    np.testing.assert_allclose(plain.domain.places, places, atol=1e-6)
    projection = plain.domain.projection
    assert projection.units == ("m", "m") and projection.mapping["standard_parallel"] == 49.5
    np.testing.assert_array_equal(projection.x, static.x)


def test_sizes_are_taken_from_the_folder(once, capsys):
    found = sizes(once, {})
    assert found == {f"data.grid.{name}": n for name, n in GRID.items()} | {"data.grid.nested": False}
    words = {"data.rain_units": "mm/day", "data.block_days": 2, "data.gap_days": 1}
    days = kmodels.read("precip", once, **words)
    assert len(days) == 8
    said = capsys.readouterr().err
    assert "data.grid.nested False" in said and "no land mask: the cells above 0 m are land, 6" in said


def test_other_predictors_in_a_file_each(folder, plain):
    """The files of a folder called predictors are one coarse state, whatever they are called."""
    for name in ("z_850", "q_500"):
        rewrite_as(folder / PREDICTORS, folder / f"predictors/{name}_ERA5.nc", name)
    (folder / PREDICTORS).unlink()
    assert sizes(folder, {})["data.predictors"] == ("q_500", "z_850")  # in the order of the files
    recipe = RECIPE_CORDEX.with_changes({"data": {"predictors": ["z_850", "q_500"]}})
    np.testing.assert_array_equal(load(folder, recipe).states, plain.states[..., [0, 14]])


def rewrite_as(path, other, name):
    shutil.copy(path, other)
    rewrite(other, lambda data: data[[name, "time_bnds"]])


def test_a_target_that_runs_southward_is_turned(folder, plain):
    for name in (STATIC, TARGET):
        rewrite(folder / name, lambda data: data.isel(y=slice(None, None, -1)))
    days = load(folder, RECIPE_CORDEX)
    np.testing.assert_array_equal(days.rain(ALL), plain.rain(ALL))
    np.testing.assert_array_equal(days.domain.projection.y, plain.domain.projection.y)
    np.testing.assert_allclose(days.domain.places, plain.domain.places, atol=1e-6)


def test_without_rain_the_predictors_folder_is_enough(folder, plain):
    days = load(folder / "predictors", RECIPE_CORDEX, labels=False)
    np.testing.assert_array_equal(days.states, plain.states)
    assert not days.has_rain


def test_a_projection_without_units_is_left_out(folder):
    rewrite(folder / STATIC, with_attribute("x", units=None))
    rewrite(folder / TARGET, with_attribute("x", units=None))
    assert load(folder, RECIPE_CORDEX).domain.projection is None


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (TARGET, lambda d: d, r"target/pr_simulated-00000\.nc: pr: units missing; .*data\.rain_units says it"),
        (PREDICTORS, with_value("t_700", (2, 1, 3), np.nan), r"t_700\[time=2, lat=1, lon=3\] = nan; expected a number"),
        (
            PREDICTORS,
            lambda d: d.isel(lat=slice(3)).assign_coords(lat=("lat", d.lat.values[:3] - 4, d.lat.attrs)),
            r"Static_fields\.nc: lat\[y=0, x=0\] = 45\.1\d*; this cell lies outside .*simulated-00000\.nc, whose "
            r"middles have lat 38 to 42 and lon 4 to 14; predictors must reach over the fine grid",
        ),
        (STATIC, lambda d: d.drop_vars("orog"), r"sftlf: missing, and so is orog"),
    ],
)
def test_bad_files(folder, name, change, said):
    rewrite(folder / name, change)
    rows = contents(folder / PREDICTORS).sizes["lat"]
    told = "" if name == TARGET else "mm/day"
    refused(folder, said, RECIPE_CORDEX.with_changes({"data": {"rain_units": told, "grid": {"coarse_ny": rows}}}))


def test_a_grid_that_nests_in_number_alone_does_not_nest(folder):
    """4 x 6 cells of 2 degrees over 16 x 24 of 12.5 km: blocks of 4 by number, and nowhere near by place."""
    rewrite(folder / PREDICTORS, lambda data: data.isel(lat=slice(0, 4)))
    assert sizes(folder, {})["data.grid.nested"] is False
    grid = {"ny": 16, "nx": 24, "block": 4}
    refused(folder, "do not nest", RECIPE().with_changes({"data": {"grid": grid, "predictors": ["z_850"]}}))


def test_a_recipe_that_contradicts_itself():
    with pytest.raises(ValueError, match=r"exact_posterior: the law is known for grid\.nested = true alone"):
        changes = {"data": {"grid": {"nested": False}}}
        RECIPE().with_changes(RECIPE.VARIANTS["exact_posterior"]).with_changes(changes)
