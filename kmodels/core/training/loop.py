"""Training that can be stopped anywhere and goes on as if it had not been."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras

from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.task import Examples
from kmodels.core.training import batching
from kmodels.core.training.callbacks import Checkpoint, EpochRecord, LiveWeights, LossGuard, StepRecord, Stop
from kmodels.core.training.devices import distribution
from kmodels.core.training.devices.agreement import Agreement
from kmodels.core.training.state import TrainingState

if TYPE_CHECKING:
    from kmodels.core.runs.run import Run


def train(
    model: keras.Model,
    examples: Examples,
    recipe: Recipe,
    run: "Run",
    callbacks: Sequence[keras.callbacks.Callback],
    report: Callable[[dict], None] = lambda row: None,
    monitor: str = "val_loss",
    report_steps: Callable[[dict], None] = lambda losses: None,
) -> list[dict]:
    """Train a compiled TermModel by `recipe.train`, from the run's last saved state on; keep its best epoch.

    Parameters
    ----------
    model : TermModel
        Compiled with `optimizer.Adam` or a kind of it.
    examples : Examples
        Trained on, in an order that is a pure function of (seed, epoch).
    recipe : Recipe
        Its `train` section says for how long and how often a state is saved.
    run : Run
        Whose folder holds the states.
    callbacks : sequence of keras.callbacks.Callback
        The task's own, in order; figures that they write into an epoch's `logs` become part of its row. One of them
        must write `monitor`.
    report : callable
        Told every epoch's row, for showing it.
    monitor : str
        The figure whose lowest value says which epoch is best.
    report_steps : callable
        Told the losses of some steps, see `callbacks.StepRecord`.

    Returns
    -------
    list of dict
        The history, a row an epoch. The model holds the weights of the best.

    Raises
    ------
    callbacks.Stopped
        On Ctrl-C or SIGTERM, once the state is saved.
    """
    model.optimizer.build(model.trainable_variables)
    state = TrainingState(run, recipe, examples, monitor)
    state.restore(model)
    guard, stop = LossGuard(state), Stop(state)
    steps, record = StepRecord(state, guard, report_steps), EpochRecord(state, guard, report)
    checkpoint = Checkpoint(state, guard, steps, stop)
    ordered = [guard, steps, *callbacks, LiveWeights(state), record, Agreement(state), checkpoint, stop]
    with stop.signals():
        while not state.finished():
            _fit(model, state, ordered, guard.bar)
    state.restore_best(model)
    return state.history


def _fit(model, state: TrainingState, callbacks, bar) -> None:
    """Run `fit` from the state's step on: the rest of an epoch that was interrupted, or all epochs that are left."""
    epoch, done = divmod(state.step, state.per_epoch)
    train = state.train
    batches = batching.batches(state.examples, train.batch_size, state.recipe.seed, state.step)
    state.ahead = ahead = batching.ReadAhead(map(distribution.current().own_rows, batches))
    try:
        model.fit(
            distribution.current().feed(iter(ahead)),
            steps_per_epoch=state.per_epoch - done,
            initial_epoch=epoch,
            epochs=epoch + 1 if done else train.epochs,
            callbacks=_Unread(callbacks, add_history=True, model=model),
            shuffle=False,
            verbose=0,
        )
    finally:
        bar.close()
        ahead.close()


class _Unread(keras.callbacks.CallbackList):
    """Hands a step's figures on as they are: Keras would fetch all of them from the device after every step."""

    def on_train_batch_end(self, batch, logs=None):
        """Hand on tensors, of a step that may still be under way."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
