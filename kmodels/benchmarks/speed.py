"""What is measured of a model on one backend: data, training step and prediction, and how they grow."""

import contextlib
import gc
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import psutil

from kmodels.benchmarks import measure, reference
from kmodels.core.runs import cache, provenance
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.task import Task
from kmodels.core.training import backend, batching, inference

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
    """

    sample: tuple[str, int]
    grows: dict[str, dict[int, dict]]
    alternatives: dict[str, dict] = field(default_factory=dict)
    layers: dict[str, Callable] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """How long is measured.

    Attributes
    ----------
    rounds, seconds, block
        As in `measure.time_interleaved`.
    fitted : int
        Steps of a fit.
    """

    rounds: int = 5
    seconds: float = 5.0
    block: float = 0.1
    fitted: int = 20

    def time_interleaved(self, calls: dict[str, Callable]) -> dict[str, np.ndarray]:
        """Time calls in turn, by `measure.time_interleaved`: seconds of one call by name."""
        return measure.time_interleaved(calls, self.rounds, self.seconds, self.block)


EFFORTS = {
    "smoke": Effort(rounds=1, seconds=0.0, block=0.0, fitted=3),
    "normal": Effort(),
    "full": Effort(rounds=15, seconds=60.0, fitted=200),
}


def recipe_of(task: Task, bench: Bench, smoke: bool) -> Recipe:
    """Make the default recipe with less data; with smoke tiny sizes, whose figures mean nothing."""
    name, count = bench.sample
    return task.recipe().with_changes(task.recipe.SMOKE if smoke else {"data": {name: count}})


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


# -- training and prediction ----------------------------------------------------------------------------------


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

    def fit(self, steps: int, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
        """Train on the same batch again and again, for so many steps."""
        batch = self.batch(self.recipe.train.batch_size)
        batches = (batch for _ in itertools.count())
        self.model.fit(batches, steps_per_epoch=steps, callbacks=list(callbacks), shuffle=False, verbose=0)

    def inputs(self, size: int) -> dict:
        """Take what is predicted for so many examples."""
        return self.known.take(batching.filled(np.arange(min(size, len(self.known))), size))[0]

    def predict(self, size: int) -> Callable[[], dict]:
        """Make a function that predicts for `size` examples and returns the outputs as NumPy arrays."""
        inputs = inference.as_tensors(self.inputs(size))
        return lambda: self.model.predict_on_batch(inputs)


def speed(task: Task, bench: Bench, recipe: Recipe, effort: Effort) -> dict:
    """Time a training step and predictions, in turn with the PyTorch reference and a matrix product.

    Ratios above 1: ours is slower. Memory is that of the process before it knew of PyTorch.

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
        Times [s], ratios, peak memory [GB] and the share of time in which a fit waited for its input.
    """
    subject, size = BenchmarkCase(task, recipe), recipe.train.batch_size
    first = _seconds(lambda: subject.fit(1))
    found = {"first_step": first, "fit": _fitted(subject, effort.fitted), "predict": {}}
    predicts = {n: subject.predict(n) for n in PREDICTED}
    for predict in predicts.values():
        predict()
    found["peak_memory_gb"] = provenance.peak_memory_gb()

    reference_net = reference.steps(task.name, recipe, subject.model)
    theirs = {"eager": reference_net.train(*subject.batch(size))} if reference_net else {}
    if reference_net and backend.current() == "torch":  # once for all backends
        theirs["compiled"] = reference_net.train(*subject.batch(size), compiled=True)
    turns = InterleavedFit({**theirs, "product": measure.matrix_product()}, effort)
    subject.fit(1_000_000, [turns])
    times = {name: np.array(values) for name, values in turns.times.items()}
    found["train"] = _compared(times)
    found["products"] = measure.spread(measure.MATRIX_OPERATIONS / times["product"])
    if reference_net:
        found["operations"] = reference_net.operations(*subject.batch(size))
        share = found["operations"] / measure.MATRIX_OPERATIONS
        found["peak_share"] = {
            name: measure.spread(share * times["product"] / times[name]) for name in ("ours", "eager")
        }
    for n, predict in predicts.items():
        theirs = {"eager": reference_net.predict(subject.inputs(n))} if reference_net else {}
        found["predict"][n] = _compared(effort.time_interleaved({"ours": predict, **theirs}))
    found["training"] = first + training_steps(subject, bench) * found["train"]["ours"]["median"]
    found["alternatives"] = {
        name: _alternative(subject, changes, effort) for name, changes in bench.alternatives.items()
    }
    found["layers"] = {name: _layers(*make("default"), effort) for name, make in bench.layers.items()}
    return found


class InterleavedFit(keras.callbacks.Callback):
    """Lets `fit` take some steps, then others their turn, and so on; ends the fit.

    A step inside `fit` is what a training takes: outside, jax copies its state into the model and back every time.

    Parameters
    ----------
    others : dict of str to callable
        What takes turns with the steps, by name.
    effort : Effort
        How long is measured.

    Attributes
    ----------
    times : dict of str to list of float
        {name: [seconds of one call]}, of the steps as "ours".
    """

    def __init__(self, others: dict[str, Callable], effort: Effort):
        super().__init__()
        self.effort, self.others = effort, others
        self.times = {name: [] for name in ("ours", *others)}
        self.count, self.taken = None, 0  # steps of a turn; those taken in this one

    def on_train_batch_end(self, batch, logs=None):
        """Count and time the step: Keras has fetched its figures before it calls, so it is done."""
        seconds = time.perf_counter() - self.started if batch else 0.0
        self.taken += 1
        if batch == 0:  # compiled, maybe
            self._next_turn()
        elif self.count is None:
            self.count = max(1, round(self.effort.block / seconds))
            self.turns = {name: measure.Turn(call, self.effort.block) for name, call in self.others.items()}
            self.ends = time.perf_counter() + self.effort.seconds
            self._next_turn()
        elif self.taken == self.count:
            self.times["ours"].append(seconds / self.count)
            for name, turn in self.turns.items():
                self.times[name].append(turn())
            rounds = len(self.times["ours"])
            self.model.stop_training = rounds == self.effort.rounds or time.perf_counter() > self.ends
            self._next_turn()

    def _next_turn(self):
        self.taken, self.started = 0, time.perf_counter()


def _compared(times: dict[str, np.ndarray]) -> dict:
    """Summarise the seconds of each, and ours as a ratio to each."""
    found = {name: measure.spread(values) for name, values in times.items() if name != "product"}
    ratios = {name: measure.ratio(times["ours"], times[name]) for name in found if name != "ours"}
    return found | {"ratio": ratios}


def training_steps(subject: BenchmarkCase, bench: Bench) -> int:
    """Count the steps of a training by the default recipe, which has more data than is measured on."""
    name, _ = bench.sample
    data, train = subject.recipe.data, subject.recipe.train
    examples = round(len(subject.examples) * getattr(subject.task.recipe().data, name) / getattr(data, name))
    return batching.steps_per_epoch(examples, train.batch_size) * train.epochs


def _fitted(subject: BenchmarkCase, steps: int) -> dict:
    """Measure a step's seconds inside `fit`, and the share of them in which its input was not ready."""
    recipe = subject.recipe
    ahead = batching.ReadAhead(batching.batches(subject.examples, recipe.train.batch_size, recipe.seed))
    try:
        subject.model.fit(iter(ahead), steps_per_epoch=2, shuffle=False, verbose=0)
        waited = ahead.waited
        seconds = _seconds(lambda: subject.model.fit(iter(ahead), steps_per_epoch=steps, shuffle=False, verbose=0))
    finally:
        ahead.close()
    return {"step": seconds / steps, "waiting": (ahead.waited - waited) / seconds}


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
    empty = psutil.Process().memory_info().rss
    batch, base = recipe.train.batch_size, BenchmarkCase(task, recipe)
    batches = sorted({max(1, round(batch * factor)) for factor in BATCHES})
    steps = {size: _step_of(base, size, empty, effort) for size in batches}
    found = {"batch": _grown(steps)}
    for axis, sizes in bench.grows.items():
        recipes = {size: recipe.with_changes(changes) for size, changes in sizes.items()}
        found[axis] = _grown(
            {
                size: steps[batch] if one == recipe else _step_of(BenchmarkCase(task, one), batch, empty, effort)
                for size, one in recipes.items()
            }
        )
    return found


def _grown(steps: dict[int, dict]) -> dict:
    """Gather {size: figures of a step there} as lists, with slopes."""
    sizes, rows = list(steps), list(steps.values())
    found = {name: [row[name] for row in rows] for name in rows[0]}
    return {"sizes": sizes, **found, "slopes": {name: _slope(sizes, values) for name, values in found.items()}}


def _step_of(subject: BenchmarkCase, size: int, empty: int, effort: Effort) -> dict:
    """Measure seconds, memory and operations of a step on batches of this size; empty: bytes that are not counted."""
    gc.collect()
    train = subject.train(size)
    with _watched() as memory:
        train()
    times = effort.time_interleaved({"ours": train})["ours"]
    reference_net = reference.steps(subject.task.name, subject.recipe, subject.model)
    return {
        "seconds": float(np.median(times)),
        "memory_gb": (max(memory) - empty) / 1e9,
        "operations": reference_net.operations(*subject.batch(size)) if reference_net else None,
    }


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


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
