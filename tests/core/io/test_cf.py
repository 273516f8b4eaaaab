"""CF files of other programs: what is found by name, standard name, axis and units, and how a fault is told."""

import numpy as np
import pytest
import xarray as xr

from kmodels.core.io.cf import CfFile
from kmodels.core.spec.errors import UserError


def written(folder, variables, name="one.nc"):
    xr.Dataset(variables).to_netcdf(folder / name, engine="scipy")
    return CfFile(folder / name)


def axis(dim, values, **attributes):
    return (dim,), np.asarray(values, float), attributes


GRID = {
    "nav_lat": (("j", "i"), np.full((2, 3), 50.0), {"units": "degrees_north"}),
    "nav_lon": (("j", "i"), np.full((2, 3), 8.0), {"units": "degree_E"}),
    "t": axis("t", [0.5, 1.5], standard_name="time", units="days since 2001-01-01", bounds="t_b"),
    "t_b": (("t", "two"), np.array([[0.0, 1.0], [1.0, 2.0]]), {"units": "days since 2001-01-01"}),
    "height": axis("height", [2.0], positive="up", units="m"),
    "rain": (("t", "j", "i"), np.zeros((2, 2, 3)), {"standard_name": "rainfall_flux", "units": "kg m-2 s-1"}),
}


def test_coordinates_are_found_though_no_variable_names_them(tmp_path):
    file = written(tmp_path, GRID)
    assert file.coordinates("latitude") == ["nav_lat"] and file.coordinates("longitude") == ["nav_lon"]
    assert file.coordinates("T") == file.axes("T") == ["t"] and file.axes("vertical") == ["height"]
    assert file.coordinates("X") == [] and file.axes("latitude") == []
    np.testing.assert_array_equal(file.bounds("t"), [[0, 1], [1, 2]])
    assert file.bounds("height") is None


def test_the_standard_name_comes_before_units_and_bounds_do_not_count(tmp_path):
    file = written(
        tmp_path,
        {
            "corner": axis("corner", [49.0, 51.0], units="degrees_north"),
            "y": axis("y", [49.5, 50.5], standard_name="latitude", units="degrees_north", bounds="y_b"),
            "y_b": (("y", "two"), np.zeros((2, 2)), {"units": "degrees_north"}),
        },
    )
    assert file.coordinates("latitude") == ["y", "corner"]


def test_variables_by_name_and_by_standard_name(tmp_path):
    file = written(tmp_path, GRID)
    assert file.find("rain") == "rain" and file.find("pr") is None
    assert file.find("pr", ("precipitation_flux", "rainfall_flux")) == "rain"
    assert file.find("pr", (r"rainfall_\w+",)) == "rain" and file.find("pr", ("rainfall",)) is None
    both = written(tmp_path, GRID | {"rain2": GRID["rain"]}, "two.nc")
    with pytest.raises(UserError, match=r"two\.nc: rain and rain2: each could be pr; one of them needs that name"):
        both.find("pr", ("rainfall_flux",))


@pytest.mark.parametrize("units", [np.array([1.0]), b"1", "1 ", 1.0])
def test_attributes_as_other_programs_write_them(tmp_path, units):
    share = (("t",), np.zeros(2), {"units": units, "standard_name": b"land_area_fraction"})
    file = written(tmp_path, {"share": share})
    assert file.find("sftlf", ("land_area_fraction",)) == "share" and file.factor("share", "%") == pytest.approx(100.0)


def test_units_are_told_with_file_and_variable(tmp_path):
    file = written(tmp_path, GRID | {"bare": axis("j", [1.0, 2.0])})
    assert file.factor("rain", "mm day-1", of_water=True) == 86400.0
    for name, said in (("rain", "units 'kg m-2 s-1'"), ("bare", "units missing")):
        with pytest.raises(UserError, match=rf"one\.nc: {name}: {said}; expected K, or what can be converted to it"):
            file.factor(name, "K")


def test_units_with_another_zero_and_none_at_all(tmp_path):
    file = written(tmp_path, GRID | {"warm": axis("j", [10.0, 20.0], units="degC"), "bare": axis("i", [0.0, 1.0, 1.0])})
    np.testing.assert_allclose(file.conversion("warm", "K")(np.array([10.0])), 283.15)
    assert file.factor("bare", "1") == 1.0 and file.unit("bare") is None and file.unit("warm") == "degC"
    with pytest.raises(UserError, match=r"warm: units 'degC'; expected K"):
        file.factor("warm", "K")
