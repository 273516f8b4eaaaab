"""A run's folder: one process at a time, the same data, any place, any clock; what is damaged is named."""

import json
import os
import shutil
import time

import numpy as np
import pytest
from helpers.checks import equal_arrays, fails_cleanly, run_python
from helpers.killing import scalars_of
from helpers.small_training import PER_EPOCH, run, state, trained

from kmodels.core.io import files
from kmodels.core.runs import pipeline
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend
from kmodels.core.training.tensorboard import Monitor
from kmodels.fit import main as fit

HEADER = "sequence,step,op,die,plane,block,page\n"


def write_trace(path, page=0):
    rows = (f"s{k},0,erase,0,0,0,\ns{k},1,program,0,0,0,{page if k == 7 else 0}\n" for k in range(40))
    path.write_text(HEADER + "".join(rows))


@pytest.fixture
def on_a_file(tmp_path):
    """A run on a user's file, begun and stopped before its first step."""
    write_trace(tmp_path / "mine.csv")
    recipe = registry.recipe_type("nand")()
    one = Run.create(tmp_path / "runs", recipe, backend.current(), str(tmp_path / "mine.csv"), True)
    one.note_data(pipeline.data_of(registry.task("nand"), one).sha256)
    return one


def test_a_resumed_run_refuses_other_data(on_a_file, tmp_path, capsys):
    write_trace(tmp_path / "mine.csv", page=1)  # one page of one operation
    said = fails_cleanly(capsys, fit(["--resume", str(on_a_file.path)]), "not the data that", on_a_file.path)
    assert said.count("\n") == 1 and str(tmp_path / "mine.csv") in said
    write_trace(tmp_path / "mine.csv")
    pipeline.data_of(registry.task("nand"), Run.open(on_a_file.path))


def test_data_may_move_but_not_change(on_a_file, tmp_path, capsys):
    task, there = registry.task("nand"), tmp_path / "there.csv"
    (tmp_path / "mine.csv").rename(there)
    fails_cleanly(capsys, fit(["--resume", str(on_a_file.path)]), "mine.csv: no such file", "--data PATH")
    moved = Run.open(on_a_file.path).with_data_path(str(there))
    moved.note_data(pipeline.data_of(task, moved).sha256)
    assert Run.open(on_a_file.path).metadata["data"] == str(there)
    write_trace(there, page=1)
    words = ["--resume", str(on_a_file.path), "--data", str(there)]
    fails_cleanly(capsys, fit(words), "there.csv: not the data that")
    simulated = run(tmp_path / "simulated")
    fails_cleanly(capsys, fit(["--resume", str(simulated.path), "--data", str(there)]), "trained on simulated data")


HOLDING = "import sys, time; from kmodels.core.runs.run import Run\nwith Run.open(sys.argv[1]).lock(): {inside}"


def test_a_second_process_is_told_who_has_the_run(tmp_path, capsys):
    one = run(tmp_path)
    with one.lock():
        done = run_python("-c", HOLDING.format(inside="pass"), one.path)
        assert done.returncode == 1 and f"process {os.getpid()} on " in done.stderr.splitlines()[-1]
        fails_cleanly(capsys, fit(["--resume", str(one.path)]), one.path, f"process {os.getpid()} on ", "wait")
    run_python("-c", HOLDING.format(inside="pass"), one.path, check=0)
    run_python("-c", HOLDING.format(inside="import os; os._exit(9)"), one.path, check=9)  # as killed
    with one.lock():
        pass
    assert sorted(p.name for p in one.path.iterdir()) == ["log.txt", "recipe.yaml", "run.json"]


def test_a_moved_folder_goes_on_to_the_same_end(tmp_path):
    one, other = run(tmp_path / "here", checkpoint_seconds=1e-9), run(tmp_path / "other")

    def stop(model, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(one, after_epoch=stop)
    assert one.saved_steps()[-1] == PER_EPOCH - 1
    there = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(one.path, there)
    shutil.rmtree(one.path)
    trained(Run.open(there)), trained(other)
    equal_arrays(state(Run.open(there)), state(other))


def test_curves_stay_in_order_when_the_clock_is_set_back(tmp_path, monkeypatch):
    """And when a training is taken up again within the second in which it was begun."""
    now, clock = time.time(), iter((0.0, 0.0, -86400.0))
    for first in (1, 2, 3):
        offset = next(clock)
        monkeypatch.setattr(time, "time", lambda offset=offset: now + offset)
        monitor = Monitor(tmp_path, first, first)
        for epoch in (first, first + 1):
            monitor.epoch(epoch, {"loss": 10.0 * first + epoch, "val_loss": 1.0}, {})
            monitor.steps({epoch: {"loss": 10.0 * first + epoch}})
        monitor.close()
    monkeypatch.undo()
    for name, tag in (("train", "loss/total"), ("steps", "step/loss")):
        points = scalars_of(tmp_path / name)[tag]
        assert [(e.step, e.value) for e in points] == [(1, 11.0), (2, 22.0), (3, 33.0), (4, 34.0)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    one = run(tmp_path_factory.mktemp("runs"))
    trained(one)
    return one


@pytest.mark.parametrize("name", ["variables.npz", "state.json"])
@pytest.mark.parametrize("change", ["cut", "emptied", "removed", "overwritten"])
def test_a_damaged_state_is_named(finished, tmp_path, name, change):
    there = tmp_path / "run"
    shutil.copytree(finished.path, there)
    path = there / "checkpoints" / f"step-{2 * PER_EPOCH:09d}" / name
    content = path.read_bytes()
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-20], "emptied": b"", "overwritten": b"[1]" + content[3:]}[change])
    with pytest.raises(UserError, match=f"step-{2 * PER_EPOCH:09d}: damaged: .*; without this folder"):
        Run.open(there).load_state()


ABOUT = {"format": 1, "kmodels": "0", "model": "nand", "backend": "jax", "data": None, "smoke": True}
RECORDS = ("", "[]", "{}", "null", "[" * 99999, '{"format": "x"}', "\udcff".encode("utf-8", "surrogateescape"))
RECORDS += tuple(json.dumps(ABOUT | {key: [1]}) for key in ABOUT)
INPUTS = ([1], {"psl": 1}, {"psl": {"unit": "Pa"}}, {"psl": {"unit": 1, "mean": 0.0, "sd": 1.0}})
RECORDS += tuple(json.dumps(ABOUT | {"inputs": inputs}) for inputs in INPUTS)


@pytest.mark.parametrize("content", RECORDS)
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "recipe.yaml").write_text("task: nand")
    with pytest.raises(UserError, match=r"not the record of a run|a run of"):
        Run.open(tmp_path)


def test_what_a_killed_process_was_writing_is_cleared_by_the_next(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from kmodels.core.io import files\n"
        "with files.atomic_write(Path(sys.argv[1])) as aside: aside.write_text('half'); os._exit(9)"
    )
    path = tmp_path / "out.csv"
    run_python("-c", code, path, check=9)
    (left,) = tmp_path.iterdir()
    with files.atomic_write(path) as aside:
        assert not left.exists()
        run_python("-c", code, path, check=9)  # one that writes beside us leaves ours alone
        aside.write_text("whole")
    files.write_text(path, "again")
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"] and path.read_text() == "again"


# Root may write anywhere; without this capability (CAP_DAC_OVERRIDE) it may not.
AS_OTHERS = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""


@pytest.mark.parametrize("verb", ["simulate", "fit"])
def test_a_read_only_folder_is_one_line(tmp_path, verb):
    tmp_path.chmod(0o555)
    words = ("--model", "nand", "--smoke", "--out", tmp_path / "runs")
    done = run_python("-c", AS_OTHERS, f"kmodels.{verb}", *words, check=2)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"error: {tmp_path}") and said.endswith(": Permission denied"), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_epoch_gives_every_row_once_stopped_or_not(tmp_path):
    """Through Keras' data adapter on this backend: counted by the model itself."""
    seen = []

    def count(model, row):
        seen.append(np.array(model.seen))
        if row["epoch"] == 2 and len(seen) == 2:
            raise KeyboardInterrupt  # the state is that of a step before the epoch's end

    one = run(tmp_path, epochs=4, checkpoint_seconds=1e-9)
    with pytest.raises(KeyboardInterrupt):
        trained(one, after_epoch=count)
    trained(one, after_epoch=count)
    for got, epochs in zip(seen, (1, 2, 2, 3, 4), strict=True):
        np.testing.assert_array_equal(got, epochs)
