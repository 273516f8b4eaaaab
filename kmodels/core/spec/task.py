"""A Task asks one scientific question: the record of a model's parts, and the shapes of what they hand on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder
from kmodels.core.spec.recipe import Recipe

if TYPE_CHECKING:
    import keras
    import pandas
    from matplotlib.figure import Figure


class Records(Protocol):
    """The field's own data, n examples in physical units, as the loader returns them."""

    def __len__(self) -> int: ...

    def take(self, rows) -> "Records":
        """The examples with these indices."""
        ...


class Examples(Protocol):
    """What the network eats, from memory or from a file larger than it."""

    def __len__(self) -> int: ...

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows, as dictionaries of arrays with the rows first."""
        ...


class Prediction(Protocol):
    """A network's outputs in the field's own words and units."""

    def frame(self) -> "pandas.DataFrame":
        """One row an example."""
        ...

    def write(self, path: Path) -> None:
        """Save in the field's own file format, chosen by the path's suffix."""
        ...


@dataclass(frozen=True)
class Scores:
    """Metrics by name; None where a metric is not defined for this data. Intervals are 95%, [low, high]."""

    values: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def merge(self, other: "Scores", prefix: str) -> "Scores":
        """These scores, and the other ones under names that begin with `prefix`."""
        values = {prefix + name: value for name, value in other.values.items()}
        intervals = {prefix + name: pair for name, pair in other.intervals.items()}
        return Scores(self.values | values, self.intervals | intervals)


@dataclass(frozen=True)
class EvaluationInput:
    """What the functions that judge are given: records, their prediction, and the scores once they exist."""

    records: Records
    prediction: Any
    scores: Scores | None = None


@dataclass(frozen=True)
class ExtendedEvaluation:
    """What a longer look at a trained model found: scores, those of baselines, pictures by title, files by name."""

    scores: Scores = field(default_factory=lambda: Scores({}))
    baselines: dict[str, Scores] = field(default_factory=dict)
    pictures: dict[str, "Figure"] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The contents page of a model. Each part lives in the file of its name.

    suffixes: of the files that `load` reads; output_suffixes: of those that a Prediction writes.
    simulate(recipe, folder, report): writes the field's own files into `folder`; `report(done, total)` shows
        progress; returns facts to print, such as rates. `simulation` is raised when the same recipe gives other data.
    load(path, recipe, labels=True): the records of a user's or the simulator's files; refuses bad input by file,
        row, value, rule. labels=False: what is to be learned may be missing.
    split(records, recipe): {"train", "validation", "test"} -> row indices that share no group.
    encode(records, recipe): Examples. build(recipe, steps): the compiled model, told the number of training steps.
    decode(model, records, outputs): Prediction.
    metrics(parts, prediction, seed): Scores of a prediction for parts["test"]. baselines(recipe, parts): {name:
        Scores} on parts["test"]; those that learn are left out where there is no parts["train"].
    diagnostics(evaluated): (scalars, pictures) of an epoch for TensorBoard. figures(evaluated): {title: Figure}.
    headline: the metrics of the summary table, in order. notes(recipe): sentences that a report must carry.

    What not every model has:
    calibrate(model, records, outputs): sets what is chosen on validation data, such as a threshold.
    adapt(model, records): sets in a new model what it takes from its training records as it finds them, such as their
        mean, before it is trained.
    schedule(model, recipe, epoch): sets what changes in the course of a training, such as the weights of the loss
        terms, at the beginning of epoch 0, 1, ...; a pure function of the epoch, so that a resumed run is the same.
    monitor: the validation figure, as a row of the history names it, whose lowest value says which epoch is kept.
        Another than `val_loss` where a schedule moves the weights: their sum is then not comparable across epochs.
    hints(history, recipe): sentences about the course of a training, for the report: what to try where it went wrong.
    files(records): every file that they were read from, where those named by `suffixes` only name further ones.
    training_examples(records, recipe): Examples to train on, where they are not those of `encode`.
    mine_hard_negatives(model, records, examples, recipe): trains on after each epoch, on what the model still
        gets wrong in its training records; returns scalars for TensorBoard.
    transfer(recipe): the recipe of simulated data that lies outside what was trained on; its scores stand in the
        report as `transfer_*`.
    draw(model, recipe, path, progress, **options): Prediction of many answers to each record of a file; options are
        those of the verb predict that were given: mode, samples, temperature, days, seed.
    generate(model, recipe, n, seed, **options): n new records with `write(path)`.
    examine(model, records, recipe): ExtendedEvaluation; what one prediction of each held-out record does not show.
        Baselines that need the model are made here, too.
    forecast(model, records, recipe, leads, progress): Prediction of so many steps, each from the one before.
    """

    name: str
    question: str
    recipe: type[Recipe]
    simulation: int
    suffixes: tuple[str, ...]
    output_suffixes: tuple[str, ...]
    simulate: Callable[[Any, Path, Callable[[int, int], None]], dict[str, str]]
    load: Callable[..., Any]
    split: Callable[[Any, Any], dict[str, Any]]
    encode: Callable[[Any, Any], Examples]
    build: Callable[[Any, int], "keras.Model"]
    decode: Callable[["keras.Model", Any, dict], Any]
    metrics: Callable[[dict[str, Any], Any, int], Scores]
    baselines: Callable[[Any, dict[str, Any]], dict[str, Scores]]
    diagnostics: Callable[[EvaluationInput], tuple[dict[str, float], dict[str, "Figure"]]]
    figures: Callable[[EvaluationInput], dict[str, "Figure"]]
    gates: tuple[Gate, ...]
    headline: tuple[str, ...]
    notes: Callable[[Any], list[str]]
    ladder: Ladder | None = None
    calibrate: Callable[["keras.Model", Any, dict], None] | None = None
    adapt: Callable[["keras.Model", Any], None] | None = None
    schedule: Callable[["keras.Model", Any, int], None] | None = None
    monitor: str = "val_loss"
    hints: Callable[[list[dict], Any], list[str]] | None = None
    files: Callable[[Any], list[Path]] | None = None
    training_examples: Callable[[Any, Any], Examples] | None = None
    mine_hard_negatives: Callable[["keras.Model", Any, Examples, Any], dict[str, float]] | None = None
    transfer: Callable[[Any], Recipe] | None = None
    draw: Callable[..., Any] | None = None
    generate: Callable[..., Any] | None = None
    examine: Callable[["keras.Model", Any, Any], ExtendedEvaluation] | None = None
    forecast: Callable[..., Any] | None = None

    def predict(self, model, records, recipe, progress=None):
        """The decoded prediction of a model for records."""
        from kmodels.core.training import inference

        outputs = inference.predict(model, self.encode(records, recipe), recipe.train.batch_size, progress)
        return self.decode(model, records, outputs)
