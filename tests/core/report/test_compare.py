"""Runs side by side: on small reports, and on those that earlier versions wrote."""

import copy
import html
import io
import json
import re
from pathlib import Path

import pytest
from helpers.checks import ROOT, fails_cleanly, run_python
from rich.console import Console

from kmodels import compare as verb
from kmodels.core.report import compare
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

RUNS = ROOT / "tests/fixtures/saved_runs"
GATE = {"name": "error", "metric": "rmse", "value": 0.25, "direction": "<=", "bound": 0.5, "unit": "m", "source": "us"}
REPORT = {
    "model": "echo",
    "recipe": {"task": "echo", "seed": 0, "train": {"epochs": 2}},
    "seed": 0,
    "smoke": False,
    "date": "2026-11-26T10:00:00+00:00",
    "commit": "a" * 40,
    "backend": "torch",
    "duration_s": 65.0,
    "data_hash": "d1",
    "sizes": {"test": 9},
    "headline": ["rmse", "delta1"],
    "metrics": {"rmse": 0.25, "delta1": 0.75, "log10": 0.0625},
    "intervals": {"rmse": [0.125, 0.375]},
    "gates": [GATE | {"status": "passed"}],
    "history": [{"epoch": k, "loss": 1.0, "val_loss": 1 / k, "val_rmse": 2 / k} for k in (1, 2, 3)],
}


def runs(*changes):
    """One run for each dictionary of changes to REPORT."""
    made = [(Path(f"runs/echo-{k}"), copy.deepcopy(REPORT) | change) for k, change in enumerate(changes)]
    return compare.together(made)


def shown(compared, width=80) -> list[str]:
    """The tables' lines on a terminal of so many columns."""
    from kmodels.core.cli import console

    out = Console(file=io.StringIO(), width=width, color_system=None)
    for table in compare.terminal(compared):
        for part in console._fitting(table, out):
            out.print(part)
    return out.file.getvalue().splitlines()


def page_text(compared) -> str:
    text = re.sub(r"<[^>]+>", " ", compare.html(compared).partition("<body>")[2])
    return " ".join(html.unescape(text).split())


def test_only_fields_that_differ_are_listed():
    changed = {"recipe": {"task": "echo", "seed": 3, "train": {"epochs": 2}}}
    assert compare.recipe_differences(runs({}, changed)) == [("seed", ["0", "3"])]
    assert compare.recipe_differences(runs({}, {})) == []
    assert "(they are the same)" in "\n".join(shown(runs({}, {})))


def test_a_field_of_another_version_is_no_difference():
    """Under its name of today, where the name has changed; and a recipe of no version is compared as it stands."""
    old, new = ({"task": "echo", "seed": 0, "train": {name: "float32"}} for name in ("precision", "dtype"))
    assert compare.recipe_differences(runs({"recipe": old}, {"recipe": new})) == []
    strange = {"recipe": {"task": "echo", "train": {"moon": "full"}}}
    assert ("train.moon", ["-", "full"]) in compare.recipe_differences(runs({}, strange))


def test_metrics_stand_with_unit_and_interval():
    lines = shown(runs({}, {"metrics": {"rmse": 0.5, "delta1": None}, "intervals": {}}))
    assert any(re.fullmatch(r"rmse \[m\] +0\.2500 \(0\.125 to 0\.375\) +0\.5000 *", line) for line in lines)
    assert any(re.fullmatch(r"delta1 +0\.7500 +- *", line) for line in lines)
    assert "rmse [m] 0.2500 0.1250 to 0.3750 0.5000" in page_text(runs({}, {"metrics": {"rmse": 0.5}, "intervals": {}}))
    assert compare.metric_names(runs({}, {})) == (["rmse", "delta1"], ["log10"])


def test_gates_stand_with_verdicts_and_under_their_newest_name():
    failed = GATE | {"name": "RMSE", "value": 0.75, "status": "failed"}
    later = {"gates": [failed], "date": "2026-11-27T10:00:00+00:00"}
    assert compare.gate_rows(runs({}, later)) == [("RMSE", "<= 0.5 m", [REPORT["gates"][0], failed])]
    lines = shown(runs({}, later))
    assert any(re.fullmatch(r"RMSE +<= 0\.5 m +0\.2500 m passed +0\.7500 m FAILED *", line) for line in lines)
    assert "RMSE <= 0.5 m 0.2500 m passed 0.7500 m failed" in page_text(runs({}, later))


def test_a_bound_that_has_changed_makes_two_rows():
    rows = compare.gate_rows(
        runs({}, {"gates": [GATE | {"bound": [0.4, 0.5], "direction": "within", "status": "failed"}]})
    )
    assert [(bound, [row and row["status"] for row in each]) for _, bound, each in rows] == [
        ("<= 0.5 m", ["passed", None]),
        ("0.4 to 0.5 m", [None, "failed"]),
    ]


def test_a_gate_that_proves_nothing_is_marked():
    weak = GATE | {"status": "passed", "kind": "quality", "discriminates": False}
    needed = GATE | {"metric": "mass", "status": "passed", "kind": "requirement", "discriminates": None}
    compared = runs({"gates": [weak, needed]}, {})
    assert "0.2500 m (passed)" in "\n".join(shown(compared))
    assert "0.2500 m passed does not discriminate 0.2500 m passed error requirement" in page_text(compared)


def test_what_makes_a_comparison_weak_is_said():
    assert compare.notes(runs({}, {})) == []
    data, code, small = compare.notes(runs({}, {"data_hash": "d2", "commit": None, "smoke": True}))
    assert "held-out data are not the same" in data and "commits" in code and small.endswith(": B")


def test_curves_of_all_runs_are_in_one_picture():
    slow = {"history": [{"epoch": 1, "loss": 2.0, "val_loss": 0.5, "val_rmse": 4.0}]}
    loss, rmse = compare.curves(runs({}, slow)).axes
    assert rmse.get_title() == "validation: rmse [m]"
    assert [line.get_label() for line in loss.lines] == ["A", "B"]
    assert loss.lines[0].get_ydata().tolist() == [1.0, 1 / 2, 1 / 3] and rmse.lines[1].get_xydata().tolist() == [[1, 4]]


def test_a_report_that_sums_up_several_seeds_can_be_compared():
    both = {"seeds": [1000, 1001], "history": None}
    compared = runs(both, {})
    assert "seeds 1000, 1001" in page_text(compared) and "seeds 1000, 1001, torch" in "\n".join(shown(compared))
    (line,) = compare.curves(compared).axes[0].lines
    assert line.get_label() == "B" and line.get_color() == compare.COLOURS[1]
    assert compare.curves(runs(both, both)) is None and "Validation curves" not in page_text(runs(both, both))


@pytest.mark.parametrize(
    "changes, said",
    [
        ([{}], "2 to 26 runs, not 1"),
        ([{}] * 27, "2 to 26 runs, not 27"),
        ([{}, {"model": "nand"}], "runs/echo-0 is a run of echo, runs/echo-1 one of nand"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, said):
    with pytest.raises(UserError, match=said):
        runs(*changes)


def test_what_is_no_report_is_refused():
    for wrong in ({"model": "echo"}, [1], None):
        with pytest.raises(UserError, match="b: not the report of a run"):
            compare.together([(Path("a"), REPORT), (Path("b"), wrong)])


@pytest.mark.parametrize("name", registry.NAMES)
def test_reports_of_earlier_versions(name):
    report = json.loads((RUNS / name / "report.json").read_text())
    again = copy.deepcopy(report) | {"seed": 1}
    compared = compare.together([(Path("one"), report), (Path("other"), again)])
    lines = shown(compared)
    assert max(map(len, lines)) <= 80
    page = compare.html(compared)
    assert page.count("<img") == 1 and "http" not in page
    text = page_text(compared)
    for gate in report["gates"]:
        assert gate["name"] in text


def test_the_verb_writes_a_page_beside_the_runs_and_loads_no_backend(tmp_path):
    for k in range(3):
        (tmp_path / f"echo-{k}").mkdir()
        (tmp_path / f"echo-{k}/run.json").write_text("{}")
        (tmp_path / f"echo-{k}/report.json").write_text(json.dumps(REPORT | {"seed": k}))
    script = """
import sys
from kmodels.__main__ import main
status = main(["compare", *sys.argv[1:]])
assert not {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
sys.exit(status)
"""
    done = run_python("-c", script, *(tmp_path / f"echo-{k}" for k in range(3)), check=0)
    assert "runs of echo" in done.stdout and "held-out data are not the same" in done.stdout
    assert "echo: 3 runs" in (tmp_path / "compare.html").read_text()


def test_wrong_usage(tmp_path, capsys):
    nand, plume, unfinished = (str(RUNS / name) for name in ("nand", "plume", "nand.unfinished"))
    for words, said in (
        ([nand, plume], "compare runs of one model"),
        ([nand, unfinished], "nand.unfinished: not finished, so it has no report; go on with: "),
        ([nand, str(tmp_path)], "no run folder"),
        ([nand, str(tmp_path / "nowhere")], "nowhere: no such file or folder"),
        ([nand, f"{nand}/frame.csv"], "frame.csv: not the report of a run"),
        ([nand, f"{nand}/run.json"], "run.json: not the report of a run: it has no recipe"),
        ([nand, nand, "--oout", "x"], "did you mean --out?"),
    ):
        fails_cleanly(capsys, verb.main(words), said)


def test_a_page_that_is_not_ours_stays(tmp_path, capsys):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(REPORT))
    (tmp_path / "compare.html").write_text("<p>mine</p>")
    words = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    fails_cleanly(capsys, verb.main(words), "not written by kmodels; say --out")
    assert (tmp_path / "compare.html").read_text() == "<p>mine</p>"
    assert verb.main([*words, "--out", str(tmp_path / "c.html")]) == 0
    assert verb.main([*words, "--out", str(tmp_path / "c.html")]) == 0
