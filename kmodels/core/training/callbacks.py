"""What happens between two steps and two epochs of a training, a duty a callback.

`loop.train` runs them in this order: LossGuard, StepRecord, the task's own, validation, LiveWeights, EpochRecord,
`devices.agreement.Agreement`, Checkpoint, Stop.
They share a `TrainingState`. A task's callback may write figures into an epoch's `logs`; the history takes them up.
"""

import contextlib
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
from kmodels.core.training import batching, inference, live_weights
from kmodels.core.training.state import TrainingState, variables

POINTS = 200  # an epoch, at most, of the losses of single steps
WRITE_SECONDS = 5.0  # between two times that they are written: a disk may take milliseconds
LOOK_SECONDS = 0.25  # between two looks at the loss: each waits for the device, and training could go on meanwhile


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """A training was stopped by a signal; its state is saved.

    Attributes
    ----------
    signum : int
        The signal.
    """

    def __init__(self, signum: int, where: str):
        super().__init__(where)
        self.signum = signum


class LossGuard(keras.callbacks.Callback):
    """Counts steps, shows the loss, and ends a training in which something is no longer a finite number.

    Parameters
    ----------
    state : TrainingState
        Of the training.
    """

    def __init__(self, state: TrainingState):
        super().__init__()
        self.state = state
        self.bar = _Bar(state.train.epochs, state.per_epoch)
        self.looked = -math.inf

    def on_epoch_begin(self, epoch, logs=None):
        """Forget the steps that a task's callback took behind the last epoch, also in the count of clipped ones."""
        if not self.state.inside:
            self.model.optimizer.clipped.assign(0.0)

    def on_train_batch_end(self, batch, logs=None):
        """Count; look at the loss at the end of an epoch, before a save, and now and then."""
        self.state.step += 1
        if not self.state.inside or time.monotonic() - self.looked > LOOK_SECONDS:
            self.look(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Refuse a gradient that was not finite before anything is made of the epoch; note the gradients' figures.

        A task's callback behind this one may take steps of its own, which are none of the epoch's.
        """
        self.check()
        self.gradients = self._gradients()

    def look(self, logs: Mapping) -> None:
        """Show the loss and refuse one that is not finite: means over the epoch stay so once they were."""
        figures = {name: float(inference.as_numpy(value)) for name, value in logs.items()}
        if not math.isfinite(figures["loss"]):
            self.check(figures)
        self.bar.update(self.state.step, figures["loss"])
        self.looked = time.monotonic()

    def check(self, figures: Mapping = MappingProxyType({})) -> None:
        """End the training where a gradient was, or one of these figures is, no finite number.

        A state is saved behind this question only, so that every saved state is finite.

        Parameters
        ----------
        figures : mapping of str to float
            Further figures to look at.

        Raises
        ------
        UserError
            By name, step and rows.
        """
        step = int(inference.as_numpy(self.model.optimizer.not_finite))
        bad = [name for name, value in figures.items() if not math.isfinite(value)]
        if not (step or bad):
            return
        if bad:
            terms = [*self.model.term_weights, *(f"val_{name}" for name in self.model.term_weights)]
            what = next((name for name in terms if name in bad), bad[0])
        else:
            what = "the gradient, of finite losses,"
        where = f"at step {step}{self._describe_rows(step)}" if step else f"by step {self.state.step}"
        folder = shlex.quote(str(self.state.run.path))
        raise UserError(
            f"{what} is no longer a finite number {where}. Every saved state is finite: --resume {folder} goes on from "
            "the last. Or try a smaller --train.learning_rate or --train.clip_norm"
        )

    def _gradients(self) -> dict[str, float]:
        """Read the last step's gradient norm, and the share of the epoch's steps in which it was clipped."""
        optimizer = self.model.optimizer
        clipped = float(inference.as_numpy(optimizer.clipped)) / self.state.per_epoch
        return {"gradient_norm": float(inference.as_numpy(optimizer.gradient_norm)), "clipped_steps": clipped}

    def _describe_rows(self, step: int) -> str:
        """Name the training examples of a step, and which of their arrays is not finite already."""
        state = self.state
        rows = batching.batch_rows(len(state.examples), state.train.batch_size, state.recipe.seed, step - 1)
        said = f", training examples {', '.join(map(str, rows))}"
        for part in state.examples.take(rows):
            for name, values in part.items():
                bad = [row for row, value in zip(rows, values, strict=True) if not np.isfinite(value).all()]
                if bad:
                    return f"{said}; {name!r} of example {bad[0]} is not finite"
        return said


class StepRecord(keras.callbacks.Callback):
    """Notes the losses of some steps, evenly over an epoch: each step's own, where Keras tells means since its start.

    They stay on the device and are read now and then, just after the guard has looked at the loss: no step waits for
    them.

    Parameters
    ----------
    state : TrainingState
        Of the training.
    guard : LossGuard
        That looks at the loss now and then.
    write : callable
        ``write({step: {name: loss}})`` is given them, steps counted from 1.
    """

    def __init__(self, state: TrainingState, guard: LossGuard, write: Callable[[dict], None]):
        super().__init__()
        self.state, self.guard, self.write = state, guard, write
        self.every = math.ceil(state.per_epoch / POINTS)
        self.noted, self.looked = [], guard.looked

    def on_epoch_begin(self, epoch, logs=None):
        """Begin anew; the means of an epoch that was interrupted are restored behind this."""
        self.means = None if self.state.inside else {}

    def on_train_batch_begin(self, batch, logs=None):
        """Take up an epoch that was interrupted."""
        if self.means is None:
            self.means = self.model.get_metrics_result()

    def on_train_batch_end(self, batch, logs=None):
        """Note the means before and behind the step; hand on what there is when the device was waited for anyway."""
        if not self.state.inside or self.state.inside % self.every == 0:
            self.noted.append((self.state.step, self.means, logs))
        self.means = logs
        if self.guard.looked - self.looked > WRITE_SECONDS:
            self.flush()

    def on_epoch_end(self, epoch, logs=None):
        """Hand on the rest."""
        self.flush()

    def flush(self) -> None:
        """Hand on what was noted."""
        self.looked = self.guard.looked
        if self.noted:
            self.write({step: self._own(step, before, behind) for step, before, behind in self.noted})
        self.noted = []

    def _own(self, step: int, before: Mapping, behind: Mapping) -> dict[str, float]:
        """Compute a step's own losses from the means over the epoch before and behind it."""
        last = (step - 1) % self.state.per_epoch  # steps before this one
        values = {}
        for name, mean in behind.items():
            seen, now = self._weight(name, last), self._weight(name, last + 1)
            earlier = seen * float(inference.as_numpy(before[name])) if last else 0.0
            values[name] = (now * float(inference.as_numpy(mean)) - earlier) / (now - seen)
        return values

    def _weight(self, name: str, steps: int) -> int:
        """Count the examples in so many steps as the mean does; Keras' loss also counts what fills up the last."""
        examples = steps * self.state.train.batch_size
        return examples if name == "loss" else min(examples, len(self.state.examples))


class EpochSchedule(keras.callbacks.Callback):
    """Sets what changes in the course of a training, such as the weights of the loss terms.

    Parameters
    ----------
    schedule : callable
        ``schedule(model, recipe, epoch)``, called before the first step of epoch 0, 1, ..., and of an epoch that is
        taken up again: a pure function of the epoch, so that a resumed run is the same.
    recipe : Recipe
        Handed on.
    """

    def __init__(self, schedule: Callable, recipe):
        super().__init__()
        self.schedule, self.recipe = schedule, recipe

    def on_epoch_begin(self, epoch, logs=None):
        """Set it for this epoch."""
        self.schedule(self.model, self.recipe, epoch)


class ValidationListener(keras.callbacks.Callback):
    """A task's callback that chooses something on validation data, such as a threshold."""

    def on_validation_outputs(self, outputs: dict) -> None:
        """Choose something, after each epoch and once at the end.

        Parameters
        ----------
        outputs : dict of str to numpy.ndarray
            The network's outputs for all validation examples, each (n, ...).
        """
        raise NotImplementedError


class Diagnostics(keras.callbacks.Callback):
    """A task's callback that looks at what one prediction of validation data does not show, every few epochs.

    It writes figures into an epoch's logs, as `val_<name>`.

    Attributes
    ----------
    pictures : dict of str to matplotlib.figure.Figure
        Of this epoch, by title; empty in an epoch that it does not look at.
    """

    def __init__(self):
        super().__init__()
        self.pictures = {}


class LiveWeights(keras.callbacks.Callback):
    """Gives loss terms the weights that somebody writes into the run's `weights.yaml` while it trains."""

    def __init__(self, state: TrainingState):
        super().__init__()
        self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        """Set the weights of the last accepted edit, over those of a schedule."""
        for name, value in self.state.edit.items():
            self.model.term_weights[name].assign(value)

    def on_epoch_end(self, epoch, logs=None):
        """Read the file again."""
        self.state.edit = live_weights.read(self.state.run.path, list(self.model.term_weights), self.state.edit)


class EpochRecord(keras.callbacks.Callback):
    """Makes an epoch's row of the history: losses, their weights and shares, gradients, time, validation figures.

    Parameters
    ----------
    state : TrainingState
        Of the training.
    guard : LossGuard
        Refuses figures that are not finite.
    report : callable
        ``report(row)`` is told every row, for showing it.
    """

    def __init__(self, state: TrainingState, guard: LossGuard, report: Callable[[dict], None]):
        super().__init__()
        self.state, self.guard, self.report = state, guard, report

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clocks."""
        self.started, self.waited = time.monotonic(), self.state.ahead.waited

    def on_train_batch_end(self, batch, logs=None):
        """Note how long the steps so far took, and how long they waited for their input."""
        self.stalled = (self.state.ahead.waited - self.waited) / (time.monotonic() - self.started)

    def on_epoch_end(self, epoch, logs=None):
        """Add the row. Refuses figures that are not finite."""
        row = {"epoch": epoch + 1, "learning_rate": float(inference.as_numpy(self.model.optimizer.learning_rate))}
        row |= {name: float(value) for name, value in logs.items()} | self.guard.gradients | self._contributions(logs)
        self.guard.check(row)
        row |= {"waiting_for_data": self.stalled, "seconds": time.monotonic() - self.started}
        self.state.history.append(row)
        # First the curves, then the state: a kill between them repeats the epoch, and its curves are then replaced.
        self.report(row)

    def _contributions(self, logs) -> dict[str, float]:
        """Compute of each loss term the weight, the weighted mean over the epoch and its share of the loss."""
        weights = {name: float(inference.as_numpy(weight)) for name, weight in self.model.term_weights.items()}
        parts = {name: weight * float(logs[name]) for name, weight in weights.items()}
        total = sum(parts.values()) or 1.0
        shares = {f"share/{name}": part / total for name, part in parts.items()}
        named = {"weight/": weights, "contribution/": parts}
        return {prefix + name: value for prefix, of in named.items() for name, value in of.items()} | shares


class Stop(keras.callbacks.Callback):
    """Ends a training when its epochs or its patience are at an end, or somebody has asked by a signal."""

    def __init__(self, state: TrainingState):
        super().__init__()
        self.state = state
        self.signum = None

    def on_train_batch_end(self, batch, logs=None):
        """Stop within an epoch: the Checkpoint before has saved the state."""
        if self.state.inside:
            self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        """Stop at the end of an epoch."""
        self._stop_if_asked()
        self.model.stop_training = self.state.finished()

    def _stop_if_asked(self):
        if self.signum and not self.state.finished():
            epoch, done = divmod(self.state.step, self.state.per_epoch)
            where = f"epoch {epoch + bool(done)} of {self.state.train.epochs}, step {self.state.step}"
            raise Stopped(self.signum, where)

    def signals(self) -> contextlib.AbstractContextManager:
        """Let the step end and save on Ctrl-C or SIGTERM inside; a second one acts at once."""
        return _Signals(self)


class Checkpoint(keras.callbacks.Callback):
    """Saves the state at the end of every epoch, and within one when the last save is old or a stop is near."""

    def __init__(self, state: TrainingState, guard: LossGuard, steps: StepRecord, stop: Stop):
        super().__init__()
        self.state, self.guard, self.steps, self.stop = state, guard, steps, stop
        self.saved = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        """Go on with the running metrics of an interrupted epoch, which `fit` has set to zero."""
        if self.state.running_metrics is not None:
            for variable, value in zip(self.model.metrics_variables, self.state.running_metrics, strict=True):
                variable.assign(value)
            self.state.running_metrics = None

    def on_train_batch_end(self, batch, logs=None):
        """Save within an epoch."""
        old = time.monotonic() - self.saved > self.state.train.checkpoint_seconds
        if self.state.inside and (self.stop.signum or old):
            self.guard.look(logs)
            self.steps.flush()  # who goes on from this state writes the steps behind it only
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        """Save the epoch."""
        self.save()

    def save(self) -> None:
        """Save the state of this step; of older ones the best epoch's stays, and those that the recipe keeps."""
        self.guard.check()
        values = [inference.as_numpy(variable) for variable in variables(self.model)]
        keep = {epoch * self.state.per_epoch for epoch in self.state.epochs_to_keep()}
        self.state.run.save_state(self.state.step, values, self.state.metadata(), keep)
        self.saved = time.monotonic()


class _Signals:
    """Turns SIGINT and SIGTERM into a wish that `Stop` sees between two steps."""

    def __init__(self, stop: Stop):
        self.stop, self.before = stop, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self.before[signum] = signal.signal(signum, self._note)

    def _note(self, signum, frame):
        self.stop.signum = signum
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
