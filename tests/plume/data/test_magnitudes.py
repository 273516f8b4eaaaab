"""A factor of 10 to 1e9 in concentrations, lengths, winds is asked about; what rounding left is clipped and counted."""

import numpy as np
import pytest
from helpers.plain_runs import CALM, RECIPE, plain_run, refused

from kmodels.plume.data import cf_writer
from kmodels.plume.data.load import load

NAME = cf_writer.CONCENTRATION


def scaled(**factors):
    """A plain run's data set with some variables multiplied."""
    data = cf_writer.dataset([plain_run()])
    for name, factor in factors.items():
        values = data[name].values * factor
        data = data.assign_coords({name: (name, values, data[name].attrs)}) if name in data.coords else data
        data[name] = (data[name].dims, values, data[name].attrs)
    return data


@pytest.mark.parametrize(
    "factors, said",
    [
        (
            {NAME: 1e6},
            rf"{NAME}\[run=0, time=\d, .*\] = 0\.1\d+ kg m-3; expected at most 0\.1 kg m-3, raw flue gas .* g, mg",
        ),
        (
            {NAME: 1e9},
            r"expected at most 0\.1 kg m-3, raw flue gas has less; is its unit g, mg or ug m-3\? The file says",
        ),
        (
            {NAME: 1e-6},
            r"highest of all runs is 1\.57e-13 kg m-3, less than 0\.001 of model\.c0 = 1e-08 .*model\.c0 2e-15$",
        ),
        ({"x": 1e-3, "stack_x": 1e-3}, r"x: cells 0\.1 m wide; expected 1 to 50000; is its unit m, km or cm\?"),
        ({"y": 1e3, "stack_y": 1e3}, r"y: cells 100000 m wide; expected 1 to 50000; is its unit m, km or cm\?"),
        ({"z": 1e-2, "surface_altitude": 1e-2}, r"z: cells 0\.1 m high; expected 0\.5 to 5000; is its unit"),
        ({"z": 1e3}, r"z: cells 10000 m high; expected 0\.5 to 5000; is its unit m, km or cm\?"),
        (
            {"time": 3600},
            r"time: frames 216000 s apart; expected 0\.1 to 86400; is its unit seconds, minutes or hours\?",
        ),
        ({"time": 1e-3}, r"time: frames 0\.06 s apart; expected 0\.1 to"),
        (
            {"surface_altitude": 1e3},
            r"surface_altitude\[run=0, y=\d, x=\d\] = 11440\.2 m; the ground of the Earth lies from -500",
        ),
        (
            {"surface_altitude": -1e3},
            r"surface_altitude\[.* the ground of the Earth lies from -500 to 9000 m; is its unit",
        ),
        (
            {"stack_height": 100},
            r"run 'a': a stack 2500 m high; the tallest has 420 m, expected at most 500; is its unit m,",
        ),
        (
            {"stack_emission": 1e6},
            r"run 'a': a stack that emits 5001 kg s-1; no source is as strong, .* unit kg, g or",
        ),
        (
            {"eastward_wind": 1e3},
            r"eastward_wind\[run=0, time=\d, z=\d\] = .* m s-1; no wind is faster than 150 m s-1; is",
        ),
        ({"northward_wind": -1e3}, r"northward_wind\[run=0, time=\d, z=\d\] = .* no wind is faster than 150 m s-1"),
    ],
)
def test_likely_slips_are_asked_about(tmp_path, factors, said):
    data = scaled(**factors)
    if "stack_emission" in factors:
        data["stack_emission"].values[1] = 5001.0
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    refused(tmp_path, said)


def test_concentrations_in_archives_are_asked_about_as_well(tmp_path):
    maps = {name: np.zeros((3, 4)) for name in ("terrain", "source_q", "source_h")}
    np.savez(tmp_path / "run.npz", **maps, conc=np.full((2, 3, 4, 2), 80.0))
    refused(tmp_path, r"run\.npz: conc\[time=0, z=0, y=0, x=0\] = 80 kg m-3; expected at most 0\.1 kg m-3", CALM)
    np.savez(tmp_path / "run.npz", **maps, conc=np.full((2, 3, 4, 2), 80.0), units="ug m-3")
    assert load(tmp_path, CALM).past([0]).max() == np.float32(80e-9)


def test_a_forecast_may_start_in_clean_air(tmp_path, capsys):
    scaled(**{NAME: 1e-6}).to_netcdf(tmp_path / "r.nc", engine="scipy")
    assert len(load(tmp_path, RECIPE, labels=False))
    assert "notice: " in (said := capsys.readouterr().err) and "the network takes it for clean air" in said
    scaled(**{NAME: 0.0}).to_netcdf(tmp_path / "r.nc", engine="scipy")
    assert len(load(tmp_path, RECIPE)) and capsys.readouterr().err == ""


def with_negatives(*values):
    data = scaled()
    data[NAME].values[0, 0, 3, 0, : len(values)] = values
    return data


def test_negatives_of_rounding_are_clipped_and_counted(tmp_path, capsys):
    """The run's highest concentration is 1.6e-7 kg m-3: down to -1.6e-12 is rounding."""
    with_negatives(-1e-22, -1.4e-12, 0.0).to_netcdf(tmp_path / "r.nc", engine="scipy")
    windows = load(tmp_path, RECIPE)
    assert windows.past([0])[0, 0, 3, 0, :3].tolist() == [0, 0, 0] and windows.runs[0].concentration(0, 8).min() == 0
    said = capsys.readouterr().err
    assert f"r.nc: {NAME}: 2 of 960 values were off by at most 1.4e-12 kg m-3: clipped; a concentration is 0" in said
    with_negatives(-1e-22, -2e-12).to_netcdf(tmp_path / "r.nc", engine="scipy")
    refused(tmp_path, rf"{NAME}\[run=0, time=0, z=3, y=0, x=1\] = -2e-12 kg m-3; a concentration above ground is a num")


def test_half_a_step_of_packing_is_rounding(tmp_path):
    run = plain_run()
    data = cf_writer.dataset([run])
    step = float(run.concentration.max()) / 65_000
    packed = {"dtype": "int16", "scale_factor": step, "add_offset": 32_499.6 * step, "_FillValue": -32_768}
    data.to_netcdf(tmp_path / "r.nc", engine="scipy", encoding={NAME: packed})
    found = load(tmp_path, RECIPE).runs[0].concentration(0, 8)
    assert found.min() == 0
    np.testing.assert_allclose(found, run.concentration, atol=step)


def test_rounding_of_other_units_and_formats(tmp_path, capsys):
    maps = {name: np.zeros((3, 4)) for name in ("terrain", "source_q", "source_h")}
    conc = np.full((2, 3, 4, 2), 80.0)
    conc[1, 2, 3, 1] = -7e-4  # of 80 ug m-3
    np.savez(tmp_path / "run.npz", **maps, conc=conc, units="ug m-3")
    assert load(tmp_path, CALM).target([0]).min() == 0
    assert "run.npz: conc: 1 of 48 values were off by at most 0.0007 ug m-3: clipped" in capsys.readouterr().err


def test_values_below_ground_are_not_counted(tmp_path, capsys):
    run = plain_run(terrain=30.0)
    data = cf_writer.dataset([run])
    data[NAME].values[0][:, run.below_ground()] = -1e-22
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    load(tmp_path, RECIPE)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("unit, factor", [("ug/m³", 1e-9), ("ug/m3", 1e-9), ("ng/m³", 1e-12), ("ng m-3", 1e-12)])
def test_units_that_people_write(tmp_path, unit, factor):
    data = scaled(**{NAME: 1 / factor})
    data[NAME].attrs["units"] = unit
    data.to_netcdf(tmp_path / "r.nc", engine="scipy")
    np.testing.assert_allclose(load(tmp_path, RECIPE).past([0])[0], plain_run().concentration[:3], rtol=1e-6)
