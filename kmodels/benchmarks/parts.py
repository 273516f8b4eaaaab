"""What is measured of a model on one backend in one process: data, pairs of ways to do the same, growth of a step."""

import contextlib
import gc
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import psutil

from kmodels.benchmarks import measure, reference
from kmodels.core.runs import cache
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.task import Task
from kmodels.core.training import batching, inference

PREDICTED = (1, 64)  # examples at a time
BATCHES = (0.5, 1.0, 2.0)  # of the recipe's own, to see growth


@dataclass(frozen=True)
class Bench:
    """What is measured of one model beside what every model has.

    Attributes
    ----------
    sample : tuple of str and int
        A field of the recipe's data section that says how much data there is, and how much is measured on.
    grows : dict
        {what grows: {size: the changes of the recipe that make it so}}, from small to large.
    alternatives : dict
        {name: changes of the recipe}: other ways to train; an epoch is compared with one of the default.
    layers : dict of str to callable
        {name: function of a size ("default", "full" or "smoke") that makes (our layer, the one it is compared with,
        shape of the input)}.
    compiles_predictions : bool
        Whether `torch.compile` makes the reference's predictions in minutes: it unrolls a loop over lead times.
    variant : str or None
        Of the recipe, where the reference is not of the default; sizes and alternatives are changes of that.
    """

    sample: tuple[str, int]
    grows: dict[str, dict[int, dict]]
    alternatives: dict[str, dict] = field(default_factory=dict)
    layers: dict[str, Callable] = field(default_factory=dict)
    compiles_predictions: bool = True
    variant: str | None = None

    def base(self, task: Task) -> Recipe:
        """Make the recipe that is measured, with all its data."""
        recipe = task.recipe()
        return recipe.with_changes(recipe.VARIANTS[self.variant]) if self.variant else recipe


@dataclass(frozen=True)
class Effort:
    """How long is measured.

    Attributes
    ----------
    rounds, seconds, block
        As in `measure.time_interleaved`.
    layers : {"default", "smoke"}
        Size of the input of layers.
    """

    rounds: int = 5
    seconds: float = 5.0
    block: float = 0.1
    layers: str = "default"

    def time_interleaved(self, calls: dict[str, Callable]) -> dict[str, np.ndarray]:
        """Time calls in turn, by `measure.time_interleaved`: seconds of one call by name."""
        return measure.time_interleaved(calls, self.rounds, self.seconds, self.block)


EFFORTS = {
    "smoke": Effort(rounds=1, seconds=0.0, block=0.0, layers="smoke"),
    "normal": Effort(),
    "full": Effort(rounds=15, seconds=60.0),
}


def recipe_of(task: Task, bench: Bench, smoke: bool) -> Recipe:
    """Make the measured recipe with less data; with smoke tiny sizes, whose figures mean nothing."""
    name, count = bench.sample
    return bench.base(task).with_changes(task.recipe.SMOKE if smoke else {"data": {name: count}})


# -- data -----------------------------------------------------------------------------------------------------


def rates(task: Task, bench: Bench, recipe: Recipe, effort: Effort) -> dict:
    """Measure the examples a second that are simulated and written, and that are loaded and made into batches.

    Parameters
    ----------
    task : Task
        Of the model.
    bench : Bench
        Not used.
    recipe : Recipe
        Whose data is simulated.
    effort : Effort
        How long is measured.

    Returns
    -------
    dict
        `simulate` and `load`, each a spread of examples a second.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"

        def simulate():
            with tempfile.TemporaryDirectory(dir=folder) as aside:
                task.simulate(recipe, Path(aside), lambda done, total: None)

        def load():
            examples = task.encode(task.load(made, recipe), recipe)
            for rows in np.array_split(np.arange(len(examples)), max(1, len(examples) // recipe.train.batch_size)):
                examples.take(rows)

        made.mkdir()
        task.simulate(recipe, made, lambda done, total: None)
        count = len(task.load(made, recipe))
        times = measure.time_interleaved(
            {"simulate": simulate, "load": load}, min(effort.rounds, 5), effort.seconds, 0.0
        )
    return {name: measure.spread(count / values) for name, values in times.items()}


# -- a model and its examples ----------------------------------------------------------------------------------


class BenchmarkCase:
    """A model, and examples of its training data as batches of any size.

    Parameters
    ----------
    task : Task
        Of the model.
    recipe : Recipe
        That it is built by.
    """

    def __init__(self, task: Task, recipe: Recipe):
        path = cache.get_or_simulate(task, recipe, lambda done, total: None, lambda text: None)
        records = task.load(path, recipe)
        training = records.take(task.split(records, recipe)["train"])
        self.task, self.recipe, self.model = task, recipe, task.build(recipe, 1000)
        self.examples = (task.training_examples or task.encode)(training, recipe)
        self.known = task.encode(training, recipe)
        if task.adapt is not None:
            task.adapt(self.model, training)

    def batch(self, size: int) -> tuple[dict, dict]:
        """Take (inputs, targets) of so many training examples."""
        return self.examples.take(batching.filled(np.arange(min(size, len(self.examples))), size))

    def train(self, size: int) -> Callable[[], float]:
        """Make a function that takes one training step on `size` examples and returns the loss."""
        batch = inference.as_tensors(self.batch(size))
        return lambda: float(np.ravel(self.model.train_on_batch(*batch))[0])

    def inputs(self, size: int) -> dict:
        """Take what is predicted for so many examples."""
        return self.known.take(batching.filled(np.arange(min(size, len(self.known))), size))[0]

    def predict(self, size: int) -> Callable[[], dict]:
        """Make a function that predicts for `size` examples and returns the outputs as NumPy arrays."""
        inputs = inference.as_tensors(self.inputs(size))
        return lambda: self.model.predict_on_batch(inputs)


def pairs(task: Task, bench: Bench, recipe: Recipe, effort: Effort) -> dict:
    """Time in turn, in this process, what runs on one backend: other ways to train, and layers against Keras' own.

    Parameters
    ----------
    task : Task
        Of the model.
    bench : Bench
        Its alternatives and layers.
    recipe : Recipe
        That it is built by.
    effort : Effort
        How long is measured.

    Returns
    -------
    dict
        By name: `ours`, `theirs` [s] and `ratio`; above 1 ours is slower.
    """
    subject = BenchmarkCase(task, recipe) if bench.alternatives else None
    found = {name: _alternative(subject, changes, effort) for name, changes in bench.alternatives.items()}
    return found | {name: _layers(*make(effort.layers), effort) for name, make in bench.layers.items()}


def training_steps(subject: BenchmarkCase, bench: Bench) -> int:
    """Count the steps of a training by the default recipe, which has more data than is measured on."""
    name, _ = bench.sample
    data, train = subject.recipe.data, subject.recipe.train
    examples = round(len(subject.examples) * getattr(bench.base(subject.task).data, name) / getattr(data, name))
    return batching.steps_per_epoch(examples, train.batch_size) * train.epochs


def _alternative(subject: BenchmarkCase, changes: dict, effort: Effort) -> dict:
    """Time an epoch of the default against one of the recipe with changes: steps times seconds, turn by turn."""
    alternative = BenchmarkCase(subject.task, subject.recipe.with_changes(changes))
    each = {"ours": subject, "alternative": alternative}
    times = effort.time_interleaved({name: one.train(one.recipe.train.batch_size) for name, one in each.items()})
    steps = [batching.steps_per_epoch(len(one.examples), one.recipe.train.batch_size) for one in each.values()]
    return _pair(steps[0] * times["ours"], steps[1] * times["alternative"])


def _layers(ours, theirs, shape, effort: Effort) -> dict:
    """Time a training step of one layer against one of another, on noise of this shape."""
    times = effort.time_interleaved({"ours": _layer_step(ours, shape), "theirs": _layer_step(theirs, shape)})
    return _pair(times["ours"], times["theirs"])


def _pair(ours, theirs) -> dict:
    return {"ours": measure.spread(ours), "theirs": measure.spread(theirs), "ratio": measure.ratio(ours, theirs)}


def _layer_step(layer, shape):
    model, batch = layer_model(layer, shape)
    return lambda: float(model.train_on_batch(*batch))


def layer_model(layer: keras.Layer, shape: tuple[int, ...]) -> tuple[keras.Model, tuple]:
    """Make a compiled model of one layer, and a batch of noise with targets of 0 to train it on.

    Parameters
    ----------
    layer : keras.Layer
        Not built yet.
    shape : tuple of int
        Of the input, the batch first.
    """
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).random(shape, "float32")
    return model, (x, np.zeros((shape[0], *model.output_shape[1:]), "float32"))


# -- growth ---------------------------------------------------------------------------------------------------


def growth(task: Task, bench: Bench, recipe: Recipe, effort: Effort) -> dict:
    """Measure how the cost of a training step grows.

    A slope is that of the logarithms between the smallest and the largest size: 1 where twice the size costs twice.
    Memory is the most that the process held in a first step, above what it held before the first model; what one
    size leaves behind counts for the next.

    Parameters
    ----------
    task : Task
        Of the model.
    bench : Bench
        Says what grows beside the batch.
    recipe : Recipe
        That it is built by.
    effort : Effort
        How long is measured.

    Returns
    -------
    dict
        {what grows: {sizes, seconds, memory_gb and operations of a training step, slopes}}.
    """
    empty, batch = psutil.Process().memory_info().rss, recipe.train.batch_size
    axes = {"batch": {size: (recipe, size) for size in sorted({max(1, round(batch * factor)) for factor in BATCHES})}}
    for axis, sizes in bench.grows.items():
        axes[axis] = {size: (recipe.with_changes(changes), batch) for size, changes in sizes.items()}
    each = {(one.digest(), size): (one, size) for sizes in axes.values() for one, size in sizes.values()}
    steps = {key: _step_of(BenchmarkCase(task, one), size, empty, effort) for key, (one, size) in each.items()}
    for key, (one, size) in each.items():  # when all are timed: in a process that runs PyTorch, too, TensorFlow is slow
        steps[key]["operations"] = _operations(BenchmarkCase(task, one), size)
    return {
        axis: _grown({size: steps[one.digest(), rows] for size, (one, rows) in sizes.items()})
        for axis, sizes in axes.items()
    }


def _grown(steps: dict[int, dict]) -> dict:
    """Gather {size: figures of a step there} as lists, with slopes."""
    sizes, rows = list(steps), list(steps.values())
    found = {name: [row[name] for row in rows] for name in rows[0]}
    return {"sizes": sizes, **found, "slopes": {name: _slope(sizes, values) for name, values in found.items()}}


def _step_of(subject: BenchmarkCase, size: int, empty: int, effort: Effort) -> dict:
    """Measure seconds and memory of a step on batches of this size; empty: bytes that are not counted."""
    gc.collect()
    train = subject.train(size)
    with _watched() as memory:
        train()
    times = effort.time_interleaved({"ours": train})["ours"]
    return {"seconds": float(np.median(times)), "memory_gb": (max(memory) - empty) / 1e9}


def _operations(subject: BenchmarkCase, size: int) -> int | None:
    """Count the operations of a step of the PyTorch reference; None without PyTorch."""
    steps = reference.steps(subject.task.name, subject.recipe, subject.model)
    return steps.operations(*subject.batch(size)) if steps else None


def _slope(sizes, values) -> float | None:
    if None in values or min(values[0], values[-1]) <= 0:
        return None
    return float(np.log(values[-1] / values[0]) / np.log(sizes[-1] / sizes[0]))


@contextlib.contextmanager
def _watched(every: float = 0.002):
    """Yield a list that fills with the bytes that this process holds, measured all the time inside."""
    held, process, done = [], psutil.Process(), threading.Event()

    def watch():
        while not done.wait(every):
            held.append(process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        done.set()
        thread.join()
        held.append(process.memory_info().rss)
