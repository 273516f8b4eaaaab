"""Training that can be stopped anywhere and goes on as if it had not been."""

import itertools
import math
import shlex
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import keras
import numpy as np

from kmodels.core.cli import console
from kmodels.core.spec.errors import UserError
from kmodels.core.training import batching, inference
from kmodels.core.training.live_weights import LiveWeights

LOOK_SECONDS = 0.25  # between two looks at the loss: each waits for the device, and training could go on meanwhile


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """Training was stopped by a signal; its state is saved."""

    def __init__(self, signum: int, where: str):
        super().__init__(where)
        self.signum = signum


def variables(model) -> list:
    """All that training changes, in a fixed order: weights, random seeds, optimizer, running metrics."""
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def best_epoch(history: list[dict], monitor: str) -> dict:
    """The row of the epoch with the lowest `monitor`, whose weights a training keeps; the earliest of equals."""
    return min(history, key=lambda row: row[monitor])


def train(
    model,
    examples,
    recipe,
    run,
    validate: Callable,
    after_epoch: Callable,
    schedule: Callable | None = None,
    monitor: str = "val_loss",
) -> list[dict]:
    """Train a compiled TermModel by `recipe.train`, from the run's last saved state on; keep its best epoch.

    examples: training Examples. validate(epoch) -> {"val_loss": ..., ...}, called after each epoch.
    after_epoch(row): told the epoch's row of the history, for showing and diagnostics.
    schedule(model, recipe, epoch): called before the first step of epoch 0, 1, ..., and of an epoch taken up again.
    Returns the history, a row an epoch. The model holds the weights of the epoch with the lowest `row[monitor]`.
    Raises Stopped on Ctrl-C or SIGTERM, once the state is saved.
    """
    model.optimizer.build(model.trainable_variables)
    per_epoch = batching.steps_per_epoch(len(examples), recipe.train.batch_size)
    callback = TrainingCallback(run, recipe, per_epoch, validate, after_epoch, schedule, monitor)
    callback.set_model(model)
    callback.examples = examples
    callback.restore()
    with callback.signals():
        while not callback.finished():
            epoch, done = divmod(callback.step, per_epoch)
            batches = batching.batches(examples, recipe.train.batch_size, recipe.seed, callback.step)
            callback.ahead = ahead = batching.ReadAhead(batches)
            try:
                model.fit(
                    iter(ahead),
                    steps_per_epoch=per_epoch - done,
                    initial_epoch=epoch,
                    epochs=epoch + 1 if done else recipe.train.epochs,
                    callbacks=_Unread([callback], add_history=True, model=model),
                    shuffle=False,
                    verbose=0,
                )
            finally:
                callback.bar.close()
                ahead.close()
    callback.restore_best()
    return callback.history


class _Unread(keras.callbacks.CallbackList):
    """Hands a step's figures on as they are: Keras would fetch all of them from the device after every step."""

    def on_train_batch_end(self, batch, logs=None):
        """The figures are tensors, of a step that may still be under way."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class TrainingCallback(keras.callbacks.Callback):
    """Counts steps, validates, saves, stops: everything that happens between two steps or two epochs."""

    def __init__(self, run, recipe, per_epoch, validate, after_epoch, schedule=None, monitor="val_loss"):
        super().__init__()
        self.run, self.recipe, self.train, self.per_epoch = run, recipe, recipe.train, per_epoch
        self.validate, self.after_epoch, self.schedule, self.monitor = validate, after_epoch, schedule, monitor
        self.step, self.history, self.seconds = 0, [], 0.0
        self.saved = self.started = time.monotonic()
        self.looked = -math.inf
        self.signum = None
        self.bar = _Bar(recipe.train.epochs, per_epoch)
        self.running_metrics = None  # of an epoch that was interrupted
        self.examples = None
        self.ahead = None  # the ReadAhead of now
        self.waited = 0.0  # its seconds when the epoch began
        self.live = LiveWeights(run)

    # -- what Keras calls -------------------------------------------------------------------------------------

    def on_epoch_begin(self, epoch, logs=None):
        """Set what is scheduled; go on with the running metrics of an interrupted epoch, which fit() set to zero."""
        self.epoch_started = time.monotonic()
        self.waited = self.ahead.waited
        if self.schedule is not None:
            self.schedule(self.model, self.recipe, epoch)
        self.live.apply(self.model)
        if self.running_metrics is not None:
            assign(self.model.metrics_variables, self.running_metrics)
            self.running_metrics = None

    def on_train_batch_end(self, batch, logs=None):
        """Count; look at the loss now and then; save when asked to stop or when the last save is old."""
        self.step += 1
        inside, now = self.step % self.per_epoch, time.monotonic()
        save = inside and (self.signum or now - self.saved > self.train.checkpoint_seconds)
        if save or not inside or now - self.looked > LOOK_SECONDS:
            self._look({name: float(inference.as_numpy(value)) for name, value in logs.items()})
        if save:
            self.save()
            self._stop_if_asked()

    def _look(self, logs):
        """Show the loss; refuse one that is no number. Means over the epoch: what was none once stays so."""
        if not math.isfinite(logs["loss"]):
            self._refuse_not_finite(logs)
        self.bar.update(self.step, logs["loss"])
        self.looked = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Validate, remember, show, save; end the training when patience is at its end."""
        self._refuse_not_finite()
        row = {"epoch": epoch + 1, "learning_rate": self._learning_rate()}
        row |= {name: float(value) for name, value in logs.items()}
        row |= self._gradients()
        row["waiting_for_data"] = (self.ahead.waited - self.waited) / (time.monotonic() - self.epoch_started)
        row |= self._contributions(row)
        row |= self.validate(epoch + 1)
        self._refuse_not_finite(row)
        row["seconds"] = time.monotonic() - self.epoch_started
        self.history.append(row)
        self.live.read(list(self.model.term_weights))
        # First the curves, then the state: a kill between them repeats the epoch, and its curves are then replaced.
        self.after_epoch(row)
        self.save()
        self._stop_if_asked()
        self.model.stop_training = self.finished()

    # -- state ------------------------------------------------------------------------------------------------

    def best(self) -> dict:
        """The epoch with the lowest `monitor`; the earliest of equals."""
        return best_epoch(self.history, self.monitor)

    def finished(self) -> bool:
        """Whether all epochs are done or patience is at its end; a pure function of the history."""
        done = len(self.history)
        if done >= self.train.epochs:
            return True
        return bool(self.train.patience and done and done - self._last_gain() >= self.train.patience)

    def _last_gain(self) -> int:
        """The last epoch whose `monitor` was lower than every earlier one's by more than min_delta."""
        gain, lowest = 0, math.inf
        for row in self.history:
            if row[self.monitor] < lowest - self.train.min_delta:
                gain, lowest = row["epoch"], row[self.monitor]
        return gain

    def save(self):
        """Save the state of this step; of older ones the best epoch's stays, and those that the recipe keeps."""
        self._refuse_not_finite()
        now = time.monotonic()
        metadata = {"history": self.history, "seconds": self.seconds + now - self.started, "live": self.live.edit}
        values = [inference.as_numpy(v) for v in variables(self.model)]
        epochs = self.train.kept_epochs(len(self.history)) | ({self.best()["epoch"]} if self.history else set())
        keep = {epoch * self.per_epoch for epoch in epochs}
        self.run.save_state(self.step, values, metadata, keep)
        self.saved = now

    def restore(self):
        """Take up the newest saved state, if there is one."""
        state = self.run.load_state()
        if state is None:
            return
        values, metadata = state
        assign(variables(self.model), values)
        self.step, self.history, self.seconds = metadata["step"], metadata["history"], metadata["seconds"]
        self.live.edit = metadata["live"]
        if self.step % self.per_epoch:
            self.running_metrics = values[-len(self.model.metrics_variables) :]

    def restore_best(self):
        """Put the best epoch's weights into the model."""
        values, _ = self.run.load_state(self.best()["epoch"] * self.per_epoch)
        assign(variables(self.model), values)

    # -- stopping ---------------------------------------------------------------------------------------------

    def signals(self):
        """Inside, Ctrl-C and SIGTERM let the step end and save; a second one acts at once."""
        return _Signals(self)

    def _stop_if_asked(self):
        if self.signum and not self.finished():
            epoch, done = divmod(self.step, self.per_epoch)
            raise Stopped(self.signum, f"epoch {epoch + bool(done)} of {self.train.epochs}, step {self.step}")

    def _refuse_not_finite(self, figures: Mapping = MappingProxyType({})) -> None:
        """End the training where a gradient was, or one of these figures is, no finite number: by name, step and rows.

        A state is saved behind this question only, so that every saved state is finite.
        """
        step = int(self.model.optimizer.not_finite)
        bad = [name for name, value in figures.items() if not math.isfinite(value)]
        if not (step or bad):
            return
        if bad:
            terms = [*self.model.term_weights, *(f"val_{name}" for name in self.model.term_weights)]
            what = next((name for name in terms if name in bad), bad[0])
        else:
            what = "the gradient, of finite losses,"
        where = f"at step {step}{self._of_rows(step)}" if step else f"by step {self.step}"
        folder = shlex.quote(str(self.run.path))
        raise UserError(
            f"{what} is no longer a finite number {where}. Every saved state is finite: --resume {folder} goes on from "
            "the last. Or try a smaller --train.learning_rate or --train.clip_norm"
        )

    def _of_rows(self, step: int) -> str:
        """The training examples of a step, and which of their arrays is no number already."""
        rows = batching.batch_rows(len(self.examples), self.train.batch_size, self.recipe.seed, step - 1)
        said = f", training examples {', '.join(map(str, rows))}"
        for part in self.examples.take(rows):
            for name, values in part.items():
                bad = [row for row, value in zip(rows, values, strict=True) if not np.isfinite(value).all()]
                if bad:
                    return f"{said}; {name!r} of example {bad[0]} is not finite"
        return said

    def _contributions(self, row) -> dict[str, float]:
        """Of each loss term the weight, the weighted mean over the epoch and its share of the loss."""
        weights = {name: float(weight) for name, weight in self.model.term_weights.items()}
        parts = {name: weight * row[name] for name, weight in weights.items()}
        total = sum(parts.values()) or 1.0
        shares = {f"share/{name}": part / total for name, part in parts.items()}
        named = {"weight/": weights, "contribution/": parts}
        return {prefix + name: value for prefix, of in named.items() for name, value in of.items()} | shares

    def _gradients(self) -> dict[str, float]:
        """The last step's gradient norm, and the share of the epoch's steps in which it was clipped."""
        optimizer = self.model.optimizer
        norm, clipped = float(optimizer.gradient_norm), float(optimizer.clipped)
        optimizer.clipped.assign(0.0)
        return {"gradient_norm": norm, "clipped_steps": clipped / self.per_epoch}

    def _learning_rate(self) -> float:
        return float(inference.as_numpy(self.model.optimizer.learning_rate))


class _Signals:
    """Turns SIGINT and SIGTERM into a wish that the TrainingCallback sees between two steps."""

    def __init__(self, callback):
        self.callback, self.before = callback, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self.before[signum] = signal.signal(signum, self._note)

    def _note(self, signum, frame):
        self.callback.signum = signum
        signal.signal(signum, self.before[signum])

    def __exit__(self, *error):
        for signum, handler in self.before.items():
            signal.signal(signum, handler)


class _Bar:
    """The progress bar of a training, over all its epochs, with the live loss."""

    def __init__(self, epochs, per_epoch):
        self.epochs, self.per_epoch = epochs, per_epoch
        self.context = self.report = None

    def update(self, step, loss):
        if self.context is None:
            self.context = console.progress("training", self.epochs * self.per_epoch)
            self.report = self.context.__enter__()
        epoch = math.ceil(step / self.per_epoch)
        self.report(step, self.epochs * self.per_epoch, f"epoch {epoch}/{self.epochs}  loss {float(loss):.4f}")

    def close(self):
        if self.context is not None:
            self.context.__exit__(None, None, None)
            self.context = None


def assign(targets, values):
    """Give variables their saved values; refuse a state of another model."""
    pairs = list(itertools.zip_longest(targets, values))
    if any(v is None or a is None or tuple(v.shape) != a.shape for v, a in pairs):
        raise UserError("the saved state belongs to another model or another version of kmodels")
    for variable, value in pairs:
        variable.assign(value)
