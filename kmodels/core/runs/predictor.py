"""A trained model with its pre- and post-processing, out of a run folder."""

from pathlib import Path

from kmodels.core.cli import console
from kmodels.core.runs import legacy
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend


def load(run: str | Path) -> "Predictor":
    """Return the trained model of a run folder, with its pre- and post-processing.

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

    task, recipe: what was asked and chosen. model: the Keras model itself. run: its folder.
    """

    def __init__(self, task, recipe, model, run: Run):
        self.task, self.recipe, self.model, self.run = task, recipe, model, run

    @classmethod
    def open(cls, path: str | Path) -> "Predictor":
        """Load the model of a finished run, on whatever backend runs here."""
        run = Run.open(path)
        file = run.path / "model.keras"
        if not file.exists():
            go_on = console.command("kmodels.fit", "--resume", run.path)
            raise UserError(f"{run.path}: not finished, it has no model.keras; go on with {go_on}")
        backend.start(small_operations=run.recipe.SMALL_OPERATIONS)
        task = registry.task(run.metadata["model"])
        try:
            model = legacy.load_model(file)
        except Exception as error:  # noqa: BLE001 - a damaged archive raises anything
            line = str(error).strip().splitlines()
            raise UserError(f"{file}: damaged or not a model of this kmodels: {line[0] if line else error}") from None
        model.jit_compile = backend.compiles()
        return cls(task, run.recipe, model, run)

    def load(self, data, labels: bool = False):
        """Load records from a path or from whatever the task's loader takes (for nand also a DataFrame)."""
        return self.task.load(data, self.recipe, labels=labels)

    def predict(self, data, progress=None):
        """Predict for a path, a DataFrame or records: `.frame()` tabulates the prediction, `.write(path)` saves it."""
        return self.task.predict(self.model, self._records(data), self.recipe, progress)

    def forecast(self, data, leads: int, progress=None):
        """Return the same for a model that forecasts: so many steps, each from the one before."""
        return self.task.forecast(self.model, self._records(data), self.recipe, leads, progress)

    def sample(self, data, progress=None, **options):
        """Draw an ensemble for each record, from a model that samples; options are those of the task's `sample`."""
        labels = self.task.needs_labels(**options)
        return self.task.sample(self.model, self._records(data, labels), self.recipe, progress, **options)

    def _records(self, data, labels: bool = False):
        is_records = hasattr(data, "take") and not hasattr(data, "columns")
        return data if is_records else self.load(data, labels)
