"""The list of a folder's runs."""

import html
import json
import os
import re
import shutil

import pytest
from helpers.checks import ROOT, run_python

from kmodels.core.report import index
from kmodels.core.spec import registry

RUNS = ROOT / "tests/fixtures/saved_runs"


@pytest.fixture
def folder(tmp_path):
    """Two finished runs, of earlier versions, and an unfinished one; nand's are of what is now a variant."""
    for name in ("nand", "echo"):
        (tmp_path / name).mkdir()
        for file in ("run.json", "recipe.yaml", "report.json"):
            shutil.copy(RUNS / name / file, tmp_path / name)
    shutil.copytree(RUNS / "nand.unfinished", tmp_path / "nand.unfinished")
    os.utime(tmp_path / "nand.unfinished/run.json", (0, 0))
    return tmp_path


def text_of(folder) -> str:
    page = (folder / "index.html").read_text().partition("<body>")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def changed(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_runs_stand_newest_first_with_what_they_reached(folder):
    changed(folder / "echo/report.json", headline=["delta1", "rmse"], smoke=False, date="2026-12-24T10:00:00+00:00")
    echo, nand, unfinished = index.collect(folder)
    assert [row["name"] for row in (echo, nand, unfinished)] == ["echo", "nand", "nand.unfinished"]
    report = json.loads((folder / "echo/report.json").read_text())
    assert echo["metrics"] == [[name, report["metrics"][name], unit] for name, unit in (("delta1", ""), ("rmse", "m"))]
    assert echo["duration_s"] == report["duration_s"] and echo["verdict"] == "no gate was judged"
    assert nand["about"] == "differences, smoke, seed 0" and nand["state"] == "finished"
    assert (unfinished["state"], unfinished["about"], unfinished["metrics"]) == (
        "stopped",
        "differences, smoke, seed 0",
        [],
    )


def test_the_page_links_reports_and_says_what_is_unfinished(folder):
    (folder / "echo").rename(folder / "echo & co")
    assert index.write(folder) == folder / "index.html"
    page = (folder / "index.html").read_text()
    assert re.findall(r'href="([^"]+)"', page) == ["echo%20%26%20co/report.html", "nand/report.html"]
    assert "http" not in page and "3 runs" in text_of(folder)
    assert "nand differences, smoke, seed 0 nand.unfinished 1970-01-01" in text_of(folder) and "stopped" in text_of(
        folder
    )
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"index.html", "index.json"}


@pytest.mark.parametrize("name", [name for name in registry.NAMES if registry.recipe_type(name).VARIANTS])
def test_every_variant_is_recognised(name):
    """A smoke run, too, unless what makes it small hides the variant."""
    kind = registry.recipe_type(name)
    for variant, changes in ({"default": {}} | kind.VARIANTS).items():
        label = "" if variant == "default" else f"{variant}, "
        recipe = kind().with_changes(changes).with_changes({"seed": 7})
        assert index._about(name, recipe.model_dump(mode="json"), False, "seed 7") == f"{label}seed 7"
        small = recipe.with_changes(kind.SMOKE).model_dump(mode="json")
        assert index._about(name, small, True, "seed 7") in {f"{label}smoke, seed 7", "smoke, seed 7"}


def test_a_run_that_somebody_works_on(folder):
    lock = folder / "nand.unfinished/.lock"
    for words, state in ((f"process {os.getpid()} on here", "running"), ("process 999999999 on here", "stopped")):
        lock.write_text(words)
        index.write(folder)
        assert index.collect(folder)[-1]["state"] == state, "also where the row itself is known"


def test_only_what_has_changed_is_read_again(folder, monkeypatch):
    index.write(folder)
    read = []
    monkeypatch.setattr(index, "_read", lambda path: read.append(path.name) or index._row(path, "finished", 1.0))
    index.collect(folder)
    assert read == []
    changed(folder / "nand/report.json", seed=12345)
    shutil.copy(folder / "nand/report.json", folder / "nand.unfinished")
    shutil.rmtree(folder / "echo")
    assert {row["name"] for row in index.collect(folder)} == {"nand", "nand.unfinished"}
    assert sorted(read) == ["nand", "nand.unfinished"]


@pytest.mark.parametrize(
    "content", ["{", "[1]", "{}", '{"format": 1, "runs": [1]}', '{"format": 2, "runs": []}', "\xff"]
)
def test_a_damaged_index_is_made_anew(folder, content):
    (folder / "index.json").write_bytes(content.encode("latin-1"))
    index.write(folder)
    assert len(json.loads((folder / "index.json").read_text())["runs"]) == 3


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", '"words"', "[" * 100_000, '{"model": "nand", "gates": 3}'])
def test_a_damaged_run_has_a_row_that_says_so(folder, content):
    for name in ("report.json", "run.json"):
        shutil.rmtree(folder / "damaged", ignore_errors=True)
        (folder / "damaged").mkdir()
        (folder / "damaged/run.json").write_text("{}")
        (folder / "damaged" / name).write_text(content)
        index.write(folder)
        states = {row["name"]: row["state"] for row in index.collect(folder)}
        assert states == {"damaged": "damaged", "nand": "finished", "echo": "finished", "nand.unfinished": "stopped"}
        assert "damaged" in text_of(folder)


def test_folders_that_are_no_runs_are_left_out(folder):
    (folder / "cache").mkdir()
    (folder / "cache/report.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    assert len(index.collect(folder)) == 3


def test_a_report_that_sums_up_several_seeds_is_listed_too(folder):
    (folder / "nand-seeds").mkdir()
    shutil.copy(folder / "nand/report.json", folder / "nand-seeds")
    changed(folder / "nand-seeds/report.json", seeds=[1000, 1001], date="2026-12-24T10:00:00+00:00")
    assert index.collect(folder)[0]["about"] == "differences, smoke, seeds 1000, 1001"


def test_a_page_of_somebody_else_stays(folder):
    (folder / "index.html").write_text("<p>mine</p>")
    assert index.write(folder) is None
    assert (folder / "index.html").read_text() == "<p>mine</p>" and not (folder / "index.json").exists()


def test_what_cannot_be_written_ends_nothing(folder, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index.files, "write_text", full)
    assert index.write(folder) is None
    assert "index.html: not written: No space left on device" in capsys.readouterr().err


def test_two_processes_at_once_leave_a_whole_page(folder):
    script = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from kmodels.core.report import index
if __name__ == "__main__":
    with ProcessPoolExecutor(4) as pool:
        assert all(pool.map(index.write, [Path(sys.argv[1])] * 20))
    assert not {"keras", "torch", "jax", "tensorflow"} & set(sys.modules)
"""
    (folder / "script.py").write_text(script)
    run_python(folder / "script.py", folder, check=0)
    names = {path.name for path in folder.iterdir() if path.is_file()} - {"script.py"}
    assert names == {"index.html", "index.json"}, "no lock and no temporary file is left"
    assert (folder / "index.html").read_text().rstrip().endswith("</html>")
    assert len(json.loads((folder / "index.json").read_text())["runs"]) == 3
