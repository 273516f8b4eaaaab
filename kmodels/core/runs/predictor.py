"""A trained model with its pre- and post-processing, out of a run folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmodels.core.cli import faults, made_for
from kmodels.core.runs import legacy, user_data
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.task import MeasuredRecords, Prediction, Records
from kmodels.core.training import backend


def load(run: str | Path) -> "Predictor":
    """Load the trained model of a run folder, with its pre- and post-processing.

    Parameters
    ----------
    run : str or Path
        A folder that `fit` has written, on any backend.

    Returns
    -------
    Predictor
        `.predict(data).frame()` tabulates a prediction, `.predict(data).write(path)` saves it.

    Raises
    ------
    kmodels.core.spec.errors.UserError
        Where the folder is no finished run, or a newer kmodels wrote it.
    """
    return Predictor.open(run)


class Predictor:
    """What `kmodels.load(run)` returns: files or records in, predictions in the field's own words out.

    Attributes
    ----------
    task : Task
        What was asked.
    recipe : Recipe
        What was chosen.
    model : keras.Model
        The network itself.
    run : Run
        Its folder.
    """

    def __init__(self, task, recipe, model, run: Run):
        self.task, self.recipe, self.model, self.run = task, recipe, model, run

    @classmethod
    def open(cls, path: str | Path) -> "Predictor":
        """Load the model of a finished run, on whatever backend runs here.

        Parameters
        ----------
        path : str or Path
            The run's folder.

        Raises
        ------
        UserError
            Where the folder is no finished run, or a newer kmodels wrote it.
        """
        run = Run.open(path)
        file = run.network
        backend.start(small_operations=run.recipe.SMALL_OPERATIONS)
        task = registry.task(run.metadata["model"])
        return cls(task, run.recipe, load_network(file), run)

    def load(self, data: Any, labels: bool = False) -> Records:
        """Load records with the task's loader, in the units that the run was trained in.

        Parameters
        ----------
        data : path
            Or whatever else the loader takes (for nand also a DataFrame).
        labels : bool
            Whether what is to be learned must be there.

        Raises
        ------
        UserError
            For bad data; where they are of another kind than those of the training, it says so.
        """
        try:
            records = self.task.load(data, self.recipe, labels=labels)
        except UserError as error:
            raise made_for.refusal(error, self.run, data) from None
        made_for.notice(self.run, data)
        user_data.tell(records, data)
        return self._as_trained(records)

    def predict(self, data: Any, progress: Callable[[int, int], None] | None = None) -> Prediction:
        """Predict with the trained network.

        Parameters
        ----------
        data : path, DataFrame or Records
            What to predict for; see `load`.
        progress : callable, optional
            ``progress(done, total)`` shows how far it is.

        Returns
        -------
        Prediction
            `.frame()` tabulates it, `.write(path)` saves it.
        """
        return self.task.predict(self.model, self._records(data), self.recipe, progress)

    def forecast(self, data: Any, leads: int, progress: Callable[[int, int], None] | None = None) -> Prediction:
        """Forecast `leads` steps, each from the one before, with a model that forecasts; else as `predict`."""
        return self.task.forecast(self.model, self._records(data), self.recipe, leads, progress)

    def sample(self, data: Any, progress: Callable[[int, int], None] | None = None, **options: Any) -> Prediction:
        """Draw an ensemble for each record, from a model that samples.

        Parameters
        ----------
        data, progress
            As for `predict`.
        **options
            Those of the task's `sample`.
        """
        labels = self.task.needs_labels(**options)
        return self.task.sample(self.model, self._records(data, labels), self.recipe, progress, **options)

    def _records(self, data, labels: bool = False):
        is_records = hasattr(data, "take") and not hasattr(data, "columns")
        return self._as_trained(data) if is_records else self.load(data, labels)

    def _as_trained(self, records: Records) -> Records:
        """Give records the units of the training, where they have units."""
        if not isinstance(records, MeasuredRecords):
            return records
        known = self.run.metadata
        return records.as_trained(known.get("inputs"), self.run.path, simulated=known["data"] is None)


def load_network(file: Path) -> Any:
    """Load a network that a run has saved, whose task was imported before.

    Raises
    ------
    UserError
        Where the archive is damaged.
    """
    try:
        model = legacy.load_model(file)
    except Exception as error:  # noqa: BLE001 - a damaged archive raises anything
        if fault := faults.of_backend():
            raise UserError(fault) from None
        line = str(error).strip().splitlines()
        raise UserError(f"{file}: damaged or not a model of this kmodels: {line[0] if line else error}") from None
    model.jit_compile = backend.compiles()
    return model


def load_untrained(run: Run) -> Any:
    """Load the network of a run as it was before its first step; None where an earlier version wrote the run."""
    return load_network(run.untrained) if run.untrained.exists() else None
