"""Whole fits."""

import json

import pytest

from kmodels import bench
from kmodels.benchmarks import whole
from kmodels.core.runs.course.stopwatch import PARTS
from kmodels.core.training import backend


@pytest.mark.slow
def test_a_fit_from_the_command_to_its_report(tmp_path, capsys):
    out = tmp_path / "job.json"
    words = ["--part", "job", "--smoke", "--model", "nand.generator", "--backend", backend.current()]
    assert bench.main([*words, "--out", str(out)]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert sum(row["parts_s"].values()) == pytest.approx(row["wall_s"], rel=0.25)
    assert min(row["parts_s"][part] for part in ("start-up", "data", "training", "judging", "pictures")) > 0
    assert row["memory_gb"] > 0.1 and "| nand.generator |" in capsys.readouterr().out


def row(model="nand", **more) -> dict:
    parts = dict(zip(PARTS, (5.0, 1.0, 9.0, 20.0, 6.0, 4.0), strict=True))
    return {"model": model, "backend": "jax", "wall_s": 50.0, "parts_s": parts, "memory_gb": 1.0, "passed": True} | more


def test_the_table_of_fits():
    head, first, second = whole.table([row(), row(passed=False)])
    assert head[3:9] == list(PARTS)
    assert first[2:4] == ["50.0 s", "5.0 s"] and first[-3:] == ["20%", "1.00 GB", "passed"] and second[-1] == "FAILED"


def test_fits_in_turn_and_what_was_measured_is_kept(monkeypatch):
    def of_job(model, name, smoke):
        if model == "plume":
            raise ValueError("no memory")
        return row(model)

    monkeypatch.setattr(whole, "of_job", of_job)
    todo = [(model, "jax") for model in ("nand", "echo", "plume")]
    found = whole.measured(todo, False, {"rows": [row(wall_s=1.0)]}, lambda found: None, lambda *args: None)
    assert [one["wall_s"] for one in found["rows"]] == [1.0, 50.0] and found["failed"] == ["plume on jax: no memory"]
