"""Gates: bounds, and whether passing one says anything."""

import math

import pytest

from kmodels.core.spec.gate import UNTRAINED, Gate, bound_of, level_of, lowest_level, worst

LOW = Gate("error", "error", 0.5, "a test", "<=", "m")
BETWEEN = Gate("ratio", "ratio", (0.9, 1.1), "a test", "within")
NEEDED = Gate("mass", "error", 0.5, "a test", "<=", kind="requirement")


@pytest.mark.parametrize(
    "gate, value, status",
    [
        (LOW, 0.5, "passed"),
        (LOW, math.nextafter(0.5, 1), "failed"),
        (LOW, math.nan, "failed"),
        (LOW, None, "not_measured"),
        (BETWEEN, 0.9, "passed"),
        (BETWEEN, 1.1, "passed"),
        (BETWEEN, 0.89, "failed"),
        (BETWEEN, 2.16, "failed"),
        (BETWEEN, math.inf, "failed"),
    ],
)
def test_a_bound_holds_up_to_itself_and_never_for_what_is_no_number(gate, value, status):
    assert gate.judge({gate.metric: value})["status"] == status


@pytest.mark.parametrize(
    "untrained, baseline, expected",
    [(0.9, 0.8, True), (0.4, 0.8, False), (0.9, 0.5, False), (math.nan, None, True), (0.9, math.nan, True)],
)
def test_a_gate_discriminates_where_the_untrained_network_and_every_baseline_fail_it(untrained, baseline, expected):
    beside = {UNTRAINED: {"error": untrained}, "mean": {"error": baseline}, "other": {"error": 0.7}}
    row = LOW.judge({"error": 0.1}, baselines=beside)
    assert row["discriminates"] is expected
    assert row["untrained"] == (None if math.isnan(untrained) else untrained)


def test_what_knows_the_answer_is_no_baseline():
    beside = {UNTRAINED: {"error": 0.9}, "law": {"error": 0.0}, "mean": {"error": 0.8}}
    row = LOW.judge({"error": 0.1}, baselines=beside, references=("law",))
    assert row["discriminates"] is True and row["best_baseline"] == {"name": "mean", "value": 0.8}
    assert LOW.judge({"error": 0.1}, baselines=beside)["discriminates"] is False


@pytest.mark.parametrize(
    "gate, values, best",
    [
        (LOW, {"a": 0.7, "b": 0.6, "c": None}, "b"),
        (Gate("share", "ratio", 0.5, "a test"), {"a": 0.3, "b": 0.4}, "b"),
        (BETWEEN, {"a": 2.0, "b": 0.7, "c": 1.25}, "c"),
    ],
)
def test_the_best_baseline_comes_nearest_to_passing(gate, values, best):
    beside = {name: {gate.metric: value} for name, value in values.items()}
    assert gate.judge({gate.metric: 1.0}, baselines=beside)["best_baseline"]["name"] == best


def test_a_requirement_is_judged_and_is_no_evidence():
    beside = {UNTRAINED: {"error": 0.9}}
    row = NEEDED.judge({"error": 0.6}, baselines=beside)
    assert row["kind"] == "requirement" and row["status"] == "failed" and row["discriminates"] is None


def test_nothing_is_known_without_the_untrained_network_or_from_a_smoke_run():
    assert LOW.judge({"error": 0.1}, baselines={"mean": {"error": 0.8}})["discriminates"] is None
    row = LOW.judge({"error": 0.1}, measured=False, baselines={UNTRAINED: {"error": 0.8}})
    assert row["discriminates"] is None and row["status"] == "not_measured" and row["value"] == 0.1


@pytest.mark.parametrize(
    "direction, bound, unit, text",
    [
        (">=", 0.12345678901, "1", ">= 0.12345678901"),
        ("<=", 1.285e-3, "1", "<= 0.001285"),
        ("<=", 2.0, "nm", "<= 2 nm"),
        ("within", (0.9, 1.1), "1", "0.9 to 1.1"),
        ("within", (-1, 1), "dB", "-1 to 1 dB"),
    ],
)
def test_bounds_are_not_rounded_and_stand_on_both_sides(direction, bound, unit, text):
    assert bound_of(Gate("x", "x", bound, "a test", direction, unit).judge({})) == text


@pytest.mark.parametrize("values, expected", [((0.1, 0.6), 0.6), ((0.1, 0.3), 0.3), ((0.1, None), None)])
def test_the_worst_of_several_seeds_is_that_with_the_smallest_margin(values, expected):
    assert worst([LOW.judge({"error": value}) for value in values])["value"] == expected


GRADED = Gate("share", "ratio", 0.5, "a test", levels=(("minimum", 0.3), ("good", 0.5), ("excellent", 0.9)))
BOTH = Gate("ratio", "ratio", (0.9, 1.1), "a test", "within", levels=(("good", (0.8, 1.2)), ("ideal", (0.99, 1.01))))


@pytest.mark.parametrize(
    "gate, value, level, said",
    [
        (GRADED, 0.95, "excellent", "excellent"),
        (GRADED, 0.9, "excellent", "excellent"),
        (GRADED, 0.89, "good", "good"),
        (GRADED, 0.31, "minimum", "minimum"),
        (GRADED, 0.29, None, "below minimum"),
        (GRADED, math.nan, None, "below minimum"),
        (BOTH, 1.1, "good", "good"),
        (BOTH, 1.0, "ideal", "ideal"),
        (BOTH, 1.3, None, "below good"),
    ],
)
def test_a_gate_names_the_best_level_whose_bound_is_held(gate, value, level, said):
    row = gate.judge({"ratio": value})
    assert gate.level(value) == row["level"] == level and level_of(row) == said


def test_nothing_is_graded_that_was_not_measured_or_has_no_levels():
    assert level_of(GRADED.judge({"ratio": 0.95}, measured=False)) == ""
    row = BETWEEN.judge({"ratio": 1.0})
    assert "level" not in row and level_of(row) == ""


def test_the_level_of_several_seeds_is_the_lowest():
    assert lowest_level(("minimum", "good"), ["good", "minimum", "good"]) == "minimum"
    assert lowest_level(("minimum", "good"), ["good", None]) is None
