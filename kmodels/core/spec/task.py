"""A Task asks one scientific question: what the pipeline needs of a model, and the shapes of what it hands on."""

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from kmodels.core.spec import registry
from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder
from kmodels.core.spec.recipe import Recipe

if TYPE_CHECKING:
    import argparse

    import keras
    import pandas
    from matplotlib.figure import Figure


class Records(Protocol):
    """The field's own data, n examples in physical units, as the loader returns them."""

    def __len__(self) -> int: ...

    def take(self, rows: Any) -> "Records":
        """Select the examples with these indices."""
        ...


@runtime_checkable
class MeasuredRecords(Records, Protocol):
    """Records whose inputs come in units of the user's files: a run keeps those it was trained in."""

    def inputs(self) -> dict[str, dict]:
        """Describe each input: {name: {"unit": str or None, "mean": float, "sd": float}}."""
        ...

    def as_trained(self, inputs: dict[str, dict] | None, run: Path, simulated: bool) -> "MeasuredRecords":
        """Convert inputs to the units of a training and say which are far off; refuse what cannot be converted.

        Parameters
        ----------
        inputs : dict or None
            What `inputs` said of the training's records; None in runs of earlier versions.
        run : pathlib.Path
            The run's folder.
        simulated : bool
            Whether the run was trained on simulated data.
        """
        ...


class Examples(Protocol):
    """What the network is given, from memory or from a file larger than it."""

    def __len__(self) -> int: ...

    def take(self, rows: Any) -> tuple[dict, dict]:
        """Select rows as (inputs, targets), dictionaries of arrays with the rows first."""
        ...


class Prediction(Protocol):
    """A network's outputs in the field's own words and units."""

    def frame(self) -> "pandas.DataFrame":
        """Tabulate, a row an example."""
        ...

    def write(self, path: Path) -> None:
        """Save in the field's own file format, chosen by the path's suffix."""
        ...


@dataclass(frozen=True)
class Scores:
    """Metrics by name; None where a metric is not defined for this data.

    Attributes
    ----------
    values : dict of str to float or None
        The metrics.
    intervals : dict of str to tuple of float
        95% intervals, (low, high), of those that have one.
    resampled : dict of str to numpy.ndarray
        (resamples,) values over resampled groups of examples. Scores of the same examples and seed are resampled
        alike, so that their quotients are paired.
    """

    values: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    resampled: dict[str, Any] = field(default_factory=dict)

    def merge(self, other: "Scores", prefix: str = "") -> "Scores":
        """Add other scores, under names that begin with `prefix`.

        Parameters
        ----------
        other : Scores
            Win where both have a name.
        prefix : str
            Put before the other names.
        """
        mine = self.values, self.intervals, self.resampled
        theirs = other.values, other.intervals, other.resampled
        pairs = zip(mine, theirs, strict=True)
        return Scores(*(a | {prefix + name: value for name, value in b.items()} for a, b in pairs))

    def only(self, *names: str) -> "Scores":
        """Select scores by name."""
        parts = self.values, self.intervals, self.resampled
        return Scores(*({name: part[name] for name in names if name in part} for part in parts))

    def with_ratio(self, metric: str, other: "Scores | None", name: str) -> "Scores":
        """Add as `name` the quotient of a metric and another's, with the interval of paired resamples.

        Parameters
        ----------
        metric : str
            In both scores.
        other : Scores or None
            Of the same examples, resampled with the same seed; None leaves the quotient undefined.
        name : str
            Of the quotient.
        """
        ours, theirs = self.values.get(metric), other.values.get(metric) if other else None
        value = ours / theirs if ours is not None and theirs else None
        intervals = {}
        if value is not None and metric in self.resampled and metric in other.resampled:
            with np.errstate(divide="ignore", invalid="ignore"):
                resampled = self.resampled[metric] / other.resampled[metric]
            if np.isfinite(resampled).mean() > 0.5:
                intervals[name] = tuple(np.quantile(resampled[np.isfinite(resampled)], [0.025, 0.975]).tolist())
        return self.merge(Scores({name: value}, intervals))


@dataclass(frozen=True)
class EvaluationInput:
    """What diagnostics and figures are made of.

    Attributes
    ----------
    records : Records
        n examples.
    prediction : Prediction
        For them.
    scores : Scores or None
        Once they exist.
    """

    records: Records
    prediction: Any
    scores: Scores | None = None


@dataclass(frozen=True)
class ExtendedEvaluation:
    """What one prediction of each held-out record does not show.

    Attributes
    ----------
    scores : Scores
        Of the model.
    baselines : dict of str to Scores
        By name, merged with those that there are.
    pictures : dict of str to matplotlib.figure.Figure
        For the report, by title.
    files : dict of str to bytes
        For the run's `figures/`, by name.
    """

    scores: Scores = field(default_factory=lambda: Scores({}))
    baselines: dict[str, Scores] = field(default_factory=dict)
    pictures: dict[str, "Figure"] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingData:
    """What a training's callbacks may look at.

    Attributes
    ----------
    records : Records
        Of the training.
    examples : Examples
        Made of them.
    validation : Records
        Of the validation.
    """

    records: Records
    examples: Examples
    validation: Records


class Task(abc.ABC):
    """A scientific question, and what the pipeline asks of the model that answers it.

    A model's `task.py` is a subclass whose methods call functions in the sub-folders of the model. Six
    methods are a model's own; the others have defaults that serve most.

    Attributes
    ----------
    name, question : str
        Of the model.
    recipe : type of Recipe
        Every number of a run.
    simulation : int
        Raised when the same recipe gives other simulated data.
    suffixes, output_suffixes : tuple of str
        Of the files that `load` reads and that a Prediction writes.
    gates : tuple of Gate
        What held-out metrics must reach.
    references : tuple of str
        Among the baselines, those that know the answer, such as the rules or the exact law: shown only.
    unit : str
        What is independent of all others in held-out data, such as a run or a room; intervals resample it whole.
    headline : tuple of str
        The metrics of the summary table, in order.
    ladder : Ladder or None
        Recipes from the flawed one to the best.
    monitor : str
        The validation figure, as a row of the history names it, whose lowest value says which epoch is kept. Another
        than `val_loss` where a schedule moves the weights: their sum is then not comparable across epochs.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    recipe: ClassVar[type[Recipe]]
    simulation: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]
    output_suffixes: ClassVar[tuple[str, ...]]
    gates: ClassVar[tuple[Gate, ...]]
    references: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = "example"
    headline: ClassVar[tuple[str, ...]]
    ladder: ClassVar[Ladder | None] = None
    monitor: ClassVar[str] = "val_loss"
    OPTIONS: ClassVar[tuple[str, ...]] = ()  # of `predict`, that this kind of task takes

    # -- data -------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def load(self, path: str | Path, recipe: Recipe, labels: bool = True) -> Records:
        """Load a user's or the simulator's files; refuse bad input by file, row, value and rule.

        Parameters
        ----------
        path : str or Path
            A file or a folder.
        recipe : Recipe
            What the data must agree with.
        labels : bool
            False: what is to be learned may be missing.

        Returns
        -------
        Records
            The examples, in physical units.

        Raises
        ------
        UserError
            For the first fault.
        """

    def simulate(self, recipe: Recipe, folder: Path, progress: Callable[[int, int], None]) -> dict[str, str]:
        """Write simulated data as the field's own files.

        Parameters
        ----------
        recipe : Recipe
            Says how much, and of what.
        folder : pathlib.Path
            Where the files go.
        progress : callable
            ``progress(done, total)`` shows how far it is.

        Returns
        -------
        dict of str to str
            Facts to print, such as rates.
        """
        return registry.simulator(self.name)(recipe, folder, progress)

    def split(self, records: Records, recipe: Recipe) -> dict[str, Any]:
        """Part the rows into train, validation and test, which share no group of `records.groups`.

        Parameters
        ----------
        records : Records
            All of them.
        recipe : Recipe
            Its `data.split` says how large the parts are.

        Returns
        -------
        dict of str to numpy.ndarray
            Row indices of "train", "validation" and "test".
        """
        from kmodels.core.training import batching

        return batching.split_groups(records.groups, recipe.data.split, recipe.seed)

    def groups(self, records: Records) -> np.ndarray:
        """Give the independent unit of each record: (n,), equal where records are of one."""
        return records.groups

    def data_files(self, records: Records) -> list[Path] | None:
        """Name every file that the records were read from.

        Returns
        -------
        list of pathlib.Path or None
            None where those that end in one of `suffixes` are all; else the files that they name, too.
        """
        return None

    @abc.abstractmethod
    def encode(self, records: Records, recipe: Recipe) -> Examples:
        """Turn records into what the network is given.

        Parameters
        ----------
        records : Records
            n examples in physical units.
        recipe : Recipe
            Of the run.

        Returns
        -------
        examples : Examples
            n of them; targets only where the records have labels.
        """

    def training_examples(self, records: Records, recipe: Recipe) -> Examples:
        """Turn records into what the network is trained on; by default as `encode` does."""
        return self.encode(records, recipe)

    # -- network ----------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def build(self, recipe: Recipe, steps: int) -> "keras.Model":
        """Build the compiled network of a recipe.

        Parameters
        ----------
        recipe : Recipe
            Its `model` and `train` sections say how.
        steps : int
            Of the whole training, for schedules.

        Returns
        -------
        keras.Model
            A `TermModel`, compiled with `optimizer.Adam` or a kind of it.
        """

    def adapt(self, model: "keras.Model", records: Records) -> None:
        """Set in a new network what it takes from its training records as it finds them, such as their mean."""
        return None

    def callbacks(self, recipe: Recipe, data: TrainingData) -> list["keras.callbacks.Callback"]:
        """Make what acts between the epochs of a training: schedules, freezing, calibration, hard-negative mining.

        Parameters
        ----------
        recipe : Recipe
            Of the run.
        data : TrainingData
            What the callbacks may look at.

        Returns
        -------
        list of keras.callbacks.Callback
            In the order in which they act.
        """
        return []

    # -- evaluation -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def decode(self, model: "keras.Model", records: Records, outputs: dict) -> Prediction:
        """Put the network's outputs into the field's own words and units.

        Parameters
        ----------
        model : keras.Model
            Whose outputs they are.
        records : Records
            n examples that it was given.
        outputs : dict of str to numpy.ndarray
            Each (n, ...).
        """

    def predict(
        self, model: "keras.Model", records: Records, recipe: Recipe, progress: Callable[[int, int], None] | None = None
    ) -> Prediction:
        """Predict and decode. All inference that the metrics need happens here.

        Parameters
        ----------
        model : keras.Model
            The trained network.
        records : Records
            What to predict for.
        recipe : Recipe
            That it was trained by.
        progress : callable, optional
            ``progress(done, total)`` shows how far it is.
        """
        from kmodels.core.training import inference

        outputs = inference.predict(model, self.encode(records, recipe), recipe.train.batch_size, progress)
        return self.decode(model, records, outputs)

    @abc.abstractmethod
    def metrics(self, splits: dict[str, Any], prediction: Any, seed: int) -> Scores:
        """Score a prediction for held-out data.

        Parameters
        ----------
        splits : dict of str to Records
            "test" is what was predicted; others are there where the data was split.
        prediction : Prediction
            For `splits["test"]`.
        seed : int
            Of the bootstrap.
        """

    @abc.abstractmethod
    def baselines(self, recipe: Recipe, splits: dict[str, Any]) -> dict[str, Scores]:
        """Score the baselines on `splits["test"]`.

        Parameters
        ----------
        recipe : Recipe
            Of the run.
        splits : dict of str to Records
            As for `metrics`; baselines that learn are left out where there is no "train". "transfer" where
            `transfer_recipe` gives a recipe: its scores go beside the others as `transfer_*`.

        Returns
        -------
        dict of str to Scores
            By name.
        """

    def compare(self, scores: Scores, baselines: dict[str, Scores]) -> Scores:
        """Add to the scores of the model, or of a baseline, what sets them against the baselines', such as ratios."""
        return scores

    def diagnostics(self, evaluated: EvaluationInput) -> tuple[dict[str, float], dict[str, "Figure"]]:
        """Compute scalars and plot pictures of an epoch, for TensorBoard.

        Returns
        -------
        scalars : dict of str to float
            By name.
        pictures : dict of str to matplotlib.figure.Figure
            By title.
        """
        return {}, {}

    def figures(self, evaluated: EvaluationInput) -> dict[str, "Figure"]:
        """Plot the report's pictures, by title."""
        return {}

    def extended_evaluation(self, model: "keras.Model", splits: dict[str, Any], recipe: Recipe) -> ExtendedEvaluation:
        """Evaluate what one prediction of each held-out record does not show, such as roll-outs.

        Parameters
        ----------
        model : keras.Model
            The trained network.
        splits : dict of str to Records
            As for `metrics`.
        recipe : Recipe
            The run's.
        """
        return ExtendedEvaluation()

    def transfer_recipe(self, recipe: Recipe) -> Recipe | None:
        """Make the recipe of simulated data outside what was trained on, scored as `transfer_*`; None for none."""
        return None

    def notes(self, recipe: Recipe) -> list[str]:
        """Say what a reader of the report must know about where its figures come from."""
        return []

    def hints(self, history: list[dict], recipe: Recipe) -> list[str]:
        """Say what the course of a training shows, and what to try.

        Parameters
        ----------
        history : list of dict
            A row an epoch.
        recipe : Recipe
            The run's.

        Returns
        -------
        list of str
            A sentence each.
        """
        return []


class Forecaster(Task):
    """A task whose model forecasts: each step from the one before."""

    OPTIONS = ("lead",)

    @staticmethod
    def add_options(options: "argparse.ArgumentParser") -> None:
        """Add what `predict` takes for such a model."""
        group = options.add_argument_group("for models that forecast (plume)")
        group.add_argument("--lead", type=int, metavar="N", help="forecast N frames, each from the one before")

    @abc.abstractmethod
    def forecast(
        self,
        model: "keras.Model",
        records: Records,
        recipe: Recipe,
        leads: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Prediction:
        """Forecast `leads` steps, each from the one before; the other arguments are those of `predict`."""


class EnsembleTask(Task):
    """A task whose model samples many answers to each record."""

    OPTIONS = ("mode", "members", "temperature", "days", "seed")

    @staticmethod
    def add_options(options: "argparse.ArgumentParser") -> None:
        """Add what `predict` takes for such a model."""
        add = options.add_argument_group("for models that sample (precip)").add_argument
        add("--mode", choices=("prior", "posterior"), help="posterior: of days whose rain is known (default: prior)")
        add(
            "--members",
            "--samples",
            type=int,
            metavar="K",
            help="fields sampled for each day (default: the recipe's)",
        )
        add(
            "--temperature",
            type=float,
            metavar="T",
            help="scale of the latent's spread about its mean (default: the recipe's for the prior, else 1)",
        )
        add("--days", metavar="WHICH", help="all, heavy, or file:F with a date in each line of F (default: all)")
        add("--seed", type=int, metavar="S", help="equal seeds sample the same fields (default: 0)")

    @abc.abstractmethod
    def needs_labels(self, **options: Any) -> bool:
        """Tell whether records must be loaded with what is to be learned, for these options of `sample`."""

    @abc.abstractmethod
    def sample(
        self,
        model: "keras.Model",
        records: Records,
        recipe: Recipe,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> Prediction:
        """Draw an ensemble for each record.

        Parameters
        ----------
        model, records, recipe, progress
            As for `predict`.
        **options
            Those of `add_options` that were given.
        """


class GeneratorTask(Task):
    """A task whose model writes new records."""

    @abc.abstractmethod
    def generate(self, model: "keras.Model", recipe: Recipe, n: int, seed: int, **options: Any) -> Records:
        """Generate new records.

        Parameters
        ----------
        model : keras.Model
            The trained network.
        recipe : Recipe
            That it was trained by.
        n : int
            How many records.
        seed : int
            Equal seeds generate the same ones.
        **options
            The model's own.

        Returns
        -------
        Records
            With `write(path)`.
        """
