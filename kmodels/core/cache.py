"""Simulated data on disk: made once for each recipe, checked when read, safe for processes that run at once."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kmodels.core import files
from kmodels.core.errors import UserError

MANIFEST = "manifest.json"
LEFTOVER_AGE = 24 * 3600.0  # seconds after which an unfinished folder is nobody's


def root() -> Path:
    """Where simulated data is kept: KMODELS_CACHE, else ~/.cache/kmodels."""
    return Path(os.environ.get("KMODELS_CACHE") or Path.home() / ".cache" / "kmodels").expanduser()


def simulated(task, recipe, report: Callable[[int, int], None], say: Callable[[str], None]) -> Path:
    """The folder with this recipe's simulated data, made now if it is not there whole.

    The key is a hash of what the data depends on: the model, its simulator's version, `data` and the seed.
    """
    key = {
        "task": task.name,
        "simulation": task.simulation,
        "seed": recipe.seed,
        "data": recipe.data.model_dump(mode="json"),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = root() / task.name / name
    if is_whole(folder):
        return folder
    if folder.exists():
        say(f"simulated data in {folder} is damaged or cut short: made again")
    make(folder, lambda aside: task.simulate(recipe, aside, report))
    return folder


def is_whole(folder: Path) -> bool:
    """Whether every file that the manifest names is there with its size."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text())["bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def make(folder: Path, fill: Callable[[Path], object]):
    """Fill a folder aside and rename it into place; who comes second keeps the first one's. Returns fill's answer."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder.parent)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".aside-"))
    try:
        with files.naming(folder):
            answer = fill(aside)
        sizes = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
        files.write_json(aside / MANIFEST, {"bytes": sizes})
        _put_in_place(aside, folder)
        return answer
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename `aside` to `folder` unless a whole one stands there; a damaged one is moved out of the way first."""
    for attempt in range(3):
        try:
            aside.rename(folder)
            return
        except OSError:
            if is_whole(folder):
                return
            if attempt == 2:
                raise
        damaged = folder.with_name(f".aside-damaged-{os.getpid()}-{attempt}")
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)


def _remove_leftovers(parent: Path) -> None:
    """Remove unfinished folders that crashed processes left behind long ago."""
    for path in parent.glob(".aside-*"):
        if time.time() - path.stat().st_mtime > LEFTOVER_AGE:
            shutil.rmtree(path, ignore_errors=True)


def data_files(path: str | Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The data files that a path names: the file itself, or what a folder holds that ends in one of these, sorted.

    Raises UserError when there is none.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    found = sorted(p for p in path.iterdir() if p.name.lower().endswith(suffixes) and not p.name.startswith("."))
    if not found:
        raise UserError(f"{path}: no file here ends in {' or '.join(suffixes)}")
    return found
