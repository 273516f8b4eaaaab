"""A training that is killed or stopped ends with exactly the weights of one that was not."""

import json
import signal
import time
from types import SimpleNamespace

import pytest
from helpers.checks import fails_cleanly, only_run, report_of
from helpers.killing import same_run, saved_state, scalars_of, started

from kmodels.core.runs.run import Run
from kmodels.core.spec.errors import UserError
from kmodels.core.training import callbacks, loop
from kmodels.core.training.state import TrainingState
from kmodels.core.training.tensorboard import Monitor
from kmodels.fit import main as fit
from kmodels.nand.recipe import NandRecipe

TINY = ("--model", "nand", "--smoke", "--data.n_sequences", "1200", "--train.batch_size", "32", "--train.epochs", "3")
# Less of a graph to trace: the suite has minutes.
TINY += ("--model.bidirectional=false", "--model.operation_head=false", "--model.sequence_order=time")


def kill_when_saved(out, process, least: int, later: float) -> None:
    """SIGKILL, some time after a state of at least this step is saved."""
    until = time.monotonic() + 500
    while not any(int(p.name.removeprefix("step-")) >= least for p in out.glob("*/checkpoints/step-*")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until, "no state was saved in time"
        time.sleep(0.01)
    time.sleep(later)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert fit([*TINY, "--out", str(out)]) == 0
    return only_run(out)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Two killed runs, trained side by side: one saves after each epoch, the other after each step."""
    each = {"epoch": (1, 0.2, ()), "step": (5, 0.0, ("--train.checkpoint_seconds", "1e-9"))}
    out = {name: tmp_path_factory.mktemp(f"killed_{name}") for name in each}
    processes = {
        name: started(["kmodels.fit", *TINY, "--out", out[name], *words]) for name, (_, _, words) in each.items()
    }
    for name, (least, later, _) in each.items():
        kill_when_saved(out[name], processes[name], least, later)
    return {name: only_run(folder) for name, folder in out.items()}


@pytest.mark.parametrize("saving", ["epoch", "step"])
def test_sigkill_then_resume_gives_exactly_the_same_weights(undisturbed, killed, saving):
    """Weights, optimizer, seeds and history, whether the last state is of an epoch's end or of its middle."""
    run = killed[saving]
    per_epoch = int(saved_state(undisturbed)["step"]) // 3
    step = int(saved_state(run)["step"])
    assert not (run / "report.json").exists() and step < 3 * per_epoch, "killed too late to prove anything"
    assert fit(["--resume", str(run)]) == 0
    same_run(run, undisturbed)


def test_ctrl_c_and_sigterm_save_at_once_and_say_how_to_go_on(undisturbed, tmp_path, capsys, monkeypatch):
    """In the middle of the second epoch and of the third; what is resumed ends as if nothing had been."""
    per_epoch = int(saved_state(undisturbed)["step"]) // 3
    real, sent = callbacks.LossGuard.on_train_batch_end, {2: signal.SIGINT, 3: signal.SIGTERM}
    handlers = {signum: signal.getsignal(signum) for signum in sent.values()}

    def interrupted(self, batch, logs=None):
        epoch, step = divmod(self.state.step, per_epoch)
        if step == 4 and epoch + 1 in sent:
            signal.raise_signal(sent.pop(epoch + 1))
        real(self, batch, logs)

    monkeypatch.setattr(callbacks.LossGuard, "on_train_batch_end", interrupted)
    words = [*TINY, "--out", str(tmp_path / "two words")]
    for epoch, signum in list(sent.items()):
        assert fit(words) == 128 + signum
        run, step = only_run(tmp_path / "two words"), (epoch - 1) * per_epoch + 5
        said = capsys.readouterr().out
        assert f"epoch {epoch} of 3, step {step}; nothing is lost" in said and f"--resume '{run}'" in said
        assert int(saved_state(run)["step"]) == step
        assert signal.getsignal(signum) is handlers[signum], "put back"
        words = ["--resume", str(run)]
    assert fit(words) == 0
    same_run(run, undisturbed)


def test_resuming_a_finished_run_only_shows_it(undisturbed, capsys):
    before = (undisturbed / "report.json").read_bytes()
    assert fit(["--resume", str(undisturbed)]) == 0
    assert "accuracy" in capsys.readouterr().out and (undisturbed / "report.json").read_bytes() == before


def test_tensorboard_shows_every_epoch_once_after_a_kill(undisturbed, tmp_path):
    """A kill between an epoch's curves and the next state: what is written again hides what stood there."""
    first = Monitor(tmp_path)
    for epoch in (1, 2, 3):
        first.steps({step: {"loss": 9.0} for step in (2 * epoch - 1, 2 * epoch)})
        first.epoch(epoch, {"loss": 9.0, "val_loss": 8.0}, {})
    first.close()
    second = Monitor(tmp_path, first_epoch=3, first_step=5)  # as after a kill behind the curves of epoch 3
    second.steps({5: {"loss": 1.0}, 6: {"loss": 1.0}})
    second.epoch(3, {"loss": 1.0, "val_loss": 2.0}, {})
    second.close()
    curves = {name: scalars_of(tmp_path / name) for name in ("train", "validation", "steps")}
    points = {name: [(e.step, e.value) for tag in tags.values() for e in tag] for name, tags in curves.items()}
    assert points == {
        "train": [(1, 9.0), (2, 9.0), (3, 1.0)],
        "validation": [(1, 8.0), (2, 8.0), (3, 2.0)],
        "steps": [(1, 9.0), (2, 9.0), (3, 9.0), (4, 9.0), (5, 1.0), (6, 1.0)],
    }


def standing(tmp_path=None, monitor="val_loss", **train) -> TrainingState:
    """A training of nand's default recipe on 1,280 examples, ten steps an epoch."""
    recipe = NandRecipe().with_changes({"train": {"batch_size": 128} | train})
    return TrainingState(SimpleNamespace(path=tmp_path), recipe, range(1280), monitor)


def rows(losses, name="val_loss"):
    return [{"epoch": k + 1, name: loss} for k, loss in enumerate(losses)]


def test_patience_is_a_pure_function_of_the_history():
    state = standing(patience=2, epochs=9)
    for losses, finished in (([], False), ([3, 2], False), ([2, 3], False), ([2, 3, 3], True), ([1] * 9, True)):
        state.history = rows(losses)
        assert state.finished() is finished, losses
    state = standing(patience=2, epochs=9, min_delta=0.1)
    for losses, finished in (([1.0, 0.95, 0.85], False), ([1.0, 0.95, 0.91], True), ([1.0, 0.95, 0.85, 0.8], False)):
        state.history = rows(losses)
        assert state.finished() is finished, losses


def test_another_figure_than_the_loss_can_say_which_epoch_is_best():
    state = standing(monitor="val_error", patience=1, epochs=9)
    state.history = [{"epoch": k + 1, "val_loss": -k, "val_error": error} for k, error in enumerate((3.0, 1.0, 2.0))]
    assert state.best()["epoch"] == 2 and state.finished()


def test_a_schedule_is_called_at_every_epoch():
    called = []
    schedule = callbacks.EpochSchedule(lambda *args: called.append(args), "the recipe")
    schedule.set_model("the model")
    for epoch in (0, 4, 4):  # the last one taken up again in its middle
        schedule.on_epoch_begin(epoch)
    assert called == [("the model", "the recipe", epoch) for epoch in (0, 4, 4)]


def test_the_loss_is_fetched_now_and_then_not_after_every_step(tmp_path, monkeypatch):
    """At the first step, at the end of an epoch, and once in LOOK_SECONDS; Keras hands it on as it is."""
    guard = callbacks.LossGuard(standing(tmp_path))
    guard.bar, looks, loss = SimpleNamespace(update=lambda step, loss: None), [], object()
    monkeypatch.setattr(
        callbacks.inference, "as_numpy", lambda x: 1.0 if x is loss and not looks.append(guard.state.step) else x
    )
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", 1e9)
    for _ in range(20):
        loop._Unread([guard]).on_train_batch_end(0, {"loss": loss})
    assert looks == [1, 10, 20]
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", -1)
    loop._Unread([guard]).on_train_batch_end(0, {"loss": loss})
    assert looks == [1, 10, 20, 21]


def test_a_state_of_another_model_is_refused(undisturbed, tmp_path, capsys):
    import shutil

    run = tmp_path / undisturbed.name
    shutil.copytree(undisturbed, run)
    (run / "report.json").unlink()
    recipe = (run / "recipe.yaml").read_text().replace("hidden: 16", "hidden: 8")
    (run / "recipe.yaml").write_text(recipe)
    fails_cleanly(capsys, fit(["--resume", str(run)]), "another model")


def test_a_newer_run_and_a_run_of_an_unknown_model_are_refused(undisturbed, tmp_path):
    for change, word in (({"format": 99}, "format 99"), ({"model": "weather"}, "'weather'")):
        metadata = json.loads((undisturbed / "run.json").read_text()) | change
        (tmp_path / "run.json").write_text(json.dumps(metadata))
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
    per_epoch = int(saved_state(undisturbed)["step"]) // len(history)
    steps = sorted(int(p.name.removeprefix("step-")) for p in (undisturbed / "checkpoints").iterdir())
    assert steps == sorted({best * per_epoch, len(history) * per_epoch})
    assert (undisturbed / "model.keras").stat().st_size > 0
