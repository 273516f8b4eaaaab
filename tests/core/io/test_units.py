"""Units by hand-worked factors, and texts that are none."""

import subprocess
import sys

import numpy as np
import pytest

from kmodels.core.io.units import convert, factor


@pytest.mark.parametrize(
    "given, wanted, expected",
    [
        ("kg m-3", "kg m-3", 1.0),
        ("g/m3", "kg m-3", 1e-3),
        ("mg m^-3", "kg m-3", 1e-6),
        ("µg/m3", "kg m-3", 1e-9),  # the micro sign
        ("μg m⁻³", "kg m-3", 1e-9),  # the Greek letter, and superscripts
        ("micrograms/m**3", "kg m-3", 1e-9),
        ("ug.m-3", "kg m-3", 1e-9),
        ("ng m-3", "kg m-3", 1e-12),
        ("g h-1", "kg s-1", 1e-3 / 3600),  # an hour, not Planck's constant
        ("knot", "m s-1", 1852 / 3600),
        ("km", "m", 1000.0),
        ("metres", "m", 1.0),
        ("hPa", "Pa", 100.0),
        ("%", "1", 0.01),
        ("percent", "1", 0.01),
        ("", "1", 1.0),
        ("g kg-1", "1", 1e-3),
        ("(0 - 1)", "1", 1.0),  # ERA5
        ("~", "1", 1.0),  # GRIB
        ("unitless", "%", 100.0),
        ("mb", "Pa", 100.0),  # not millibarn
        ("Millimeters", "m", 1e-3),
        ("Pascals", "hPa", 0.01),
    ],
)
def test_factors(given, wanted, expected):
    assert factor(given, wanted) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    "given, expected",
    [
        ("kg m-2 s-1", 86400.0),
        ("kg m**-2 s**-1", 86400.0),
        ("kg m-2s-1", 86400.0),
        ("Kg/m^2/s", 86400.0),
        ("kg/(m^2*s)", 86400.0),
        ("kg m-2 day-1", 1.0),
        ("mm d-1", 1.0),
        ("mm/h", 24.0),
        ("m s-1", 86400e3),
        ("inch/day", 25.4),
        ("kg m⁻² s⁻¹", 86400.0),
        ("kg·m⁻²·s⁻¹", 86400.0),
        ("m d-1", 1000.0),
        ("mm/24h", 1.0),
        ("m of water equivalent per day", 1000.0),
    ],
)
def test_a_kilogram_of_water_on_a_square_metre_stands_a_millimetre_high(given, expected):
    assert factor(given, "mm day-1", of_water=True) == pytest.approx(expected, rel=1e-14)
    assert factor("mm day-1", given, of_water=True) == pytest.approx(1 / expected, rel=1e-14)


def test_powers_of_ten_come_out_as_written():
    assert factor("ug m-3", "kg m-3") == 1e-9 and factor("ng m-3", "kg m-3") == 1e-12
    assert factor("kg m-2 s-1", "mm day-1", of_water=True) == 86400.0


@pytest.mark.parametrize(
    "given, wanted, number, expected",
    [
        ("degC", "K", 10.0, 283.15),
        ("deg C", "K", 10.0, 283.15),  # not an angle
        ("°C", "K", -273.15, 0.0),
        ("K", "celsius", 0.0, -273.15),
        ("degF", "degC", 212.0, 100.0),
        ("hPa", "Pa", 1013.25, 101325.0),
        ("K", "K", 5.0, 5.0),
    ],
)
def test_units_with_other_zeros_are_converted_and_back(given, wanted, number, expected):
    conversion = convert(given, wanted)
    found = conversion(np.array([number], "float32"))
    assert found.dtype == "float32" and found == pytest.approx(expected, abs=3e-5)
    assert conversion.back(conversion(np.array([number]))) == pytest.approx(number, abs=1e-9)


@pytest.mark.parametrize(
    "given, wanted",
    [
        ("ppb", "kg m-3"),
        ("mol m-3", "kg m-3"),
        ("kg m-2 s-1", "mm day-1"),  # of what?
        ("mm", "kg m-2 s-1"),
        ("degC", "K"),
        ("ohm", "m"),
        ("frames", "m"),
        ("10 m", "m"),
        ("m m m" * 50, "m"),
        ("\x00", "m"),
        ("m **", "m"),
        ("((((", "m"),
    ],
)
def test_what_is_no_such_unit(given, wanted):
    with pytest.raises(ValueError, match=r"is no|different zeros"):
        factor(given, wanted)


@pytest.mark.parametrize("given", ["9**9**9**9", "m**9**9**9", "m^999999999", "((9)**(9))**(9)**(9)", "9⁹⁹⁹⁹⁹⁹ m"])
def test_a_text_that_would_be_worked_out_for_ever_is_no_unit(given):
    with pytest.raises(ValueError, match="is no unit"):
        factor(given, "m")


def test_nothing_is_imported_where_nothing_is_to_be_converted():
    code = "import sys; from kmodels.core.io.units import factor; factor('m', 'm'); sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
