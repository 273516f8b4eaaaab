"""Simulated data on disk: made once for each recipe, checked when read, safe for processes that run at once."""

import contextlib
import glob
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmodels.core.io import files, system
from kmodels.core.spec.errors import Lost, UserError
from kmodels.core.spec.recipe import Recipe

MANIFEST = "manifest.json"
NOBODY = 0  # the process of a folder that was left to whoever comes next
LEFTOVER_AGE = 24 * 3600.0  # seconds after which an unfinished folder is nobody's


def root() -> Path:
    """Find where simulated data is kept, see `system.data_folder`."""
    return system.data_folder()


def get_or_simulate(task: Any, recipe: Recipe, report: Callable[[int, int], None], say: Callable[[str], None]) -> Path:
    """Find the folder with a recipe's simulated data; simulate it now if it is not there whole.

    The key is a hash of what the data depends on: the model, its simulator's version, `data` and the seed.

    Parameters
    ----------
    task : Task
        Whose simulator is used.
    recipe : Recipe
        Its `data` section and its seed count.
    report : callable
        ``report(done, total)`` shows how far it is.
    say : callable
        ``say(text)`` tells of damaged data.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    UserError
        Where the cache has no room or may not be written.
    """
    key = {
        "task": task.name,
        "simulation": task.simulation,
        "seed": recipe.seed,
        "data": recipe.data.model_dump(mode="json"),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = root() / task.name / name
    if is_complete(folder):
        return folder
    if folder.exists():
        say(f"simulated data in {folder} is damaged or cut short: made again")
    make(folder, lambda aside: task.simulate(recipe, aside, report))
    return folder


def is_complete(folder: Path) -> bool:
    """Tell whether every file that the manifest of a folder names is there with its size."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text())["bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def make(folder: Path, fill: Callable[[Path], object], key: str = "") -> Any:
    """Fill a folder aside and rename it into place; who comes second keeps the first one's.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to make.
    fill : callable
        ``fill(aside)`` writes into a folder; where an earlier call for the same folder and key was interrupted or
        killed, into the one that it left.
    key : str
        What the content depends on, where the folder's name does not say it.

    Returns
    -------
    object
        What `fill` returns.

    Raises
    ------
    UserError
        Where the folder is to be in the cache, and that has no room or may not be written, and where a library that
        writes its files takes no name like the folder's.
    """
    try:
        return _made(folder, fill, key)
    except UnicodeEncodeError:
        hint = "choose another folder" if not folder.is_relative_to(root()) else "KMODELS_CACHE names another folder"
        raise UserError(f"{folder}: this name is no UTF-8, and Parquet's library takes no other; {hint}") from None
    except OSError as error:
        if None in (error.strerror, error.filename) or not _is_of(root(), folder, error.filename):
            raise
        hint = "KMODELS_CACHE names another folder for such data"
        raise UserError(f"{error.strerror}: {error.filename}; {hint}") from None


def _is_of(top: Path, folder: Path, place: str) -> bool:
    """Tell whether `place`, which could not be written, is `top`, in it or above it, and not a file that was read."""
    return folder.is_relative_to(top) and (Path(place).is_relative_to(top) or top.is_relative_to(place))


def _made(folder, fill, key):
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder.parent)
    aside = _aside(folder, key)
    try:
        with files.relabel_oserror(folder):
            answer = fill(aside)
        whole = (path for path in aside.rglob("*") if path.is_file() and not path.name.startswith(files.ASIDE))
        paths = sorted(whole)  # without what a killed process was writing
        sizes = {path.relative_to(aside).as_posix(): path.stat().st_size for path in paths}
        files.write_json(aside / MANIFEST, {"bytes": sizes})
        _put_in_place(aside, folder)
        return answer
    except (KeyboardInterrupt, Lost):
        aside.rename(_aside_name(folder, key, NOBODY))
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path, key: str) -> Path:
    """Find a folder to fill: the one that an interrupted call for the same folder and key left, else an empty one."""
    own = _aside_name(folder, key, os.getpid())
    for left in folder.parent.glob(glob.escape(_aside_name(folder, key, "").name) + "*"):
        process = left.name.split("-")[-2]
        if process == str(NOBODY) or files.is_gone(process):
            with contextlib.suppress(OSError):  # another process was faster
                return left.rename(own)
    own.mkdir()
    return own


def _aside_name(folder: Path, key: str, process: int | str) -> Path:
    """Name a folder after what is made and by whom; a name that ends in "-" is the beginning of all such names."""
    start = f"{files.ASIDE}{folder.name}-{key}-{platform.node()}-"
    return folder.with_name(start + (f"{process}-{os.urandom(4).hex()}" if process != "" else ""))


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename `aside` to `folder` unless a whole one stands there; a damaged one is moved out of the way first."""
    for attempt in range(3):
        try:
            aside.rename(folder)
            return
        except OSError:
            if is_complete(folder):
                return
            if attempt == 2:
                raise
        damaged = folder.with_name(f"{files.ASIDE}damaged-{os.getpid()}-{attempt}")
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)


def _remove_leftovers(parent: Path) -> None:
    """Remove unfinished folders that crashed processes left behind long ago."""
    for path in parent.glob(f"{files.ASIDE}*"):
        if time.time() - path.stat().st_mtime > LEFTOVER_AGE:
            shutil.rmtree(path, ignore_errors=True)


def data_files(path: str | Path, suffixes: tuple[str, ...]) -> list[Path]:
    """List the data files that a path names, sorted.

    Parameters
    ----------
    path : str or pathlib.Path
        A file, or a folder.
    suffixes : tuple of str
        What the names of data files end in, in lower case.

    Returns
    -------
    list of pathlib.Path
        The file itself, or what the folder holds; where it holds none, what the folders in it hold. Hidden ones are
        left out.

    Raises
    ------
    UserError
        When there is none.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    for pattern in ("*", "*/*"):
        found = sorted(p for p in path.glob(pattern) if p.name.lower().endswith(suffixes) and _is_shown(p, path))
        if found:
            return found
    raise UserError(f"{path}: no file here ends in {' or '.join(suffixes)}")


def _is_shown(file: Path, folder: Path) -> bool:
    """Tell whether neither the file nor a folder on the way to it is hidden."""
    return not any(name.startswith(".") for name in file.relative_to(folder).parts)
