"""A run is a folder: what was asked (recipe.yaml, run.json), what is being trained (checkpoints), what came out."""

import datetime
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import kmodels
from kmodels.core import files, parse, provenance, registry
from kmodels.core.errors import UserError
from kmodels.core.recipe import Recipe

FORMAT = 1  # of the run folder; a reader refuses newer ones


@dataclass(frozen=True)
class Run:
    """A run's folder and the recipe in it.

    about: what run.json holds: `format, kmodels, model, backend, data, smoke, code`.
    """

    path: Path
    recipe: Recipe
    about: dict

    @classmethod
    def create(cls, out: Path, recipe: Recipe, backend: str, data: str | None, smoke: bool) -> "Run":
        """A new folder `<out>/<model>-<time>-<hash>/` with its recipe."""
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        path = _new_folder(out, f"{recipe.task}-{time}-{recipe.digest()}")
        about = {
            "format": FORMAT,
            "kmodels": kmodels.__version__,
            "model": recipe.task,
            "backend": backend,
            "data": files.absolute(data),
            "smoke": smoke,
            "code": provenance.code(),
        }
        files.write_text(path / "recipe.yaml", recipe.to_yaml())
        files.write_json(path / "run.json", about)
        return cls(path, recipe, about)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """The run in an existing folder. Raises UserError when it is none, or of a newer format."""
        path = Path(path).expanduser()
        try:
            about = json.loads((path / "run.json").read_text(encoding="utf-8"))
            version, model = about["format"], about["model"]
        except FileNotFoundError:
            raise UserError(f"{path}: no run folder (it has no run.json)") from None
        except (ValueError, KeyError, TypeError, NotADirectoryError):
            raise UserError(f"{path / 'run.json'}: not the record of a run") from None
        if version > FORMAT:
            raise UserError(
                f"{path}: written by kmodels {about.get('kmodels')} in format {version}; this is kmodels "
                f"{kmodels.__version__}, which reads up to format {FORMAT}: pip install -U kmodels"
            )
        if model not in registry.NAMES:
            raise UserError(f"{path}: a run of {model!r}; this kmodels has {', '.join(registry.NAMES)}")
        recipe = parse.resolve(registry.recipe_type(model), [parse.read_yaml(path / "recipe.yaml")])
        return cls(path, recipe, about)

    @classmethod
    def begun(cls, folder: Path, recipe: Recipe, backend: str, data: str | None = None) -> "Run | None":
        """The newest run of this recipe, code, backend and data in `folder`; None where there is none."""
        wanted = {"backend": backend, "data": files.absolute(data), "code": provenance.code()}
        for path in sorted(Path(folder).glob("*/run.json"), reverse=True):
            about = json.loads(path.read_text(encoding="utf-8"))
            asked = (path.parent / "recipe.yaml").read_text(encoding="utf-8")
            if asked == recipe.to_yaml() and wanted.items() <= about.items():
                return cls(path.parent, recipe, about)
        return None

    @property
    def checkpoints(self) -> Path:
        """Where training states are kept."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Where TensorBoard's event files are."""
        return self.path / "tensorboard"

    def report(self) -> dict | None:
        """What report.json holds; None while the run is not finished."""
        path = self.path / "report.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def save_state(self, step: int, variables: list[np.ndarray], about: dict, keep: set[int]) -> None:
        """Save a training state as checkpoints/step-<step>/, whole or not at all; drop all others but `keep`.

        variables: in the order of `training.variables`. about: JSON values (history and such).
        """
        self.checkpoints.mkdir(exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self.checkpoints, prefix=".aside-"))
        try:
            with (aside / "variables.npz").open("wb") as file:
                np.savez(file, **{f"{k:05d}": value for k, value in enumerate(variables)})
                file.flush()
                os.fsync(file.fileno())
            files.write_json(aside / "state.json", about | {"step": step})
            if not self._state(step).exists():  # a step has one state only
                aside.rename(self._state(step))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for path in self.checkpoints.iterdir():
            if path.name not in {self._state(k).name for k in keep | {step}}:
                shutil.rmtree(path, ignore_errors=True)

    def saved_steps(self) -> list[int]:
        """The steps of all saved training states, rising."""
        return sorted(int(path.name.removeprefix("step-")) for path in self.checkpoints.glob("step-*"))

    def load_state(self, step: int | None = None) -> tuple[list[np.ndarray], dict] | None:
        """The state saved at `step`, or the newest; None when there is none."""
        if step is None:
            saved = self.saved_steps()
            if not saved:
                return None
            step = saved[-1]
        folder = self._state(step)
        with np.load(folder / "variables.npz", allow_pickle=False) as arrays:
            variables = [arrays[name] for name in sorted(arrays.files)]
        return variables, json.loads((folder / "state.json").read_text(encoding="utf-8"))

    def _state(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:09d}"


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
