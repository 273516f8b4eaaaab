"""The path of every model: recipe -> data -> build -> fit -> metrics -> gates -> report."""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.report import figures, report
from kmodels.core.runs import cache, user_data
from kmodels.core.runs.course import fine_tuning, loggers, stopwatch
from kmodels.core.runs.predictor import load_untrained
from kmodels.core.runs.run import Run
from kmodels.core.runs.validation import Validation
from kmodels.core.spec import registry, verdict
from kmodels.core.spec.gate import UNTRAINED
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.task import (
    EvaluationInput,
    ExtendedEvaluation,
    MeasuredRecords,
    Prediction,
    Records,
    Scores,
    Task,
    TrainingData,
)
from kmodels.core.training import backend, batching
from kmodels.core.training.devices import distribution
from kmodels.core.training.loop import train
from kmodels.core.training.tensorboard import Monitor, write_result

STALL = 0.05  # of the training's time, from which on waiting for data is worth a line
FEW = 20  # independent units of held-out data, below which intervals are rough


@dataclass(frozen=True)
class DataSplits:
    """Loaded data and its split.

    Attributes
    ----------
    paths : list of pathlib.Path
        The files.
    simulated : bool
        Whether they were simulated by the recipe.
    records : Records
        All of them.
    rows : dict of str to numpy.ndarray
        Row indices of "train", "validation" and "test".
    hashed : list of pathlib.Path
        The files that tell this data from other data.
    """

    paths: list[Path]
    simulated: bool
    records: object
    rows: dict
    hashed: list[Path]

    @cached_property
    def sha256(self) -> str:
        """Hash the files in `hashed`, all of which are read for it."""
        return files.sha256(*self.hashed)

    def part(self, name: str) -> Records:
        """Select the records of one part."""
        return self.records.take(self.rows[name])

    def all(self) -> dict:
        """Select the records of every part, by name."""
        return {name: self.part(name) for name in self.rows}

    def describe(self) -> str:
        """Say where the data comes from."""
        names = ", ".join(path.name for path in self.paths)
        return "simulated by this recipe" if self.simulated else f"{names} of the user"


def load_splits(task: Task, recipe: Recipe, path: str | None, records: Records | None = None) -> DataSplits:
    """Load simulated data (made once, cached) or the user's, through the same loader, and split it.

    Parameters
    ----------
    task : Task
        Whose loader is used.
    recipe : Recipe
        Of the run.
    path : str or None
        The user's file or folder; None for simulated data.
    records : Records, optional
        Those of `path`, where they were loaded already.

    Raises
    ------
    UserError
        Where the data cannot be used, or a part would be empty.
    """
    simulated = path is None
    if simulated:
        with console.progress("simulating") as bar:
            path = cache.get_or_simulate(task, recipe, bar, console.say)
    records = task.load(path, recipe) if records is None else records
    rows = task.split(records, recipe)
    user_data.refuse_empty(rows, records, recipe, path)
    paths = cache.data_files(path, task.suffixes)
    return DataSplits(paths, simulated, records, rows, task.data_files(records) or paths)


def data_of(task: Task, run: Run) -> DataSplits:
    """Load a run's data. The user's must be what it was when the run began: its rows would be split anew.

    Parameters
    ----------
    task : Task
        Of the run.
    run : Run
        Says where the data is.

    Raises
    ------
    UserError
        Where the user's data has changed, or cannot be used.
    """
    parts = load_splits(task, run.recipe, run.metadata["data"], run.records)
    if not parts.simulated:
        run.check_data(parts.sha256)
    records = fine_tuning.in_its_units(parts.records, run)
    return parts if records is parts.records else replace(parts, records=records)


def fit(run: Run) -> dict:
    """Train a run's recipe, evaluate it and write its report. It goes on where the run was stopped.

    Parameters
    ----------
    run : Run
        A new one, or one that was stopped.

    Returns
    -------
    dict
        The report, as report.json holds it.

    Raises
    ------
    UserError
        For bad data, or a loss that is no longer finite.
    kmodels.core.training.callbacks.Stopped
        On Ctrl-C or SIGTERM, once the state is saved.
    """
    with loggers.telling(run) as told:
        result = _fit(run, told)
        told("result", result, run.path)
    return result


def train_only(run: Run) -> None:
    """Train a run's recipe to the end, as `fit` does before it evaluates; one of the processes of a training."""
    with loggers.telling(run) as told:
        ready = _prepared(run, stopwatch.Stopwatch())
        distribution.refuse_layers(ready.model)
        _train(ready, run, run.load_state(), told)


@dataclass(frozen=True)
class _Ready:
    """What a training needs: the task, the splits, what is trained on, and the network."""

    task: Task
    parts: DataSplits
    data: TrainingData
    model: keras.Model


def _prepared(run: Run, watch: stopwatch.Stopwatch) -> _Ready:
    """Load the data of a run and build its network, or the one that it begins with."""
    task = registry.task(run.metadata["model"])
    recipe = run.recipe
    backend.seed_everything(recipe.seed, recipe.train.deterministic)
    parts = data_of(task, run)
    if not parts.simulated:
        run.note_data(parts.sha256)
    sizes = {name: len(rows) for name, rows in parts.rows.items()}
    console.say(f"data: {parts.describe()}; " + ", ".join(f"{name} {n}" for name, n in sizes.items()))
    training, validation = parts.part("train"), parts.part("validation")
    if isinstance(training, MeasuredRecords):
        run.note_inputs(training.inputs())
    examples = task.training_examples(training, recipe)
    watch.lap("data")
    per_epoch = batching.steps_per_epoch(len(examples), recipe.train.batch_size)
    model = task.build(recipe, per_epoch * recipe.train.epochs)
    task.adapt(model, training)
    console.say(f"model: {model.count_params()} parameters on {backend.current()}")
    run.save_untrained(model)
    ready = _Ready(task, parts, TrainingData(training, examples, validation), fine_tuning.begin(model, run))
    watch.lap("compilation")
    return ready


def _fit(run: Run, told: loggers.Told) -> dict:
    started, watch = time.monotonic(), stopwatch.Stopwatch()
    recipe, ready = run.recipe, _prepared(run, watch)
    task, parts, model = ready.task, ready.parts, ready.model
    state = run.load_state()
    earlier = state[1]["seconds"] if state else 0.0
    history = _train(ready, run, state, told)
    done = len(state[1]["history"]) if state else 0
    watch.trained([row["seconds"] for row in history[done:]])
    say_stall(history)
    with files.atomic_write(run.path / "model.keras") as aside:
        keras.saving.save_model(model, aside)
    found = evaluate(task, model, recipe, parts, load_untrained(run))
    watch.lap("judging")
    independent = len(np.unique(task.groups(parts.part("test"))))
    result = report.assemble(
        task,
        run,
        found.scores,
        found.baselines,
        history,
        notes=task.notes(recipe) + task.hints(history, recipe) + _few(task, independent),
        independent={"unit": task.unit, "held_out": independent},
        data=parts.describe(),
        data_hash=parts.sha256,
        sizes={name: len(rows) for name, rows in parts.rows.items()},
        duration_s=round(earlier + time.monotonic() - started, 1),
        training_s=round(sum(row["seconds"] for row in history), 1),
        parts_s=watch.seconds,
    )
    curves = figures.learning_curves(history, task.monitor)
    pictures = {"learning curves": curves} | task.figures(found.evaluated) | found.pictures
    write_result(run.tensorboard, result, recipe, task.headline)
    report.write(result, pictures, run.path, task.headline, found.files, lambda: watch.lap("pictures"))
    return result


def train_or_resume(folder: Path, recipe: Recipe, data: str | None = None, smoke: bool = False) -> tuple[Run, dict]:
    """Find a run of a recipe in a folder, finished or not, or begin one, and train it to the end.

    Parameters
    ----------
    folder : pathlib.Path
        Of runs.
    recipe : Recipe
        What to train.
    data : str, optional
        The user's file or folder; simulated data by default.
    smoke : bool
        Whether a new run is too small to judge.

    Returns
    -------
    run : Run
        The run.
    report : dict
        Its report.
    """
    run = Run.find_existing(folder, recipe, backend.current(), data)
    run = run or Run.create(folder, recipe, backend.current(), data, smoke)
    keras.utils.clear_session()
    with run.lock():
        report = run.report
        if report and data is not None:
            data_of(registry.task(recipe.task), run)
        return run, report or fit(run)


def _train(ready: _Ready, run: Run, state: tuple | None, told: loggers.Told) -> list[dict]:
    """Train with diagnostics of every epoch on TensorBoard; returns the history.

    state: what was saved when the run was stopped, as `Run.load_state` returns it; None in a new run.
    """
    recipe, task, model, data = run.recipe, ready.task, ready.model, ready.data
    own = task.callbacks(recipe, data)
    validation = Validation(task, data.validation, recipe, own)
    step, done = (state[1]["step"], len(state[1]["history"])) if state else (0, 0)
    monitor = Monitor(run.tensorboard, done + 1, step + 1)

    def report(row):
        monitor.epoch(row["epoch"], row, validation.pictures)
        told("epoch", row)
        shown = f"loss {row['loss']:.4f}  val_loss {row['val_loss']:.4f}"
        console.say(
            f"epoch {row['epoch']}/{recipe.train.epochs}  {shown}  {_headline(task, row)}{row['seconds']:.1f} s"
        )

    if state is None:
        monitor.recipe(recipe.to_yaml())
    try:
        history = train(model, data.examples, recipe, run, [*own, validation], report, task.monitor, monitor.steps)
    finally:
        monitor.close()
    validation.choose(model)
    return history


def say_stall(history: list[dict]) -> None:
    """Say for which share of all epochs' time the training waited for its input, where that is worth a line."""
    seconds = sum(row["seconds"] for row in history)
    stalled = sum(row["waiting_for_data"] * row["seconds"] for row in history) / seconds
    if stalled >= STALL:
        console.say(f"input-pipeline stall: {stalled:.1%} of the training's time")


def _few(task, independent: int) -> list[str]:
    """Say so where intervals rest on few independent units."""
    if independent >= FEW:
        return []
    return [f"intervals resample {independent} held-out units ({task.unit}), fewer than {FEW}: they are rough"]


def _headline(task, row) -> str:
    name = next((name for name in task.headline if f"val_{name}" in row), None)
    return f"val_{name} {row[f'val_{name}']:.4f}  " if name else ""


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation gave.

    Attributes
    ----------
    evaluated : EvaluationInput
        Records, prediction and scores, of which figures are made.
    baselines : dict of str to Scores
        By name.
    pictures : dict of str to matplotlib.figure.Figure
        Further ones for the report, by title.
    files : dict of str to bytes
        Further ones for the run's `figures/`, by name.
    """

    evaluated: EvaluationInput
    baselines: dict[str, Scores]
    pictures: dict
    files: dict[str, bytes]

    @property
    def scores(self) -> Scores:
        """The model's."""
        return self.evaluated.scores


def evaluate(
    task: Task, model: keras.Model, recipe: Recipe, splits: DataSplits, untrained: keras.Model | None = None
) -> EvaluationResult:
    """Score the model, the same network untrained and the baselines on held-out data, and make what figures need.

    Parameters
    ----------
    task : Task
        Of the model.
    model : keras.Model
        The trained network.
    recipe : Recipe
        That it was trained by.
    splits : DataSplits
        The run's data; "test" is held out.
    untrained : keras.Model or None
        The network before its first step; scored as a baseline.
    """
    transfer = task.transfer_recipe(recipe) if splits.simulated else None
    outside = None if transfer is None else load_splits(task, transfer, None).records
    return _evaluate(task, model, recipe, splits.all(), untrained, outside)


def evaluate_records(
    task: Task, model: keras.Model, recipe: Recipe, records: Records, untrained: keras.Model | None = None
) -> EvaluationResult:
    """Evaluate as `evaluate` does, on records of the user's, all of them held out."""
    return _evaluate(task, model, recipe, {"test": records}, untrained, None)


def _evaluate(task, model, recipe, splits, untrained, outside) -> EvaluationResult:
    """Evaluate; outside: records of the transfer data, None where there are none to be had."""
    baselines = task.baselines(recipe, splits if outside is None else splits | {"transfer": outside})
    prediction, scores, extended = _score(task, model, recipe, splits, outside)
    for name, more in extended.baselines.items():
        baselines[name] = baselines.get(name, Scores({})).merge(more)
    if untrained is not None:
        baselines[UNTRAINED] = _score(task, untrained, recipe, splits, outside)[1]
    scores = task.compare(scores, baselines)
    baselines = {name: task.compare(one, baselines) for name, one in baselines.items()}
    return EvaluationResult(
        EvaluationInput(splits["test"], prediction, scores), baselines, extended.pictures, extended.files
    )


def _score(task, model, recipe, splits, outside) -> tuple[Prediction, Scores, ExtendedEvaluation]:
    """Score one network: its prediction for the held-out records, all its scores, and what else was evaluated."""
    prediction = task.predict(model, splits["test"], recipe)
    scores = task.metrics(splits, prediction, recipe.seed)
    if outside is not None:
        there = task.metrics({"test": outside}, task.predict(model, outside, recipe), recipe.seed)
        scores = scores.merge(there, "transfer_")
    extended = task.extended_evaluation(model, splits, recipe)
    return prediction, scores.merge(extended.scores), extended


def show(result: dict, task: Task, folder: Path) -> None:
    """Show the end of a fit on the terminal: metrics beside baselines, gates, where to look.

    Parameters
    ----------
    result : dict
        The report.
    task : Task
        Of the run.
    folder : pathlib.Path
        The run's.
    """
    console.show(console.metrics_table(result, task.headline))
    console.show(console.gates_table(result["gates"]))
    console.out.print()
    for note in result["notes"]:
        console.say(f"note: {note}")
    if parts := result.get("parts_s"):
        console.say(f"time: {stopwatch.told(parts)}")
    console.say(f"{verdict.sentence(result['gates'])} ({result['duration_s']:.0f} s)")
    console.say(f"report       {folder / 'report.html'}")
    console.say(f"tensorboard  {console.command('tensorboard.main', '--logdir', folder / 'tensorboard')}")
