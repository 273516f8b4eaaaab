"""Tables within 80 columns, and a log without control codes."""

import logging

import pytest
from rich.console import Console

from kmodels.core.cli import console
from kmodels.core.spec.gate import Gate

BASELINES = ("always_valid", "always_invalid", "boosted_trees", "rule_checker", "persistence", "climatology", "flow")
REPORT = {
    "metrics": {"accuracy": 0.5, "mean_distance_of_heavy_days": 1234.5},
    "intervals": {"accuracy": (0.25, 0.75)},
    "baselines": {name: {"accuracy": 0.125 + k} for k, name in enumerate(BASELINES)},
}
GATE = Gate("a share of the sequences " * 6, "accuracy", 0.9, "this project", unit="sigma")


@pytest.fixture
def screen(monkeypatch):
    """What is printed on a terminal of 80 columns that shows no colours."""
    made = Console(width=80, highlight=False, soft_wrap=True, record=True, color_system=None)
    monkeypatch.setattr(console, "out", made)
    return made


def test_baselines_without_room_stand_below(screen, tmp_path):
    with console.logging_to(tmp_path / "log.txt"):
        console.show(console.metrics_table(REPORT, tuple(REPORT["metrics"])))
    said = screen.export_text()
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("held-out data") == 1 and said.count("accuracy") == 2, "the metric's name stands in both parts"
    assert all(console.number(0.125 + k) in said for k in range(len(BASELINES)))
    logged = (tmp_path / "log.txt").read_text()
    assert max(map(len, logged.splitlines())) <= 80 and said.strip() in logged


def test_a_metric_stands_with_its_unit(screen):
    console.show(console.metrics_table(REPORT | {"units": {"accuracy": "m"}}, ("accuracy",)))
    assert "accuracy [m]  0.5000" in screen.export_text()


def test_a_table_with_room_stays_whole(screen):
    few = REPORT | {"baselines": {"rule_checker": {"accuracy": 1.0}}}
    console.show(console.metrics_table(few, ("accuracy",)))
    assert screen.export_text().count("accuracy") == 1


def test_the_names_of_gates_are_folded(screen):
    console.show(console.gates_table([GATE.judge({"accuracy": 0.5})]))
    lines = screen.export_text().splitlines()
    assert max(map(len, lines)) <= 80 and sum("FAILED" in line for line in lines) == 1


def test_the_log_has_no_control_codes(tmp_path):
    with console.logging_to(tmp_path / "log.txt"):
        console.log.info("\x1b[31mred\x1b[0m, a bell \x07, back\r, a tab\t and a\nsecond line")
    text = (tmp_path / "log.txt").read_text()
    assert "\\x1b[31mred\\x1b[0m, a bell \\x07, back\\r, a tab\t and a\nsecond line\n" in text


def test_colours_of_a_terminal_do_not_reach_the_log(monkeypatch, tmp_path):
    monkeypatch.setattr(console, "out", Console(width=80, force_terminal=True, soft_wrap=True))
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = console.new_table("gates")
    table.add_column("")
    table.add_row(console.MARKS["failed"])
    with console.logging_to(tmp_path / "log.txt"):
        console.show(table)
    assert "\x1b" not in (tmp_path / "log.txt").read_text()


def test_a_notice_goes_to_standard_error_and_the_log(capsys, tmp_path):
    with console.logging_to(tmp_path / "log.txt"):
        console.notice("this has another name today")
    assert capsys.readouterr().err == "notice: this has another name today\n"
    assert "notice: this has another name today" in (tmp_path / "log.txt").read_text()
    assert logging.getLogger("kmodels").handlers, "nothing is said twice by the root logger"


def test_what_is_said_before_there_is_a_log_is_written_into_it_later(tmp_path, capsys):
    with console.kept() as said:
        console.notice("two values clipped")
    console.notice("of no run")
    console.log_again(tmp_path / "log.txt", said)
    assert [line.partition(" notice")[2] for line in (tmp_path / "log.txt").read_text().splitlines()] == [
        ": two values clipped"
    ]
    assert capsys.readouterr().err == "notice: two values clipped\nnotice: of no run\n"


def test_a_long_error_is_broken_on_a_terminal_only(monkeypatch, capsys):
    text = "a fault in the recipe " * 6
    console.complain(text)
    assert capsys.readouterr().err == f"error: {text}\n"
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    console.complain(text)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= 60
