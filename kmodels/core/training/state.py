"""Where a training stands: what its callbacks share, and what of it is saved."""

import itertools
import math
import time
from collections.abc import Iterable

import keras

from kmodels.core.spec.errors import UserError
from kmodels.core.training import batching


class TrainingState:
    """A training's position and history, shared by its callbacks.

    Parameters
    ----------
    run : Run
        Whose folder the state is saved in.
    recipe : Recipe
        What is trained; its `train` section says for how long.
    examples : Examples
        Trained on.
    monitor : str
        The validation figure, as a row of the history names it, whose lowest value says which epoch is best.

    Attributes
    ----------
    step : int
        Steps done since the beginning of the training.
    history : list of dict
        A row for every whole epoch.
    running_metrics : list of ndarray or None
        Of an epoch that was interrupted: what `fit` sets to zero and must not.
    edit : dict
        Weights of loss terms that somebody has set by hand, see `live_weights`.
    ahead : ReadAhead or None
        Where the batches of now come from.
    """

    def __init__(self, run, recipe, examples, monitor: str = "val_loss"):
        self.run, self.recipe, self.train, self.examples = run, recipe, recipe.train, examples
        self.per_epoch = batching.steps_per_epoch(len(examples), recipe.train.batch_size)
        self.monitor = monitor
        self.step, self.history, self.edit = 0, [], {}
        self.running_metrics = self.ahead = None
        self._earlier, self._started = 0.0, time.monotonic()

    @property
    def inside(self) -> int:
        """Count the steps done of the epoch that is under way; 0 between two epochs."""
        return self.step % self.per_epoch

    @property
    def seconds(self) -> float:
        """Measure the time spent on the training so far, by all processes [s]."""
        return self._earlier + time.monotonic() - self._started

    def best(self) -> dict:
        """Find the row of the best epoch; the earliest of equals."""
        return best_epoch(self.history, self.monitor)

    def finished(self) -> bool:
        """Tell whether all epochs are done or patience is at its end; a pure function of the history."""
        done = len(self.history)
        if done >= self.train.epochs:
            return True
        return bool(self.train.patience and done and done - self._last_gain() >= self.train.patience)

    def _last_gain(self) -> int:
        """Find the last epoch whose figure was lower than every earlier one's by more than min_delta."""
        gain, lowest = 0, math.inf
        for row in self.history:
            if row[self.monitor] < lowest - self.train.min_delta:
                gain, lowest = row["epoch"], row[self.monitor]
        return gain

    def epochs_to_keep(self) -> set[int]:
        """Choose the epochs whose states stay on disk beside the newest."""
        best = {self.best()["epoch"]} if self.history else set()
        return self.train.kept_epochs(len(self.history)) | best

    def metadata(self) -> dict:
        """Collect what is saved beside the variables, by the names of `run.STATE`."""
        return {"history": self.history, "seconds": self.seconds, "live": self.edit}

    def restore(self, model: keras.Model) -> None:
        """Take up the newest saved state, if there is one."""
        saved = self.run.load_state()
        if saved is None:
            return
        values, metadata = saved
        assign(variables(model), values)
        self.step, self.history, self._earlier = metadata["step"], metadata["history"], metadata["seconds"]
        self.edit = metadata["live"]
        if self.inside:
            self.running_metrics = values[-len(model.metrics_variables) :]

    def restore_best(self, model: keras.Model) -> None:
        """Put the best epoch's weights into the model."""
        values, _ = self.run.load_state(self.best()["epoch"] * self.per_epoch)
        assign(variables(model), values)


def best_epoch(history: list[dict], monitor: str) -> dict:
    """Find the row of the epoch with the lowest `monitor`, the earliest of equals.

    Parameters
    ----------
    history : list of dict
        A row an epoch.
    monitor : str
        A figure that each row has.
    """
    return min(history, key=lambda row: row[monitor])


def variables(model: keras.Model) -> list:
    """List all that training changes, in a fixed order: weights, random seeds, optimizer, running metrics."""
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def assign(targets: Iterable, values: Iterable) -> None:
    """Give variables their saved values.

    Parameters
    ----------
    targets : iterable of keras.Variable
        In the order of `variables`.
    values : iterable of numpy.ndarray
        One a variable, of its shape.

    Raises
    ------
    UserError
        For the state of another model.
    """
    pairs = list(itertools.zip_longest(targets, values))
    if any(v is None or a is None or tuple(v.shape) != a.shape for v, a in pairs):
        raise UserError("the saved state belongs to another model or another version of kmodels")
    for variable, value in pairs:
        variable.assign(value)
