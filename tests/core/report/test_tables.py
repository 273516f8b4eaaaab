"""Tables in Markdown."""

from kmodels.core.report import tables
from kmodels.core.spec.gate import Gate

GATE = {"value": 0.97, "direction": ">=", "bound": 0.9, "unit": "1", "source": "a test", "status": "passed"}


def test_gates_stand_beside_an_untrained_network_and_the_best_baseline():
    evidence = {"untrained": 0.5, "best_baseline": {"name": "nearest_one", "value": 0.95}, "discriminates": False}
    rows = [
        {"name": "of before"} | GATE,
        {"name": "|error|", "kind": "quality"} | GATE | evidence,
        {"name": "mass", "kind": "requirement"} | GATE | {"value": None, "status": "not_measured"},
    ]
    assert tables.gates(rows).splitlines() == [
        "| gate | value | bound | untrained | best baseline | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
        "| of before | 0.9700 | >= 0.9 | - | - | passed |",
        "| &#124;error&#124; | 0.9700 | >= 0.9 | 0.5000 | 0.9500 nearest one | passed, does not discriminate |",
        "| mass | - | >= 0.9 | - | - | not measured, required |",
    ]


def test_what_the_prototype_grades_is_reached_where_every_seed_reaches_it():
    share = Gate("share", "share", 0.5, "a test", levels=(("minimum", 0.3), ("good", 0.5)))
    ratio = Gate("ratio", "ratio", (0.9, 1.1), "a test", "within", "m", levels=(("good", (0.9, 1.1)),))
    each = [{"share": 0.6, "ratio": 1.0}, {"share": 0.4, "ratio": 1.2}]
    graded = [("a share", share, each, {"share": 0.2}), ("1 step: ratio", ratio, each, {"share": 0.2})]
    assert tables.levels(graded).splitlines() == [
        "| graded by the prototype | minimum | good | value | reached | untrained |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a share | >= 0.3 | >= 0.5 | 0.6000, 0.4000 | minimum | none |",
        "| 1 step: ratio | - | 0.9 to 1.1 m | 1.0000, 1.2000 | none | - |",
    ]
