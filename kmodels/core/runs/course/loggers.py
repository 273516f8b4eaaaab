"""A training told to others as it goes: MLflow or Weights & Biases, beside TensorBoard, which every run has.

What they are told goes where their own settings say: MLFLOW_TRACKING_URI, WANDB_MODE=offline and the like. What fails
there is said in a line and ends no training.
"""

import contextlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from kmodels.core.cli import console
from kmodels.core.report import tables
from kmodels.core.runs.course import LOGS
from kmodels.core.runs.run import Run
from kmodels.core.spec.errors import UserError

UNNAMED = re.compile(r"[^\w ./-]")  # signs that no name has in MLflow
KEPT = ("report.json", "report.html", "model.keras", "recipe.yaml")  # artifacts, of a run's folder


class Logger(Protocol):
    """What a service is told of a run."""

    def begin(self, run: Run) -> str:
        """Begin with the recipe's fields as parameters, or go on; returns the service's own name of the run."""
        ...

    def epoch(self, row: dict) -> None:
        """Tell the figures of an epoch, a row of the history."""
        ...

    def result(self, report: dict, folder: Path) -> None:
        """Tell held-out metrics, gates as tags, and the artifacts."""
        ...

    def end(self, finished: bool) -> None:
        """End; not finished: the training was stopped, or failed."""
        ...


class Mlflow:
    """MLflow: an experiment a model, a run a run."""

    def begin(self, run: Run) -> str:
        """Begin or go on."""
        import mlflow

        self.mlflow, known = mlflow, run.metadata["log"].get("id")
        mlflow.set_experiment(f"kmodels.{run.recipe.task}")
        begun = mlflow.start_run(run_id=known, run_name=run.path.name)
        if known is None:
            mlflow.log_params(_fields(run))
            mlflow.set_tags(
                {"folder": str(run.path), "backend": run.metadata["backend"], "recipe": run.recipe.digest()}
            )
        return begun.info.run_id

    def epoch(self, row):
        """Tell an epoch."""
        self.mlflow.log_metrics(_numbers(row), step=row["epoch"])

    def result(self, report, folder):
        """Tell what came out."""
        self.mlflow.log_metrics({f"held_out/{k}": v for k, v in _numbers(report["metrics"]).items()})
        self.mlflow.set_tags(_gates(report))
        for name in KEPT:
            self.mlflow.log_artifact(str(folder / name))

    def end(self, finished):
        """End the run."""
        self.mlflow.end_run("FINISHED" if finished else "KILLED")


class Wandb:
    """Weights & Biases: one project, a run a run."""

    def begin(self, run: Run) -> str:
        """Begin or go on."""
        import wandb

        self.wandb = wandb
        self.run = wandb.init(
            project="kmodels",
            id=run.metadata["log"].get("id"),
            resume="allow",
            name=run.path.name,
            dir=str(run.path),
            config=_fields(run) | {"backend": run.metadata["backend"]},
        )
        return self.run.id

    def epoch(self, row):
        """Tell an epoch."""
        self.run.log(_numbers(row), step=row["epoch"])

    def result(self, report, folder):
        """Tell what came out."""
        self.run.summary.update({f"held_out/{k}": v for k, v in _numbers(report["metrics"]).items()} | _gates(report))
        self.run.tags = (*(self.run.tags or ()), *(f"{name} {status}"[:64] for name, status in _gates(report).items()))
        kept = self.wandb.Artifact(f"kmodels-{report['model']}", type="model")
        for name in KEPT:
            kept.add_file(str(folder / name))
        self.run.log_artifact(kept)

    def end(self, finished):
        """End the run."""
        self.run.finish(exit_code=0 if finished else 1)


LOGGERS: dict[str, Callable[[], Logger]] = dict(zip(LOGS, (Mlflow, Wandb), strict=True))


def check(name: str | None) -> None:
    """Refuse a service whose package is not installed.

    Raises
    ------
    UserError
        That says how to install it.
    """
    if name is not None and importlib.util.find_spec(name) is None:
        raise UserError(f"--log {name} needs {name}: pip install 'kmodels[{name}]'")


class Told:
    """Tells a logger, or nobody; what fails is said once, and nothing is told from then on.

    Parameters
    ----------
    name : str
        Of the service.
    logger : Logger or None
        None: nobody.
    """

    def __init__(self, name: str = "", logger: Logger | None = None):
        self.name, self.logger = name, logger

    def __call__(self, what: str, *arguments: Any) -> Any:
        """Call a method of the logger; None where it fails."""
        if self.logger is None:
            return None
        try:
            return getattr(self.logger, what)(*arguments)
        except Exception as error:  # noqa: BLE001 - a service may fail in any way, and the training goes on
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            console.say(f"--log {self.name}: {reason}; the training goes on without it")
            self.logger = None
            return None


@contextlib.contextmanager
def telling(run: Run) -> Iterator[Told]:
    """Tell the service that a run names, if it names one, while inside.

    Yields
    ------
    Told
        ``told("epoch", row)`` and ``told("result", report, folder)``.
    """
    asked = run.metadata.get("log")
    told = Told(asked["to"], LOGGERS[asked["to"]]()) if asked else Told()
    if asked and (known := told("begin", run)):
        run.note_log(asked["to"], known)
    try:
        yield told
    except BaseException:
        told("end", False)
        raise
    told("end", True)


def _fields(run: Run) -> dict[str, Any]:
    """List the recipe's fields by their dotted keys."""
    return {name: str(value) for name, value in tables.flat(run.recipe.model_dump(mode="json")).items()}


def _numbers(values: dict) -> dict[str, float]:
    return {k: float(v) for k, v in values.items() if isinstance(v, int | float) and k != "epoch"}


def _gates(report: dict) -> dict[str, str]:
    """Name each gate by what MLflow takes in a tag."""
    return {"gate/" + UNNAMED.sub("_", gate["name"]): gate["status"] for gate in report["gates"]}
