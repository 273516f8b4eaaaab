"""A training that is killed or stopped ends with exactly the weights of one that was not."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from checks import ROOT, equal_arrays, only_run, report_of, run_python

from kmodels import fit
from kmodels.core import training
from kmodels.core.errors import UserError
from kmodels.core.run import Run

TINY = ("--model", "nand", "--smoke", "--data.n_sequences", "1200", "--train.batch_size", "32", "--train.epochs", "3")


def last_state(run) -> dict:
    variables, about = Run.open(run).load_state()
    return {f"{k:03d}": value for k, value in enumerate(variables)} | {"step": np.array(about["step"])}


def begin(out, *words):
    """A fit in a process of its own."""
    command = [sys.executable, "-m", "kmodels.fit", *TINY, "--out", str(out), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_step(out, process, least: int) -> None:
    """Wait until a state of at least this step is saved."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        steps = [int(p.name.removeprefix("step-")) for p in out.glob("*/checkpoints/step-*")]
        if steps and max(steps) >= least:
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    raise AssertionError("no state was saved in time")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    run_python("-m", "kmodels.fit", *TINY, "--out", out, check=0)
    return only_run(out)


def assert_same_end(run, undisturbed):
    equal_arrays(last_state(run), last_state(undisturbed))
    one, other = report_of(run), report_of(undisturbed)
    assert one["metrics"] == other["metrics"]
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in r["history"]] for r in (one, other)]
    assert timeless[0] == timeless[1]
    leftovers = [p.name for p in run.rglob("*") if p.name.startswith(".aside-")]
    assert leftovers == []


def test_sigkill_then_resume_gives_exactly_the_same_weights(undisturbed, tmp_path):
    """Killed in the second epoch, somewhere behind the first one's state."""
    process = begin(tmp_path)
    wait_for_step(tmp_path, process, 1)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = only_run(tmp_path)
    assert not (run / "report.json").exists(), "killed too late to prove anything"
    run_python("-m", "kmodels.fit", "--resume", run, check=0)
    assert_same_end(run, undisturbed)


def test_sigkill_within_an_epoch_with_states_within_epochs(undisturbed, tmp_path):
    """With a state every few steps, resuming starts in the middle of an epoch: running means go on, too."""
    process = begin(tmp_path, "--train.checkpoint_seconds", "0.01")
    wait_for_step(tmp_path, process, 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = only_run(tmp_path)
    step = int(last_state(run)["step"])
    done = run_python("-m", "kmodels.fit", "--resume", run, check=0)
    assert "all" in done.stdout or "not measured" in done.stdout
    one, other = last_state(run), last_state(undisturbed)
    equal_arrays(one, other)
    assert 0 < step < int(other["step"])


def test_ctrl_c_saves_at_once_and_says_how_to_go_on(undisturbed, tmp_path):
    process = begin(tmp_path, "--train.checkpoint_seconds", "0.01")
    wait_for_step(tmp_path, process, 1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    run = only_run(tmp_path)
    assert process.returncode == 128 + signal.SIGINT, said
    assert "nothing is lost" in said and f"--resume {run}" in said and "Traceback" not in said
    run_python("-m", "kmodels.fit", "--resume", run, check=0)
    assert_same_end(run, undisturbed)


def test_resuming_a_finished_run_only_shows_it(undisturbed):
    before = (undisturbed / "report.json").read_bytes()
    done = run_python("-m", "kmodels.fit", "--resume", undisturbed, check=0)
    assert "accuracy" in done.stdout and (undisturbed / "report.json").read_bytes() == before


def test_tensorboard_shows_every_epoch_once_after_a_kill(undisturbed, tmp_path):
    """A kill between an epoch's curves and the next state: what is written again hides what stood there."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from kmodels.core.monitor import Monitor

    first = Monitor(tmp_path)
    for epoch in (1, 2, 3):
        first.epoch(epoch, {"loss": 9.0}, {})
    first.close()
    time.sleep(1.1)  # event files are ordered by a time stamp in seconds
    second = Monitor(tmp_path, first_epoch=3)
    second.epoch(3, {"loss": 1.0}, {})
    second.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 9.0), (2, 9.0), (3, 1.0)]


def test_patience_is_a_pure_function_of_the_history(tmp_path):
    from kmodels.nand.recipe import NandRecipe

    recipe = NandRecipe().with_changes({"train": {"patience": 2, "epochs": 9}})
    keeper = training.Keeper(None, recipe, 10, None, None)
    for losses, finished in (([], False), ([3, 2], False), ([2, 3], False), ([2, 3, 3], True), ([1] * 9, True)):
        keeper.history = [{"epoch": k + 1, "val_loss": loss} for k, loss in enumerate(losses)]
        assert keeper.finished() is finished, losses


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_a_finite_state(tmp_path, capsys):
    words = [*TINY, "--out", str(tmp_path), "--train.learning_rate", "1.0", "--train.clip_norm", "0"]
    import kmodels.nand.losses as losses

    real, calls = losses.binary_cross_entropy, []

    def poisoned(target, logit):
        calls.append(1)
        return real(target, logit) * float("nan")

    losses.binary_cross_entropy = poisoned
    try:
        status = fit.main(words)
    finally:
        losses.binary_cross_entropy = real
    said = capsys.readouterr().err
    assert status == 2 and calls
    assert "no longer a finite number at step 1 (first in: verdict)" in said
    run = Run.open(only_run(tmp_path))
    assert run.load_state() is None and run.report() is None


def test_a_state_of_another_model_is_refused(undisturbed, tmp_path):
    import shutil

    run = tmp_path / undisturbed.name
    shutil.copytree(undisturbed, run)
    (run / "report.json").unlink()
    recipe = (run / "recipe.yaml").read_text().replace("hidden: 16", "hidden: 8")
    (run / "recipe.yaml").write_text(recipe)
    done = run_python("-m", "kmodels.fit", "--resume", run, check=2)
    assert "another model" in done.stderr and "Traceback" not in done.stderr


def test_a_newer_run_and_a_run_of_an_unknown_model_are_refused(undisturbed, tmp_path):
    for change, word in (({"format": 99}, "format 99"), ({"model": "weather"}, "'weather'")):
        about = json.loads((undisturbed / "run.json").read_text()) | change
        (tmp_path / "run.json").write_text(json.dumps(about))
        with pytest.raises(UserError, match=word):
            Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match="not the record of a run"):
        Run.open(tmp_path)
    with pytest.raises(UserError, match="no run folder"):
        Run.open(tmp_path / "nowhere")


def test_old_states_are_dropped_and_the_best_is_kept(undisturbed):
    history = report_of(undisturbed)["history"]
    best = min(history, key=lambda row: row["val_loss"])["epoch"]
    per_epoch = int(last_state(undisturbed)["step"]) // len(history)
    steps = sorted(int(p.name.removeprefix("step-")) for p in (undisturbed / "checkpoints").iterdir())
    assert steps == sorted({best * per_epoch, len(history) * per_epoch})
    assert (undisturbed / "model.keras").stat().st_size > 0
