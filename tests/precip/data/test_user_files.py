"""Files as people have them: units, names, sums, axes, calendars, versions, rounding, dates; each by known values."""

import shutil

import numpy as np
import pytest
import xarray as xr
from helpers.small_days import RECIPE_SMALL, refused, rewrite, with_attribute, with_value

from kmodels.core.spec.errors import UserError
from kmodels.precip.data.load import load
from kmodels.precip.data.variables import DAY

ALL = np.arange(12)
FINE, COARSE, STATIC = "fine-00000.nc", "coarse-00000.nc", "static.nc"


def same(days, other):
    np.testing.assert_allclose(days.rain(ALL), other.rain(ALL), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(days.state(ALL), other.state(ALL), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(days.domain.land, other.domain.land)
    np.testing.assert_array_equal(days.domain.lat, other.domain.lat)
    np.testing.assert_array_equal(days.domain.lon, other.domain.lon)


def rain_as(name, factor, **attributes):
    """A change of rain [kg m-2 s-1] to another variable of other numbers."""

    def change(data):
        data = data.assign(pr=data.pr * factor).rename(pr=name)
        data[name].attrs = attributes
        return data

    return change


def without_bounds(data):
    return with_attribute("time", bounds=None)(data.drop_vars("time_bnds"))


# -- rain ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit, factor", [("mm/day", DAY), ("mm", DAY), ("kg m-2 s-1", 1.0)])
def test_rain_without_a_unit_is_in_the_one_that_is_told(folder, plain, unit, factor):
    """As in downscaling benchmarks; a file that says its own unit keeps it."""
    rewrite(folder / FINE, rain_as("pr", factor))
    refused(folder, "units missing; .*; data.rain_units says it where files do not")
    recipe = RECIPE_SMALL.with_changes({"data": {"rain_units": unit}})
    same(load(folder, recipe), plain)
    rewrite(folder / COARSE, rain_as("pr", factor))
    same(load(folder, recipe), plain)
    refused(folder, "units 'K'; rain is expected", RECIPE_SMALL.with_changes({"data": {"rain_units": "K"}}))


@pytest.mark.parametrize("unit, factor", [("mm", DAY), ("kg m-2", DAY), ("m", DAY / 1000), ("kg m⁻²", DAY)])
@pytest.mark.parametrize("bounds", [True, False])
def test_sums_over_a_day(folder, plain, unit, factor, bounds):
    for name in (FINE, COARSE):
        rewrite(folder / name, rain_as("pr", factor, units=unit))
        if not bounds:
            rewrite(folder / name, without_bounds)
    same(load(folder, RECIPE_SMALL), plain)


@pytest.mark.parametrize(
    "name, attributes, factor",
    [
        ("rain", {"standard_name": "precipitation_amount", "units": "kg m-2"}, DAY),
        ("rain", {"standard_name": "rainfall_amount", "units": "kg m-2"}, DAY),
        ("rain", {"standard_name": "lwe_thickness_of_precipitation_amount", "units": "m"}, DAY / 1000),
        ("rr", {"standard_name": "thickness_of_rainfall_amount", "units": "mm"}, DAY),  # E-OBS
        ("RR", {"units": "mm"}, DAY),
        ("precipitation", {"units": "mm/day"}, DAY),  # IMERG
        ("tp", {"units": "m", "standard_name": "unknown"}, DAY / 1000),  # ERA5
        ("TOT_PREC", {"units": "kg m-2"}, DAY),  # COSMO
        ("precip", {"units": "mm/24h"}, DAY),
    ],
)
def test_names_of_rain(folder, plain, name, attributes, factor):
    for file in (FINE, COARSE):
        rewrite(folder / file, rain_as(name, factor, **attributes))
    same(load(folder, RECIPE_SMALL), plain)


def test_two_variables_that_could_be_rain_are_asked_about(folder):
    rewrite(folder / FINE, lambda d: rain_as("tp", DAY, units="mm")(d).pipe(lambda e: e.assign(rr=e.tp)))
    refused(folder, r"fine-00000\.nc: rr and tp: each could be pr; one of them needs that name")


def every_fifth_day(data):
    start = data.time.values - 0.5
    return without_bounds(data).assign_coords(time=("time", 5 * start, data.time.attrs))


def bounds_of(days):
    def change(data):
        start = data.time_bnds.values[:, :1]
        return data.assign(time_bnds=(("time", "bnds"), np.concatenate([start, start + days], axis=1)))

    return change


@pytest.mark.parametrize(
    "change, said",
    [
        (every_fifth_day, r"fine.*: pr: a sum, and days lie 5 days apart; expected sums over one day: make them"),
        (bounds_of(31), r"fine.*: length of time\[time=0\] = 31; days between its bounds; expected 1: make daily"),
        (bounds_of(0.25), r"fine.*: length of time\[time=0\] = 0\.25; days over which pr is a sum; expected 1"),
        (lambda d: d.assign_coords(time=("time", d.time.values / 24, d.time.attrs)).pipe(without_bounds), "make daily"),
    ],
)
def test_sums_over_anything_but_a_day_are_refused(folder, change, said):
    rewrite(folder / FINE, rain_as("pr", DAY, units="mm"))
    rewrite(folder / FINE, change)
    refused(folder, said)


# -- rounding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, variable", [(FINE, "pr"), (COARSE, "pr")])
def test_rain_a_little_below_zero_is_clipped_and_counted(folder, plain, capsys, name, variable):
    rewrite(folder / name, with_value(variable, (4, 1, 2), -1e-12))
    rewrite(folder / name, with_value(variable, (5, 1, 2), -4e-7))
    days = load(folder, RECIPE_SMALL)
    assert days.rain(ALL).min() >= 0 and days.state(ALL)[..., 0].min() >= 0
    said = capsys.readouterr().err
    size = 12 * (48 if name == FINE else 12)
    assert f"{name}: pr: 2 of {size} values were off by at most 0.035 mm day-1: clipped; rain is 0 or more" in said


def test_coarse_rain_that_cannot_be_is_refused(folder):
    rewrite(folder / COARSE, with_value("pr", (4, 1, 2), -1e-6))
    refused(folder, r"coarse-00000\.nc: pr\[time=4, lat=1, lon=2\] = -1e-06; rain is 0 or more")


@pytest.mark.parametrize("unit, factor", [("1", 1.0), ("%", 100.0), ("(0 - 1)", 1.0), (None, 1.0)])
def test_shares_of_land_a_little_outside_are_clipped_and_counted(folder, plain, capsys, unit, factor):
    def change(data):
        share = np.where(data.sftlf.values == 1, 1.0004, -2e-5) * factor
        share[0, 0] = factor * (1.0000001 if data.sftlf.values[0, 0] else 0)  # 100.00001 %
        return with_attribute("sftlf", units=unit)(data.assign(sftlf=(data.sftlf.dims, share, data.sftlf.attrs)))

    rewrite(folder / STATIC, change)
    same(load(folder, RECIPE_SMALL), plain)
    assert "values were off by at most 0.0004: clipped; a share of land lies from 0 to 1" in capsys.readouterr().err


def test_a_share_that_is_off_by_more_is_refused(folder):
    rewrite(folder / STATIC, lambda d: d.assign(sftlf=d.sftlf * 1.01))
    refused(folder, r"sftlf\[y=\d, x=\d\] = 1\.01; a share of land lies from 0 to 1")


# -- files, axes, versions, calendars --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nc4", ".NC4", ".cdf", ".netcdf"])
def test_other_suffixes(folder, plain, suffix):
    for name in (FINE, COARSE, STATIC):
        (folder / name).rename((folder / name).with_suffix(suffix))
    same(load(folder, RECIPE_SMALL), plain)


def as_era5(data):
    """As the climate data store writes it: valid_time, expver and number beside, units in its own words."""
    data = without_bounds(data).rename(time="valid_time", lat="latitude", lon="longitude")
    data["valid_time"].attrs = {
        "standard_name": "time",
        "units": "seconds since 1970-01-01",
        "calendar": "proleptic_gregorian",
    }
    seconds = (data.valid_time.values - 0.5 + 11323) * DAY  # days from 1970 to 2001
    data = data.assign_coords(valid_time=("valid_time", seconds.astype("int32"), data.valid_time.attrs))
    versions = np.array([b"0001"] * 12).astype("S4")
    return data.assign_coords(number=((), 0), expver=("valid_time", versions))


def test_era5_s_valid_time_and_land_mask(folder, plain):
    for name in (FINE, COARSE):
        rewrite(folder / name, as_era5)

    def change(data):
        data = data.rename(sftlf="lsm").expand_dims(valid_time=[0])
        data["lsm"].attrs = {"units": "(0 - 1)", "standard_name": "land_binary_mask"}
        return data.drop_vars("distance_to_coast").assign(distance_to_coast=data.distance_to_coast.isel(valid_time=0))

    rewrite(folder / STATIC, change)
    days = load(folder, RECIPE_SMALL)
    same(days, plain)
    assert str(days.dates[0])[:10] == "2001-01-01"
    rewrite(folder / STATIC, with_attribute("lsm", standard_name=None))
    same(load(folder, RECIPE_SMALL), plain)


def test_of_two_versions_the_one_that_has_a_value_is_taken(folder, plain):
    def change(data):
        versions = xr.concat([data, data], dim="expver").assign_coords(expver=[1, 5])
        fields = [n for n in data.data_vars if data[n].ndim == 3]
        for name in fields:
            values = versions[name].transpose("time", "expver", "lat", "lon").values.copy()
            values[8:, 0], values[:8, 1] = np.nan, np.nan
            versions[name] = (("time", "expver", "lat", "lon"), values, data[name].attrs)
        return versions.assign(time_bnds=data.time_bnds)

    for name in (FINE, COARSE):
        rewrite(folder / name, change)
    same(load(folder, RECIPE_SMALL), plain)
    rewrite(folder / FINE, with_value("pr", (4, slice(None), 1, 2), -1.0))
    refused(folder, r"pr\[time=4, lat=1, lon=2\] = -1; rain is 0 or more")


@pytest.mark.parametrize("said", [{}, {"axis": True}])
def test_2d_coordinates_and_fields_with_columns_first(folder, plain, said):
    def change(data):
        lat, lon = xr.broadcast(data.lat, data.lon)
        data = data.rename(lat="rlat", lon="rlon").drop_vars(["rlat", "rlon"])
        if said:
            axes = {"rlat": ("rlat", np.arange(data.sizes["rlat"]), {"axis": "Y"})}
            data = data.assign_coords(axes | {"rlon": ("rlon", np.arange(data.sizes["rlon"]), {"axis": "X"})})
        data = data.assign_coords(
            latitude=(("rlon", "rlat"), lon_first(lat), {"units": "degrees_north"}),
            longitude=(("rlon", "rlat"), lon_first(lon), {"units": "degrees_east"}),
        )
        return data.transpose("rlon", "rlat", ..., missing_dims="ignore")

    def lon_first(values):
        return values.transpose("lon", "lat").values

    for name in (FINE, COARSE, STATIC):
        rewrite(folder / name, change)
    same(load(folder, RECIPE_SMALL), plain)


@pytest.mark.parametrize("calendar", ["proleptic_gregorian", "gregorian"])
def test_calendars_that_are_equal_since_1582_go_together(folder, plain, calendar):
    rewrite(folder / COARSE, with_attribute("time", calendar=calendar))
    days = load(folder, RECIPE_SMALL)
    same(days, plain)
    fine = shutil.move(folder / FINE, folder / "fine-a.nc")
    shutil.copy(fine, folder / "fine-b.nc")
    rewrite(folder / "fine-a.nc", lambda d: d.isel(time=slice(0, 5)))
    rewrite(folder / "fine-b.nc", lambda d: with_attribute("time", calendar=calendar)(d.isel(time=slice(5, 12))))
    same(load(folder, RECIPE_SMALL), plain)
    assert {d.calendar for d in load(folder, RECIPE_SMALL).dates} == {days.dates[0].calendar}


@pytest.mark.parametrize(
    "calendar, since", [("noleap", "2001-01-01"), ("julian", "2001-01-01"), ("proleptic_gregorian", "1400-01-01")]
)
def test_calendars_with_other_days_are_refused(folder, calendar, since):
    for name, given in ((FINE, "standard"), (COARSE, calendar)):
        rewrite(folder / name, with_attribute("time", calendar=given, units=f"days since {since}"))
    refused(folder, rf"time: calendar .*; .* has {calendar}, whose days are others: bring all into one")


# -- units of predictors ---------------------------------------------------------------------------------------------


def in_other_units(data):
    data = data.assign(psl=(data.psl.dims, data.psl.values / 100, data.psl.attrs | {"units": "hPa"}))
    return data.assign(tas=(data.tas.dims, data.tas.values - 273.15, data.tas.attrs | {"units": "degC"}))


def test_files_of_a_predictor_in_two_units_are_one_series_in_the_first_one_s(folder, plain):
    shutil.copy(folder / COARSE, folder / "coarse-b.nc")
    rewrite(folder / COARSE, lambda d: d.isel(time=slice(0, 5)))
    rewrite(folder / "coarse-b.nc", lambda d: in_other_units(d.isel(time=slice(5, 12))))
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_allclose(days.state(ALL), plain.state(ALL), rtol=1e-6, atol=1e-4)
    assert {name: origin.unit for name, origin in days.origin.items()} == {
        "pr": "mm day-1", "prw": "kg m-2", "psl": "Pa", "tas": "K", "uas": "m s-1", "vas": "m s-1"
    }  # fmt: skip
    for unit, said in (("K", "units 'K'"), ("whatever", "units 'whatever'"), (None, "units missing")):
        rewrite(folder / "coarse-b.nc", with_attribute("psl", units=unit))
        refused(folder, rf"coarse-b\.nc: psl: {said}; expected Pa, or what can be converted to it")


def test_units_that_nobody_knows_are_taken_where_all_files_have_them(folder, plain):
    rewrite(folder / COARSE, with_attribute("psl", units="an index"))
    rewrite(folder / COARSE, with_attribute("tas", units=None))
    days = load(folder, RECIPE_SMALL)
    same(days, plain)
    assert days.origin["psl"].unit == "an index" and days.origin["tas"].unit is None


def test_a_moisture_flux_in_mm_a_day_is_no_rain(folder, plain):
    rewrite(folder / COARSE, with_attribute("vas", units="mm day-1"))
    same(load(folder, RECIPE_SMALL), plain)  # it may be below 0


def test_days_take_the_units_of_a_training(folder, plain, tmp_path, capsys):
    rewrite(folder / COARSE, in_other_units)
    days = load(folder, RECIPE_SMALL)
    assert abs(days.state(ALL) - plain.state(ALL)).max() > 1e4
    trained = days.as_trained(plain.inputs(), tmp_path, False)
    np.testing.assert_allclose(trained.state(ALL), plain.state(ALL), rtol=1e-6, atol=1e-4)
    assert trained.origin["psl"].unit == "Pa" and trained.as_trained(plain.inputs(), tmp_path, False) is trained
    simulated = days.as_trained(None, tmp_path, True)  # a run of an earlier version, on simulated days
    np.testing.assert_array_equal(simulated.state(ALL), trained.state(ALL))
    assert days.as_trained(None, tmp_path, False) is days  # one on a user's, who knows in what
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(trained.take([3]).inputs()["tas"]["mean"], plain.state([3])[..., 3].mean(), rtol=1e-6)


@pytest.mark.parametrize("unit, said", [("K", "units 'K'"), (None, "units missing")])
def test_units_that_are_not_those_of_a_training_are_refused(folder, plain, tmp_path, unit, said):
    rewrite(folder / COARSE, with_attribute("psl", units=unit))
    with pytest.raises(UserError, match=rf"coarse-00000\.nc: psl: {said}; .* was trained on psl in Pa: give it that"):
        load(folder, RECIPE_SMALL).as_trained(plain.inputs(), tmp_path, False)


def test_a_mean_far_from_that_of_the_training_is_told_with_both_numbers(folder, plain, tmp_path, capsys):
    rewrite(folder / COARSE, lambda d: d.assign(psl=(d.psl.dims, d.psl.values / 100, d.psl.attrs)))  # hPa called Pa
    load(folder, RECIPE_SMALL).as_trained(plain.inputs(), tmp_path, False)
    said = capsys.readouterr().err
    known = plain.inputs()["psl"]
    assert said.count("notice") == 1 and "coarse-00000.nc: psl: mean 10" in said
    assert f"in training {known['mean']:g} Pa, standard deviation {known['sd']:g}: are its units right?" in said


# -- dates -----------------------------------------------------------------------------------------------------------


def moved(days):
    return lambda d: without_bounds(d).assign_coords(time=("time", d.time.values - 0.5 + days, d.time.attrs))


@pytest.mark.parametrize("name, days, late", [(COARSE, 1, COARSE), (FINE, 1, FINE)])
def test_days_dated_by_their_end_are_told(folder, capsys, name, days, late):
    rewrite(folder / name, moved(days))
    load(folder, RECIPE_SMALL)
    said = capsys.readouterr().err
    assert said.count("notice") == 1 and "fits the rain of" in said and "where its days are taken as a day" in said
    assert f"{late} dated by their end, 24:00?" in said
    assert ("a day earlier" if name == COARSE else "a day later") in said


def test_days_that_fit_as_they_are_dated_are_not(folder, capsys):
    rewrite(folder / COARSE, moved(0))
    load(folder, RECIPE_SMALL)
    assert capsys.readouterr().err == ""
