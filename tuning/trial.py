"""One trial: its recipe is trained and judged as `fit` would, and what came out is noted."""

import shutil
import traceback
from pathlib import Path

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.runs import jobs
from kmodels.core.spec.errors import UserError
from tuning import hparams
from tuning.record import Asked, Record
from tuning.study import load

ENDED = ("COMPLETED", "FAILED")


def search(record: Record, oracle, source: str) -> None:
    """Run trials until the oracle has no more: in this process, or on workers.

    A trial that fails says so to the oracle. A stop, or a fault of the machine such as a full disk, ends the search;
    the trial is the next one of a resumed search.

    Parameters
    ----------
    record : Record
        Of the search.
    oracle : Restartable
        That is asked for trials and told what they measured.
    source : str
        Name or file of the study.
    """
    from kmodels.core.training.callbacks import Stopped

    def todo():
        for trial in oracle.ask(record.max_trials):
            if trial is None:
                yield jobs.WAIT
                continue
            values, folder = trial.hyperparameters.values, files.absolute(record.folder(trial.trial_id))
            console.say(f"\ntrial {trial.trial_id}: {shown(values)}")
            yield source, record.asked, folder, values, jobs.PATIENCE if jobs.active() else 0.0

    how = {"apart": True, "ahead": 1, "keep_going": True, "what": "searching", "total": record.max_trials}
    for (_, _, folder, values, _), answer in jobs.run(measure, todo(), **how):
        if isinstance(answer, Stopped | OSError):
            raise answer
        _tell(record, oracle, oracle.get_trial(Path(folder).name.removeprefix("trial_")), answer, values)
        prune(record)


def _tell(record: Record, oracle, trial, answer, values: dict) -> None:
    """Tell the oracle what a trial measured, or that it failed."""
    if not isinstance(answer, Exception):
        oracle.tell(trial, answer)
        name = record.study.objective
        console.say(f"trial {trial.trial_id}: {name} {console.number(answer[name])}")
        return
    message, said = f"{type(answer).__name__}: {answer}", record.folder(trial.trial_id) / "error.txt"
    if not said.exists():  # it died before it could say why
        files.write_text(said, f"{message}\n")
    hparams.write(said.with_name("tensorboard"), values, {}, record.study)
    oracle.tell(trial, None, message)
    console.say(f"trial {trial.trial_id} failed: {message.splitlines()[0]} ({said})")


def measure(source: str, asked: Asked, folder: str, values: dict, patience: float) -> dict[str, float]:
    """Train a trial's recipe in its folder, or go on where it was stopped. This is the job of a worker.

    Parameters
    ----------
    source : str
        Name or file of the study.
    asked : Asked
        What the search is.
    folder : str
        Of the trial.
    values : dict
        That the oracle chose.
    patience : float
        As `jobs.training.train` takes it [s].

    Returns
    -------
    dict of str to float
        The study's figures in the epoch that is kept.

    Raises
    ------
    UserError
        Where the objective is no figure of an epoch.
    """
    place = Path(folder)
    (place / "error.txt").unlink(missing_ok=True)
    try:
        return _measured(source, asked, place, values, patience)
    except OSError:
        raise
    except Exception as error:
        if not hasattr(error, "signum"):  # not by a stop: the trial's own fault, such as a loss that is no number
            said = str(error) if isinstance(error, UserError) else traceback.format_exc()
            files.write_text(place / "error.txt", said + "\n")
        raise


def _measured(source, asked, folder, values, patience) -> dict[str, float]:
    study = load(source)
    chosen = study.declared()
    chosen.values = values
    recipe = study.recipe(chosen, asked.smoke)
    from kmodels.core.runs.jobs.training import train

    path, report = train(folder, recipe, asked.data, asked.smoke, asked.backend, patience)
    from kmodels.core.runs.run import Run
    from kmodels.core.spec import registry
    from kmodels.core.training.state import best_epoch
    from kmodels.core.training.tensorboard import HPARAMS

    row = best_epoch(report["history"], registry.task(recipe.task).monitor)
    if study.objective not in row:
        raise UserError(f"{study.objective} is no figure of an epoch; there are {', '.join(sorted(row))}")
    metrics = {name: float(row[name]) for name in (study.objective, *study.beside) if name in row}
    curves = Run.open(path).tensorboard
    shutil.rmtree(curves / HPARAMS, ignore_errors=True)  # the table has a row a trial, not a second one a run
    hparams.write(curves, values, metrics, study)
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
