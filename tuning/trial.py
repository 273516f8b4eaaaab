"""One trial: its recipe is trained and judged as `fit` would, and what came out is noted."""

import contextlib
import shutil
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.runs import pipeline
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.training.callbacks import Stopped
from kmodels.core.training.state import best_epoch
from kmodels.core.training.tensorboard import HPARAMS
from tuning import hparams
from tuning.record import Record

ENDED = ("COMPLETED", "FAILED")
LOST_CHIEF_SECONDS = 90.0  # seconds in which a worker without a chief has noticed, saved its state and stopped


def work(
    record: Record,
    oracle: Any,
    worker: str,
    during: Callable[..., AbstractContextManager] = contextlib.nullcontext,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Run trials until the oracle has no more.

    A trial that fails says so to the oracle. A stop, or a fault of the machine such as a full disk, ends the work; the
    trial is the next one of a resumed search.

    Parameters
    ----------
    record : Record
        Of the search.
    oracle : Restartable or worker.Client
        That hands out the trials.
    worker : str
        What this process is called.
    during : callable
        ``during(trial_id)``: a context around each trial.
    after : callable
        Called behind each trial.
    """
    while (trial := oracle.create_trial(worker)).status != "STOPPED":
        with during(trial.trial_id):
            _run(record, oracle, trial)
        after()


def _run(record, oracle, trial) -> None:
    folder, values = record.folder(trial.trial_id), trial.hyperparameters.values
    console.say(f"\ntrial {trial.trial_id}: {shown(values)}")
    try:
        metrics = measured(record, trial)
    except (Stopped, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a backend's out of memory, a loss that is no number: the trial's fault
        trial.status, trial.message = "FAILED", f"{type(error).__name__}: {error}"
        said = str(error) if isinstance(error, UserError) else traceback.format_exc()
        files.write_text(folder / "error.txt", said + "\n")
        hparams.write(folder / "tensorboard", values, {}, record.study)
        console.say(f"trial {trial.trial_id} failed: {trial.message.splitlines()[0]} ({folder / 'error.txt'})")
    else:
        oracle.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
        name = record.study.objective
        console.say(f"trial {trial.trial_id}: {name} {console.number(metrics[name])}")
    oracle.end_trial(trial)


def measured(record: Record, trial: Any) -> dict[str, float]:
    """Train a trial's recipe in its folder, or go on where it was stopped.

    Parameters
    ----------
    record : Record
        Of the search.
    trial : keras_tuner.engine.trial.Trial
        The trial.

    Returns
    -------
    dict of str to float
        The study's figures in the epoch that is kept.

    Raises
    ------
    UserError
        Where the objective is no figure of an epoch.
    """
    study, asked = record.study, record.asked
    recipe = study.recipe(trial.hyperparameters, asked.smoke)
    folder = record.folder(trial.trial_id)
    with files.file_lock(folder / "worker", LOST_CHIEF_SECONDS) as alone:
        # Where a worker that was taken for dead is still at it, and does not stop, its run is left to it.
        place = folder if alone else folder / f"beside-{len(list(folder.glob('beside-*'))) + 1}"
        run, report = pipeline.train_or_resume(place, recipe, asked.data, asked.smoke)
    row = best_epoch(report["history"], registry.task(recipe.task).monitor)
    if study.objective not in row:
        raise UserError(f"{study.objective} is no figure of an epoch; there are {', '.join(sorted(row))}")
    metrics = {name: float(row[name]) for name in (study.objective, *study.beside) if name in row}
    shutil.rmtree(run.tensorboard / HPARAMS, ignore_errors=True)  # the table has a row a trial, not a second one a run
    hparams.write(run.tensorboard, trial.hyperparameters.values, metrics, study)
    return metrics


def prune(record: Record) -> None:
    """Remove the weights of all finished trials but the best `record.keep`; reports and curves stay."""
    best = {trial["trial_id"] for trial in record.ranked()[: record.keep]}
    for trial in record.trials():
        if trial["status"] in ENDED and trial["trial_id"] not in best:
            for saved in record.folder(trial["trial_id"]).rglob("checkpoints"):
                shutil.rmtree(saved, ignore_errors=True)
            for saved in record.folder(trial["trial_id"]).rglob("model.keras"):
                saved.unlink(missing_ok=True)


def shown(values: dict) -> str:
    """Write the values of a trial in a line."""
    return "  ".join(f"{name} {_short(value)}" for name, value in values.items() if not name.startswith("tuner/"))


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
