"""Ensembles as CF NetCDF, on parallels and meridians and on map projections: what a CF checker says."""

import cftime
import numpy as np
import pytest
from helpers.cf_check import check_cf
from helpers.small_days import contents

from kmodels.precip.data.records import Days, Domain, Projection
from kmodels.precip.evaluation.prediction import Ensemble

SHAPE = (5, 6)
LAT, LON = np.meshgrid(40 + 0.1 * np.arange(5), 0.1 * np.arange(6), indexing="ij")
ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}
LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": np.array([30.0, 60.0]),
    "longitude_of_central_meridian": 10.5,
    "latitude_of_projection_origin": 49.5,
}


def ensemble(lat, lon, projection=None) -> Ensemble:
    """Three days of two members; member m of day d has d + m mm/day."""
    dates = cftime.num2date(np.arange(3) + 0.5, "days since 2001-01-01", only_use_cftime_datetimes=True)
    everywhere = np.ones(SHAPE, bool)
    domain = Domain(lat, lon, everywhere, np.zeros(SHAPE), everywhere, projection=projection)
    days = Days(domain, ("pr",), dates, np.zeros(3, int), None, None, np.arange(3), np.zeros(3))

    def make(rows):
        rain = (rows[:, None] + np.arange(2.0))[..., None, None]
        return np.broadcast_to(rain, (len(rows), 2, *SHAPE)).astype("float32")

    return Ensemble(days, 2, make)


def projected(units, mapping) -> Projection:
    return Projection(np.arange(5.0), np.arange(6.0), (units, units), mapping)


CASES = {
    "parallels": (LAT, LON, None),
    "turned": (LAT + LON / 10, LON - LAT / 10, None),
    "rotated": (LAT + LON / 10, LON - LAT / 10, projected("degrees", ROTATED)),
    "lambert": (LAT + LON / 10, LON - LAT / 10, projected("km", LAMBERT)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensembles")
    for name, case in CASES.items():
        ensemble(*case).write(folder / f"{name}.nc")
    return {name: folder / f"{name}.nc" for name in CASES}


def test_a_cf_checker_finds_nothing(files):
    """But that it does not know which axis is which where no projection says it."""
    done = check_cf(*(file for name, file in files.items() if name != "turned"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("All tests passed!") == len(files) - 1, done.stdout


@pytest.mark.parametrize("name", CASES)
def test_fields_are_where_they_belong(files, name):
    data = contents(files[name])
    dims = ("lat", "lon") if name == "parallels" else ("y", "x")
    assert data.pr.dims == ("realization", "time", *dims)
    np.testing.assert_allclose(data.pr.values[1, :, 2, 3] * 86400, [1, 2, 3], rtol=1e-6)
    assert ("crs" in data) == (name in ("rotated", "lambert")) == ("grid_mapping" in data.pr.attrs)


def test_axes_are_called_as_their_mapping_has_it(files):
    rotated, lambert = contents(files["rotated"]), contents(files["lambert"])
    assert [rotated[axis].attrs["standard_name"] for axis in "yx"] == ["grid_latitude", "grid_longitude"]
    assert lambert.x.attrs["standard_name"] == "projection_x_coordinate" and lambert.x.attrs["units"] == "km"
    np.testing.assert_array_equal(lambert.crs.attrs["standard_parallel"], [30, 60])
