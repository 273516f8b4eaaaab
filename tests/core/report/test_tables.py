"""Tables in Markdown."""

from kmodels.core.report import tables

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
