"""The folder of a search: what was asked (study.json), how it stands (oracle.json), a folder a trial.

Trial 7 is `trial_0007/`: its run, as `fit` would leave it, with its report and curves. See also `tuning.summary`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from kmodels.core.io import files
from kmodels.core.runs import provenance
from kmodels.core.spec.errors import UserError
from tuning.study import Study

FORMAT = 1  # of study.json; a reader refuses newer ones


@dataclass(frozen=True)
class Asked:
    """What a search is, beside its study: the same for all its processes and for ever.

    Attributes
    ----------
    study, tuner, backend : str
        Their names.
    data : str or None
        The user's file or folder; None for simulated data.
    smoke : bool
        Whether trials are too small to judge.
    """

    study: str
    tuner: str
    backend: str
    data: str | None
    smoke: bool


@dataclass(frozen=True)
class Record:
    """A search's folder.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    study : Study
        What is searched.
    asked : Asked
        How.
    max_trials : int or None
        The most trials; None for all of a grid.
    keep : int
        How many of the best trials keep their weights.
    """

    path: Path
    study: Study
    asked: Asked
    max_trials: int | None
    keep: int

    @classmethod
    def create(cls, path: Path, study: Study, asked: Asked, max_trials: int | None, keep: int) -> "Record":
        """Begin a new search; the arguments are its attributes.

        Raises
        ------
        UserError
            Where there is one in the folder already.
        """
        if (path / "study.json").exists():
            raise UserError(f"{path}: there is a search already; --resume goes on with it, --out takes another folder")
        record = cls(path, study, asked, max_trials, keep)
        record.write()
        return record

    @classmethod
    def open(cls, path: Path, study: Study) -> "Record":
        """Open the search in `path`.

        Raises
        ------
        UserError
            Where there is none, or where it is of another study.
        """
        try:
            found = json.loads((path / "study.json").read_text(encoding="utf-8"))
            version, asked = found["format"], Asked(**found["asked"])
        except FileNotFoundError:
            raise UserError(f"{path}: no search to go on with (it has no study.json)") from None
        except (ValueError, KeyError, TypeError, NotADirectoryError):
            raise UserError(f"{path / 'study.json'}: not the record of a search") from None
        if version > FORMAT:
            raise UserError(f"{path}: a search of format {version}; this is kmodels that reads up to {FORMAT}")
        if asked.study != study.name:
            raise UserError(f"{path}: a search of study {asked.study}, not of {study.name}")
        if found["base"] != study.base.model_dump(mode="json"):
            raise UserError(f"{path}: study {study.name} has another base by now; its trials could not be compared")
        return cls(path, study, asked, found["max_trials"], found["keep"])

    def write(self) -> None:
        """Write study.json."""
        content = {
            "format": FORMAT,
            "asked": asdict(self.asked),
            "max_trials": self.max_trials,
            "keep": self.keep,
            "question": self.study.question,
            "objective": self.study.objective,
            "direction": self.study.direction,
            "base": self.study.base.model_dump(mode="json"),
            "code": provenance.code(),
        }
        files.write_json(self.path / "study.json", content)

    @property
    def state(self) -> Path:
        """The file with the search's state, trials included."""
        return self.path / "oracle.json"

    def trials(self) -> list[dict]:
        """Read the trials begun so far, in order, as Keras Tuner records them; without Keras."""
        return trials(self.state) if self.state.exists() else []

    def folder(self, trial_id: str) -> Path:
        """Name the folder of a trial."""
        return self.path / f"trial_{trial_id}"

    def run(self, trial_id: str) -> Path | None:
        """Find the folder of a trial's run: the finished one, else the newest; None before it begins."""
        runs = sorted(path.parent for path in self.folder(trial_id).rglob("run.json"))
        finished = [run for run in runs if (run / "report.json").exists()]
        return (finished or runs or [None])[-1]

    def report(self, trial_id: str) -> dict | None:
        """Read the report of a trial; None while there is none."""
        run = self.run(trial_id)
        path = run / "report.json" if run else None
        return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else None

    def ranked(self) -> list[dict]:
        """List the trials that have a score, the best first."""
        scored = [trial for trial in self.trials() if trial["status"] == "COMPLETED"]
        return sorted(scored, key=lambda trial: trial["score"], reverse=self.study.direction == "max")


# -- the search's state -------------------------------------------------------------------------------------------


class _Values(BaseModel):
    values: dict[str, bool | int | float | str]


class _Observation(BaseModel):
    value: list[float]


class _Metric(BaseModel):
    observations: list[_Observation]


class _Metrics(BaseModel):
    metrics: dict[str, _Metric]


class _Trial(BaseModel):
    trial_id: str
    status: str
    score: float | None
    hyperparameters: _Values
    metrics: _Metrics


class _State(BaseModel):
    trials: list[_Trial]


def trials(path: Path) -> list[dict]:
    """Read the trials of a search's state.

    Parameters
    ----------
    path : pathlib.Path
        oracle.json.

    Raises
    ------
    UserError
        Where the file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        TypeAdapter(_State).validate_python(content)
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8 and of pydantic
        raise damaged(path, error) from None
    return content["trials"]


def damaged(path: Path, error: Exception) -> UserError:
    """Say what is wrong with a search's state, and how to go on."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    else:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    hint = (
        "move it away, and --resume asks anew; trials that are finished are found in their folders, not trained again"
    )
    return UserError(f"{path}: damaged: {reason}; {hint}")
