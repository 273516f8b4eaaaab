"""A training of milliseconds through the package's own `train`: a line through 50 points."""

import keras
import numpy as np
from keras import ops

from kmodels.core.runs.run import Run
from kmodels.core.training import batching, inference, loop
from kmodels.core.training.devices import distribution
from kmodels.core.training.optimizer import Adam
from kmodels.core.training.tensorboard import Monitor
from kmodels.core.training.term_model import TermModel
from kmodels.nand.recipe import NandRecipe

N, BATCH = 50, 8
PER_EPOCH = 7


@keras.saving.register_keras_serializable("tests")
class Straight(keras.layers.Layer):
    """a x + b."""

    def build(self, input_shape):
        self.slope, self.offset = (self.add_weight(shape=(), name=name) for name in ("slope", "offset"))

    def call(self, x):
        return x * self.slope + self.offset


@keras.saving.register_keras_serializable("tests")
class Line(TermModel):
    """y = a x + b with two loss terms. seen: how often each row was trained on."""

    def __init__(self):
        x, straight = keras.Input((), name="x"), Straight()
        # A functional model, as all here: Keras changes the bases of TermModel with the first of them.
        super().__init__({"square": 1.0, "distance": 0.5}, inputs={"x": x}, outputs={"y": straight(x)})
        self.seen = self.add_weight(
            shape=(N,), trainable=False, initializer="zeros", name="seen", aggregation="only_first_replica"
        )
        self.slope = straight.slope

    def terms(self, x, y, y_pred):
        off = y["y"] - y_pred["y"]
        return {"square": ops.square(off), "distance": ops.abs(off)}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        hits = ops.one_hot(ops.cast(y["row"], "int32"), N) * sample_weight[:, None]
        self.seen.assign_add(*distribution.current().summed([ops.sum(hits, axis=0)]))  # of all devices
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def recipe(**train):
    """epochs=2, batches of 8, and what is given."""
    return NandRecipe().with_changes({"train": {"epochs": 2, "batch_size": BATCH, "learning_rate": 0.01} | train})


def points() -> batching.ArrayExamples:
    """The examples."""
    x = np.random.default_rng(0).normal(size=N).astype("float32")
    return batching.ArrayExamples({"x": x}, {"y": 2 * x + 1, "row": np.arange(N, dtype="float32")})


def run(out, **train) -> Run:
    """A new run of `recipe(**train)`."""
    return Run.create(out, recipe(**train), keras.config.backend(), None, True)


def trained(run: Run, examples=None, kind=Line, optimizer=Adam, after_epoch=lambda model, row: None, figure=None):
    """Train a run from its last state on, as a new process would; returns the model. figure(epoch): in validation."""
    keras.utils.set_random_seed(0)
    model = kind()
    model.compile(optimizer=optimizer(run.recipe.train.learning_rate))
    examples = examples or points()
    model(inference.as_tensors(examples.take([0])[0]))
    state = run.load_state()
    step, done = (state[1]["step"], len(state[1]["history"])) if state else (0, 0)
    monitor = Monitor(run.tensorboard, done + 1, step + 1)

    def validate(epoch, logs):
        logs["val_loss"] = figure(epoch + 1) if figure else float(inference.as_numpy(model.slope))

    def shown(row):
        monitor.epoch(row["epoch"], row, {})
        after_epoch(model, row)

    with run.lock():
        try:
            validation = keras.callbacks.LambdaCallback(on_epoch_end=validate)
            loop.train(model, examples, run.recipe, run, [validation], shown, report_steps=monitor.steps)
        finally:
            monitor.close()
    return model


def state(run: Run) -> dict[str, np.ndarray]:
    """All variables of the newest saved state."""
    return {f"{k:03d}": value for k, value in enumerate(run.load_state()[0])}
