"""What all gates of a run say together."""

import pytest

from kmodels.core.spec import verdict
from kmodels.core.spec.gate import UNTRAINED, Gate

NEEDED = Gate("mass", "mass", 0.1, "a test", "<=", kind="requirement")


def gates(count, metrics, untrained):
    asked = [Gate(f"gate {k}", f"m{k}", 0.5, "a test") for k in range(count)]
    return [gate.judge(metrics, baselines={UNTRAINED: untrained}) for gate in [*asked, NEEDED]]


def metrics(count, value):
    return {f"m{k}": value for k in range(count)} | {"mass": 0.0}


@pytest.mark.parametrize(
    "rows, status, said",
    [
        (gates(4, metrics(4, 0.9), metrics(4, 0.1)), 0, "4 of 4 discriminating gates and 1 of 1 requirements passed"),
        (gates(3, metrics(3, 0.9), metrics(3, 0.1)), 1, "NO EVIDENCE"),
        (gates(5, metrics(5, 0.9), metrics(5, 0.1) | {"m0": 0.9}), 0, "1 passed untrained or by a baseline"),
        (gates(5, metrics(5, 0.9) | {"m0": 0.1}, metrics(5, 0.1)), 1, "1 of 6 gates FAILED"),
        (gates(4, metrics(4, 0.9) | {"mass": 0.2}, metrics(4, 0.1)), 1, "0 of 1 requirements"),
        (gates(4, {}, metrics(4, 0.1)), 0, "no gate was judged"),
    ],
)
def test_a_run_passes_where_enough_gates_discriminate_and_none_failed(rows, status, said):
    assert verdict.exit_status(rows) == status and said in verdict.sentence(rows)


def test_an_untrained_network_has_no_evidence_for_itself():
    """Judged as if it had been trained, it passes no gate that discriminates."""
    same = metrics(6, 0.9)
    rows = gates(6, same, same)
    assert verdict.exit_status(rows) == 1 and not verdict.discriminating(rows)


def test_rows_of_earlier_versions_are_judged_by_their_status_alone():
    old = [{"name": "a", "status": "passed"}, {"name": "b", "status": "passed"}]
    assert verdict.exit_status(old) == 0
    assert verdict.sentence(old) == "2 of 2 gates passed; which of them discriminate was not measured"
    assert verdict.exit_status([*old, {"name": "c", "status": "failed"}]) == 1
