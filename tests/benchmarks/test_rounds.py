"""Contestants in fresh processes, in turn."""

import json

import pytest
from helpers.checks import fails_cleanly

from kmodels import bench
from kmodels.benchmarks import rounds
from kmodels.benchmarks.contestant import Contestant
from kmodels.core.report import figures


def row(who, backend, number, step, one=1.0, model="nand") -> dict:
    """What one run of a contestant measured."""
    entry = vars(Contestant(model, who, backend))
    return {**entry, "round": number, "median_ms": step, "predict_ms": {"1": one, "64": 2 * one}}


ROWS = [
    *(row("ours", "jax", k, step, 0.5) for k, step in enumerate((101.2, 99.0, 180.0))),
    *(row("ours", "torch", k, step, 9.0) for k, step in enumerate((200.0, 210.0, 205.0))),
    *(row("eager", "torch", k, step, 2.0) for k, step in enumerate((150.0, 151.0, 149.0))),
    *(row("compiled", "torch", k, step, 3.0) for k, step in enumerate((126.4, 126.5, 126.6))),
]


def test_a_printed_ratio_is_that_of_the_columns_beside_it():
    head, cells = rounds.table(ROWS, "step")
    assert head[1:5] == ["ours on jax [ms]", "ours on torch [ms]", "PyTorch [ms]", "compiled [ms]"]
    assert head[5:] == ["best / PyTorch's", "worst", "rounds"]
    assert cells == ["nand", "101", "205", "150", "126", "0.80", "1.63", "±29%"]
    ours, plain = list(map(float, cells[1:3])), list(map(float, cells[3:5]))
    for of, printed in zip((min, max), cells[5:7], strict=True):
        assert float(printed) == pytest.approx(of(ours) / min(plain), abs=0.005)
    assert rounds.table(ROWS, "1")[1] == ["nand", "0.5", "9", "2", "3", "0.25", "4.50", "±0%"]


def test_who_is_missing_has_no_ratio():
    assert rounds.table(ROWS[:6], "64")[1] == ["nand", "1", "18", "-", "-", "-", "-", "±0%"]
    assert not rounds.limits(ROWS)


def test_the_bound_of_a_step_is_that_of_memory_or_of_products():
    """At 4 operations a byte memory bounds, 4 x 10 = 40; at 100 the products, 200 [10^9/s]; a step of 100 ms."""
    peaks = [{"operations_s": rate, "bytes_s": 1e10} for rate in (2e11, 1e11)]
    counted = [{"operations": 2 * 10**9, "bytes": 5 * 10**8}, {"operations": 10**10, "bytes": 10**8}]
    rows = [
        row(who, backend, 0, step, model=model) | (counts | {"peaks": peak} if who == "eager" else {})
        for model, counts, peak in zip(("nand", "echo"), counted, peaks, strict=True)
        for who, backend, step in (("ours", "jax", 100.0), ("ours", "torch", 300.0), ("eager", "torch", 200.0))
    ]
    cells = rounds.limit_table(rows)
    assert cells[1] == ["nand", "2", "4", "40", "50%", "25%"]
    assert cells[2] == ["echo", "10", "100", "200", "50%", "25%"]
    assert figures.png(rounds.roofline(rows))
    assert not rounds.limits([one for one in rows if one["contestant"] == "eager"])


def test_two_reports_agree_where_ratios_differ_by_no_more_than_their_spread():
    """With a spread of 10% a ratio may be 1.1 / 0.9 = 1.22 times the other."""

    def report(ours):
        return [row("ours", "jax", k, ours * off) for k, off in enumerate((0.9, 1.0, 1.1))] + [
            row("eager", "torch", 0, 100.0)
        ]

    assert rounds.disagreements(report(100.0), report(121.0)) == ([], 6)
    outside, count = rounds.disagreements(report(100.0), report(123.0))
    assert count == 6 and outside == [
        f"nand, training step, {which}: 1.00, and 1.23 before, ±10%" for which in ("best", "worst")
    ]
    assert rounds.disagreements(report(100.0), ROWS[:6]) == ([], 0), "nothing to compare with"


def test_a_training_is_its_first_step_and_all_others():
    """Of 10 steps: 1 + 10 x 1 = 11 s on jax, 9 + 10 x 0.1 = 10 s on torch."""
    jax, torch = (
        row("ours", backend, 0, step) | {"first_s": first, "steps_of_training": 10}
        for backend, step, first in (("jax", 1000.0, 1.0), ("torch", 100.0, 9.0))
    )
    assert rounds.trainings([jax, torch, row("eager", "torch", 0, 1.0)], "nand") == {"jax": 11.0, "torch": 10.0}


def test_a_machine_that_is_too_noisy_is_told():
    assert rounds.noisy(ROWS) == ["nand, ours on jax"]


def test_they_run_in_turn_and_what_was_measured_is_not_timed_again(monkeypatch):
    order, kept = [], []

    def child(entry, limit):
        order.append((entry.contestant, entry.backend))
        if entry.contestant == "compiled":
            raise ValueError("no compiler")
        return row(entry.contestant, entry.backend, None, 1.0)

    monkeypatch.setattr(rounds, "in_a_process", child)
    monkeypatch.setattr(rounds.reference, "missing", lambda: None)
    todo = rounds.contestants(["nand"], ["jax", "torch"], 30, smoke=False)
    before = {"rows": [row("ours", "jax", 0, 5.0)]}
    found = rounds.measured(todo, 2, before, lambda found: kept.append(len(found["rows"])), lambda *args: None)
    first = [("ours", "torch"), ("eager", "torch"), ("compiled", "torch")]
    assert order == [*first, *[("ours", "jax"), *first][::-1]]
    assert len(found["rows"]) == 6 and kept[-1] == 6 and len(found["failed"]) == 2
    assert found["failed"][0].endswith("no compiler")


def test_the_verb_writes_and_prints(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(rounds, "in_a_process", lambda entry, limit: row(entry.contestant, entry.backend, None, 7.0))
    out = tmp_path / "speed.json"
    assert bench.main(["--rounds", "1", "--model", "nand", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["rows"] and "best / PyTorch's" in capsys.readouterr().out
    fails_cleanly(capsys, bench.main(["--rounds", "0"]), "1 or more")
