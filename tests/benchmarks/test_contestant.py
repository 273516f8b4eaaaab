"""One contestant in a process of its own, and what is timed on an accelerator."""

import json

import pytest
from helpers.checks import fails_cleanly

from kmodels import bench
from kmodels.benchmarks import accelerator, contestant, reference
from kmodels.core.training import backend


def timed(capsys, monkeypatch, *words):
    """The line of JSON of one contestant, in this process."""
    monkeypatch.setattr(contestant, "choose_precision", lambda precision: None)  # for processes of its own
    assert bench.main(["--steps", "2", "--smoke", *words]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_our_training_step_alone(capsys, monkeypatch):
    found = timed(
        capsys, monkeypatch, "--model", "nand.generator", "--contestant", "ours", "--backend", backend.current()
    )
    assert 0 < found["low_ms"] <= found["median_ms"] <= found["high_ms"] < 1e3 * found["first_s"]
    assert found["memory_gb"] > 0.05 and 0 <= found["waiting"] < 1 and found["parameters"] > 1000
    assert found["device"] and found["backend"] == backend.current()


@pytest.mark.skipif(reference.missing() is not None, reason="torch is not installed")
def test_the_layer_in_plain_pytorch():
    step = reference.layer_step((1, 2, 3, 4, 4, 2), 2, "bfloat16", compiled=False)
    before = step()
    times = contestant.repeated(step, 3)
    assert len(times) == 4 and min(times) > 0
    assert step() < before, "it learns: the target is 0"


def test_contestants_that_cannot_be(capsys):
    for words, said in (
        (["--contestant", "ours"], "of which --model?"),
        (["--contestant", "keras", "--model", "nand"], "--model plume --part layer"),
        (["--contestant", "eager", "--model", "nand", "--backend", "jax"], "is plain PyTorch"),
        (["--contestant", "ours", "--model", "nand", "--steps", "0"], "1 or more"),
        (["--part", "layer"], "for one --contestant"),
    ):
        fails_cleanly(capsys, bench.main(words), said)


def row(**changes) -> dict:
    """What a contestant measured."""
    entry = contestant.Contestant("plume", "ours", "jax", True, "tf32", 15, "full")
    return {**vars(entry), "median_ms": 10.0, "memory_gb": 1.0, "device": "a GPU", **changes}


def test_what_was_measured_is_kept_and_not_timed_again(monkeypatch):
    todo = accelerator.contestants(["jax", "torch"], full=True)
    assert len(todo) == 12 + 6 + 10 and len(set(todo)) == len(todo)
    done, kept = [], []

    def child(entry):
        if entry.contestant == "compiled":
            raise ValueError("out of memory")
        done.append(entry)
        return {**vars(entry), "median_ms": 1.0}

    monkeypatch.setattr(accelerator, "_child", child)
    found = accelerator.measured(todo, {"rows": [row()]}, lambda found: kept.append(len(found["rows"])), lambda *a: 0)
    assert len(found["rows"]) == 25 and len(done) == 24 and len(found["failed"]) == 3
    assert kept == sorted(kept) and kept[-1] == 25
    assert "out of memory" in found["failed"][0]


def test_printed_ratios_divide_out():
    full = row(layer=False, parameters=12345, batch=2, waiting=0.001)
    layer, recipes = accelerator.tables({"rows": [row(), row(contestant="keras", median_ms=40.0), full]})
    assert layer[1] == ["jax", "tf32", "10.0", "40.0", "-", "-", "0.25"]
    assert recipes[1] == ["plume", "jax", "12,345", "2", "10.0", "1.00", "0.1%"]
