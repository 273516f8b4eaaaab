"""One contestant in a process of its own, and what is timed on an accelerator."""

import json

import keras
import numpy as np
import pytest
from helpers import on_gpu
from helpers.checks import fails_cleanly, run_python
from keras import ops

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
    assert 0 < found["low_ms"] <= found["median_ms"] <= found["high_ms"] and found["first_s"] >= 0
    assert found["memory_gb"] > 0.05 and 0 <= found["waiting"] < 1 and found["parameters"] > 1000
    assert found["device"] and found["backend"] == backend.current()


@pytest.mark.parametrize("who", ["ours", "keras"])
def test_a_layer_finds_its_input_on_the_device(who, monkeypatch):
    """As plain PyTorch's does: what copies it in every step is not the layer's time."""
    given, entry = [], contestant.Contestant("plume", who, backend.current(), True, "tf32", 2, "smoke")

    def fitted(model, batches, steps):
        given.extend(batches)
        return np.ones(steps + 1), 0.0

    monkeypatch.setattr(contestant, "fitted", fitted)
    times, rest = contestant._layer(entry, None)
    assert len(times) == len(given) == 3 and rest == {"shape": [2, 3, 4, 8, 8, 4]}
    assert all(keras.ops.is_tensor(part) for batch in given for part in batch)


def test_a_layer_alone(capsys, monkeypatch):
    words = ["--model", "plume", "--part", "layer", "--contestant", "ours", "--backend", backend.current()]
    found = timed(capsys, monkeypatch, *words)
    assert found["layer"] and 0 < found["low_ms"] <= found["median_ms"]


@pytest.mark.parametrize("form", ["first", "first_copied"])
def test_candidates_are_the_same_convolution(form):
    if backend.current() == "tensorflow":
        pytest.skip("its CPU has no convolution with channels first")
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=size).astype("float32") for size in ((2, 3, 5, 4, 2), (3, 3, 3, 2, 8)))
    found = on_gpu.candidates()[form](ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), "same")
    expected = ops.conv(x, kernel, padding="same", data_format="channels_last")
    np.testing.assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(expected), rtol=0, atol=2e-5)


@pytest.mark.skipif(backend.current() != "torch", reason="PyTorch's own setting")
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_pytorch_rounds_products_as_asked(precision):
    code = (
        "import sys; from kmodels.benchmarks import contestant; contestant.choose_precision(sys.argv[1]); "
        "import torch; print(torch.backends.cuda.matmul.allow_tf32)"
    )
    assert run_python("-c", code, precision, check=0).stdout.split() == [str(precision == "tf32")]


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
    return {**vars(entry), "input": "device", "median_ms": 10.0, "memory_gb": 1.0, "device": "a GPU", **changes}


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
    assert all(entry.precision == "tf32" for entry in todo[:16]) and todo[6].model == "nand"


def test_a_layer_whose_input_lay_on_the_host_is_timed_again(monkeypatch):
    todo, done = accelerator.contestants(["jax"], full=True)[:1], []
    monkeypatch.setattr(accelerator, "_child", lambda entry: done.append(entry) or dict(row(median_ms=5.0)))
    found = accelerator.measured(todo, {"rows": [row(input="host")]}, lambda found: 0, lambda *a: 0)
    assert done == todo and [one["input"] for one in found["rows"]] == ["host", "device"]
    layer, _ = accelerator.tables(found)
    assert [line[2:4] for line in layer] == [["input on", "ours [ms]"], ["host", "10.0"], ["device", "5.0"]]


def test_the_verb_times_in_processes_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    few, out = accelerator.contestants([backend.current()], full=False)[:1], tmp_path / "gpu.json"
    monkeypatch.setattr(accelerator, "contestants", lambda backends, full: few)
    words = ["--device", "gpu", "--smoke", "--backend", backend.current(), "--out", str(out)]
    assert bench.main(words) == 0
    (found,) = json.loads(out.read_text())["rows"]
    assert found["input"] == "device" and found["layer"] and found["median_ms"] > 0
    assert f"| {backend.current()} | tf32 | device | " in out.with_suffix(".md").read_text()
    monkeypatch.setattr(accelerator, "in_a_process", lambda *given: pytest.fail("timed again"))
    assert bench.main(words) == 0
    assert json.loads(out.read_text())["rows"] == [found]


def test_full_recipes_are_timed_without_predictions(monkeypatch):
    given = []
    monkeypatch.setattr(accelerator, "in_a_process", lambda entry, limit, more: given.append(more))
    for entry in accelerator.contestants(["jax"], full=True)[2:7]:
        accelerator._child(entry)
    assert given[1] == ("--config", "configs/plume_full.yaml", "--data.frames", "36") and len(given[0]) == 2
    entry = contestant.Contestant("plume", "ours", "jax", size="full")
    assert contestant._predictions({1: lambda: pytest.fail("predicted")}, entry) == {}


def test_printed_ratios_divide_out():
    full = row(layer=False, parameters=12345, batch=2, waiting=0.001)
    layer, recipes = accelerator.tables({"rows": [row(), row(contestant="keras", median_ms=40.0), full]})
    assert layer[1] == ["jax", "tf32", "device", "10.0", "40.0", "-", "-", "0.25"]
    assert recipes[1] == ["plume", "jax", "12,345", "2", "10.0", "1.00", "0.1%"]
