"""A run is a folder: what was asked (recipe.yaml, run.json), what is being trained (checkpoints), what came out."""

import contextlib
import datetime
import functools
import json
import re
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import kmodels
from kmodels.core.cli import console, parse
from kmodels.core.io import files, system
from kmodels.core.runs import provenance
from kmodels.core.runs.course import LOGS
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe

if TYPE_CHECKING:
    import keras

    from kmodels.core.runs.predictor import Predictor

NETWORK = "model.keras"  # the trained network, in the folder
FORMAT = 1  # of the run folder; a reader refuses newer ones
TIME = re.compile(r"\d{8}-\d{6}")  # in a folder's name
STATE = ("step", "history", "seconds", "live")  # what is saved beside a training state's variables


@dataclass(frozen=True)
class Run:
    """A run's folder and the recipe in it. `report` and `predictor` are what came out of a finished one.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    recipe : Recipe
        As recipe.yaml holds it.
    metadata : dict
        What run.json holds: `format, kmodels, model, backend, data, smoke, code`, for a tuning `from` (see
        `course.fine_tuning`), `log` where a service is told (see `course.loggers`) and, once data was read, the
        `data_hash` of the user's, and the `inputs` that it was trained on (see `task.MeasuredRecords`).
    records : Records or None
        The user's data, where they were read already as the run began.
    """

    path: Path
    recipe: Recipe
    metadata: dict
    records: object = field(default=None, repr=False, compare=False)

    @classmethod
    def create(
        cls,
        out: Path,
        recipe: Recipe,
        backend: str,
        data: str | None,
        smoke: bool,
        records: object = None,
        variant: str | None = None,
        origin: dict | None = None,
        log: str | None = None,
    ) -> "Run":
        """Create a folder `<out>/<model>[-<variant>]-seed<seed>-<time>-<hash>/` with a recipe.

        Parameters
        ----------
        out : pathlib.Path
            Of runs; it is made.
        recipe : Recipe
            What is to be trained.
        backend : str
            That Keras runs on.
        data : str or None
            The user's file or folder; None for simulated data.
        smoke : bool
            Whether the run is too small to judge.
        records : Records, optional
            Those of `data`, where they were read already.
        variant : str, optional
            The model's variant that the recipe was made of; it is a label in the folder's name.
        origin : dict, optional
            What the training begins with, see `course.fine_tuning.origin`; new weights by default.
        log : str, optional
            A service that is told of the training, see `course.loggers`.
        """
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        label = f"{recipe.task}-{variant}" if variant else recipe.task
        path = _new_folder(out, f"{label}-seed{recipe.seed}-{time}-{recipe.digest()}")
        metadata = {
            "format": FORMAT,
            "kmodels": kmodels.__version__,
            "model": recipe.task,
            "backend": backend,
            "data": files.absolute(data),
            "smoke": smoke,
            "code": provenance.code(recipe.task),
        }
        metadata |= {} if origin is None else {"from": origin}
        metadata |= {} if log is None else {"log": {"to": log}}
        files.write_text(path / "recipe.yaml", recipe.to_yaml())
        files.write_json(path / "run.json", metadata)
        return cls(path, recipe, metadata, records)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open the run in an existing folder.

        Raises
        ------
        UserError
            When it is none, or of a newer format.
        """
        path = Path(path).expanduser()
        try:
            metadata = json.loads((path / "run.json").read_text(encoding="utf-8"))
            version, model = int(metadata["format"]), metadata["model"]
            words = (metadata["backend"], metadata["kmodels"], metadata["data"] or "", metadata.get("data_hash", ""))
            if not all(isinstance(word, str) for word in words) or not isinstance(metadata["smoke"], bool):
                raise ValueError
            _check_inputs(metadata.get("inputs", {}))
            _check_origin(metadata.get("from"))
            if "log" in metadata and metadata["log"]["to"] not in LOGS:
                raise ValueError
        except FileNotFoundError:
            raise UserError(f"{path}: no run folder (it has no run.json)") from None
        except (ValueError, LookupError, TypeError, AttributeError, NotADirectoryError, RecursionError):
            raise UserError(f"{path / 'run.json'}: not the record of a run") from None
        if version > FORMAT:
            raise UserError(
                f"{path}: written by kmodels {metadata['kmodels']} in format {version}; this is kmodels "
                f"{kmodels.__version__}, which reads up to format {FORMAT}: pip install -U kmodels"
            )
        if model not in registry.names():
            raise UserError(f"{path}: a run of {model!r}; this kmodels has {', '.join(registry.names())}")
        recipe = parse.resolve_stored(registry.recipe_type(model), parse.read_yaml(path / "recipe.yaml"))
        return cls(path, recipe, metadata)

    @classmethod
    def find_existing(cls, folder: Path, recipe: Recipe, backend: str, data: str | None = None) -> "Run | None":
        """Find the newest run of a recipe, of this code, that began with new weights, in a folder.

        Parameters
        ----------
        folder : pathlib.Path
            Of runs.
        recipe, backend, data
            As for `create`; a run counts where all of them agree.

        Returns
        -------
        Run or None
            None where there is none.
        """
        wanted = {"backend": backend, "data": files.absolute(data), "code": provenance.code(recipe.task)}
        for path in sorted(Path(folder).glob("*/run.json"), key=_begun, reverse=True):
            metadata = json.loads(path.read_text(encoding="utf-8"))
            asked = (path.parent / "recipe.yaml").read_text(encoding="utf-8")
            begun_anew = "from" not in metadata
            if begun_anew and asked == recipe.to_yaml() and wanted.items() <= metadata.items():
                return cls(path.parent, recipe, metadata)
        return None

    @property
    def checkpoints(self) -> Path:
        """The folder of training states."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def report(self) -> dict | None:
        """The content of report.json; None while the run is not finished."""
        path = self.path / "report.json"
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        except ValueError as error:
            folder = shlex.quote(str(self.path))
            raise UserError(f"{path}: damaged: {error}; without it, --resume {folder} makes it again") from None

    @property
    def network(self) -> Path:
        """The file of the trained network.

        Raises
        ------
        UserError
            While the run is not finished.
        """
        file = self.path / NETWORK
        if not file.exists():
            go_on = console.command("kmodels.fit", "--resume", self.path)
            raise UserError(f"{self.path}: not finished, it has no {NETWORK}; go on with {go_on}")
        return file

    @functools.cached_property
    def predictor(self) -> "Predictor":
        """The trained model with its pre- and post-processing, as `kmodels.load` returns it."""
        return kmodels.load(self.path)

    def save_untrained(self, model: "keras.Model") -> None:
        """Keep the network as it is before its first step: every gate judges it, too. Once a run."""
        if not self.untrained.exists():
            with files.atomic_write(self.untrained) as aside:
                model.save(aside)

    @property
    def untrained(self) -> Path:
        """The file of the network before its first step; runs of earlier versions have none."""
        return self.path / "untrained.keras"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from the run while inside, and write what is said into the run's log.

        Raises
        ------
        UserError
            That names the process which works on the run already.
        """
        lock = self.path / ".lock"
        with files.file_lock(lock) as alone:
            if not alone:
                holder = _content(lock)
                raise UserError(f"{self.path}: {holder or 'another process'} works on it; wait for it, or stop it")
            try:
                with files.relabel_oserror(self.path), console.logging_to(self.path / "log.txt"):
                    yield
            finally:
                lock.unlink(missing_ok=True)

    def with_data_path(self, data: str) -> "Run":
        """Make the same run, whose user's data now lies at another path.

        Raises
        ------
        UserError
            Where the run was trained on simulated data.
        """
        if self.metadata["data"] is None:
            raise UserError(f"{self.path}: trained on simulated data; --data belongs to runs that were begun with it")
        return replace(self, metadata=self.metadata | {"data": files.absolute(data)})

    def check_data(self, found: str) -> None:
        """Refuse the user's data when its hash is not what it was as the run began.

        Raises
        ------
        UserError
            That says how to go on.
        """
        known = self.metadata.get("data_hash", found)
        if found != known:
            raise UserError(
                f"{self.metadata['data']}: not the data that {self.path} was begun with (sha256 {known[:8]}..., now "
                f"{found[:8]}...); bring that back, say where it is by --resume RUN --data PATH, or begin a new run"
            )

    def note_data(self, found: str) -> None:
        """Write down the hash of the user's data, and where it lies, for later processes."""
        self._note(data_hash=found)

    def note_log(self, to: str, name: str) -> None:
        """Write down what a service calls the run, so that a later process goes on with it there."""
        self._note(log={"to": to, "id": name})

    def note_inputs(self, inputs: dict[str, dict]) -> None:
        """Write down unit, mean and standard deviation of each input of the training: other data is held against it."""
        self._note(inputs=inputs)

    def _note(self, **facts) -> None:
        """Add to run.json."""
        self.metadata.update(facts)
        files.write_json(self.path / "run.json", self.metadata)

    def save_state(self, step: int, variables: list[np.ndarray], metadata: dict, keep: set[int]) -> None:
        """Save a training state as checkpoints/step-<step>/, whole or not at all; drop all others but `keep`.

        Parameters
        ----------
        step : int
            Steps done.
        variables : list of numpy.ndarray
            In the order of `training.state.variables`.
        metadata : dict
            JSON values, by the names of STATE.
        keep : set of int
            Steps whose states stay.
        """
        self.checkpoints.mkdir(exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self.checkpoints, prefix=files.ASIDE))
        try:
            with (aside / "variables.npz").open("wb") as file:
                np.savez(file, **{f"{k:05d}": value for k, value in enumerate(variables)})
            system.flush(aside / "variables.npz")
            files.write_json(aside / "state.json", metadata | {"step": step})
            if not self._state(step).exists():  # a step has one state only
                aside.rename(self._state(step))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for path in self.checkpoints.iterdir():
            if path.name not in {self._state(k).name for k in keep | {step}}:
                shutil.rmtree(path, ignore_errors=True)

    def saved_steps(self) -> list[int]:
        """List the steps of all saved training states, rising."""
        names = (path.name.removeprefix("step-") for path in self.checkpoints.glob("step-*"))
        return sorted(int(name) for name in names if name.isdigit())

    def load_state(self, step: int | None = None) -> tuple[list[np.ndarray], dict] | None:
        """Load a training state.

        Parameters
        ----------
        step : int, optional
            Its step; the newest by default.

        Returns
        -------
        tuple or None
            (variables, metadata) as they were given to `save_state`; None when there is no state.

        Raises
        ------
        UserError
            Where it is damaged.
        """
        if step is None:
            saved = self.saved_steps()
            if not saved:
                return None
            step = saved[-1]
        folder = self._state(step)
        try:
            with np.load(folder / "variables.npz", allow_pickle=False) as arrays:
                variables = [arrays[name] for name in sorted(arrays.files)]
            metadata = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            return variables, {name: metadata[name] for name in STATE}
        except (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{folder}: damaged: {reason}; without this folder an earlier state is taken") from None

    def _state(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:09d}"


def _check_inputs(inputs: dict) -> None:
    """Raise ValueError where what a run says of its inputs is not what `note_inputs` wrote."""
    for known in inputs.values():
        numbers = [known[name] for name in ("mean", "sd")]
        if not isinstance(known["unit"], str | None) or not all(isinstance(number, int | float) for number in numbers):
            raise ValueError


def _check_origin(origin: dict | None) -> None:
    """Raise ValueError where what a run says that it began with is not what `fine_tuning.origin` wrote."""
    if origin is None:
        return
    if not all(isinstance(origin[name], str) for name in ("path", "sha256")) or not isinstance(
        origin["simulated"], bool
    ):
        raise ValueError
    if not all(isinstance(name, str) for name in origin["frozen"]) or not isinstance(origin["learning_rate"], float):
        raise ValueError
    _check_inputs(origin["inputs"] or {})


def _begun(path: Path) -> tuple[str, str]:
    """Sort runs by the time in their folder's name, whatever stands before it: older names have no seed."""
    time = TIME.search(path.parent.name)
    return time[0] if time else "", path.parent.name


def _content(lock: Path) -> str:
    """Read who holds a lock, where the system lets others read it."""
    with contextlib.suppress(OSError):
        return lock.read_text(encoding="utf-8")
    return ""


def _new_folder(out: Path, name: str) -> Path:
    """Make `out/name`, with a number behind it when two runs start in the same second."""
    for k in range(1000):
        path = out / (name if k == 0 else f"{name}-{k}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
    raise UserError(f"{out}: too many runs called {name}")
