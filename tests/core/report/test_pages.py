"""How figures, bounds and units stand on a page."""

import json

import pytest
from helpers.checks import ROOT

from kmodels.core.report import pages
from kmodels.core.spec import registry


def gate(value, bound, direction=">=", unit="1"):
    return {"value": value, "bound": bound, "direction": direction, "unit": unit}


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "-"),
        (float("nan"), "-"),
        (0.0, "0"),
        (0.5, "0.5000"),
        (1.23456, "1.235"),
        (-12.3456, "-12.35"),
        (40.0, "40"),
        (123456.7, "123457"),
        (0.00128512, "0.001285"),
        (4.53e-6, "4.530e-06"),
    ],
)
def test_a_number_has_four_significant_digits(value, text):
    assert pages.number(value) == text


def test_a_value_that_misses_its_bound_does_not_look_like_it():
    assert pages.judged_value(gate(0.994996, 0.995)) == "0.994996"
    assert pages.judged_value(gate(0.995, 0.995)) == "0.9950"
    assert pages.judged_value(gate(1.1000001, [0.9, 1.1], "within", "m")) == "1.1000001 m"
    assert pages.judged_value(gate(None, 0.995)) == "-"


def test_intervals_of_negative_numbers_can_be_read():
    assert pages.interval((-0.2, -0.1)) == "-0.2000 to -0.1000" and pages.interval(None) == ""


def test_times():
    assert [pages.duration(s) for s in (None, 45, 600, 9000)] == ["-", "45 s", "10 min", "2.5 h"]


def test_units_are_a_reports_own_or_those_of_its_model():
    assert pages.units({"model": "echo", "units": {"rmse": "km"}}) == {"rmse": "km"}
    assert pages.units({"model": "echo"})["mae_htf"] == "m"
    assert pages.units({"model": "a model of another day"}) == {}


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_units_of_gates_and_metrics_agree(name):
    """In a report that an earlier version wrote, too."""
    known = registry.units(name)
    report = json.loads((ROOT / f"tests/fixtures/saved_runs/{name}/report.json").read_text())
    assert report["gates"]
    for one in report["gates"]:
        assert known.get(one["metric"], "1") == one["unit"], one["name"]


def test_a_value_that_was_measured_is_not_called_unmeasured():
    texts = [pages.verdict_on({"status": s, "value": v}) for s, v in (("not_measured", 0.5), ("not_measured", None))]
    assert texts == ["not judged", "not measured"] and pages.verdict_on({"status": "failed", "value": None}) == "failed"
