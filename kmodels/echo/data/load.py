"""BatVision's files -> EchoPairs. Bad input is refused by CSV, row, file, value and rule."""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.runs import cache
from kmodels.core.spec.errors import UserError
from kmodels.echo.data.batvision import EmptyFileError, Pair, read_depth, read_table, recordings
from kmodels.echo.data.prepare import recording_length, resize, resize_depth, spectrogram
from kmodels.echo.data.recording import read_recording
from kmodels.echo.data.records import EchoPairs

SUFFIXES = (".csv",)
FACTS = "facts.json"  # what preparing found: pairs without content, what was changed, the farthest depth
UNKNOWN = float(np.finfo("float32").max)  # m: the nearest depth where there is none
CLOSE = 1.2  # m: no room is so small that nothing in it is farther away
PREPARATION = 2  # raise it when the same files give other arrays: cached ones are then made again


def load(path: str | Path, recipe, labels: bool = True) -> EchoPairs:
    """Load the pairs of a data set in either of BatVision's layouts.

    Every file is checked and prepared once; the arrays are kept in the cache and made again when a file changes. Pairs
    whose recording is silent or constant, or without known depth, are left out; a notice says how many, and what else
    was changed.

    Parameters
    ----------
    path : str or Path
        The data set's folder, the folder of a location, or one CSV; without labels also a WAV, or a folder of them.
    recipe : EchoRecipe
        Its data section and `model.moments` say how files are prepared.
    labels : bool
        Whether depth must be there.

    Raises
    ------
    UserError
        With CSV, row, file, value and what is allowed.
    """
    path = Path(path).expanduser()
    pairs = _pairs(path, labels)
    seen = all(pair.depth is not None for pair in pairs)
    folder = cache.root() / "echo" / f"prepared-{_key(pairs, recipe, seen)}"
    if not cache.is_complete(folder):
        with console.progress("preparing") as bar:
            cache.make(folder, lambda aside: _prepare(pairs, recipe, seen, aside, bar))
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    rows = _rows(path, len(pairs), facts, labels)
    if labels:
        _refuse_scale(path, facts, recipe.data.max_depth)
    spectrograms = np.load(folder / "spectrogram.npy", mmap_mode="r")
    depths = np.load(folder / "depth.npy", mmap_mode="r") if seen else None
    return EchoPairs(tuple(pairs), rows, spectrograms, depths, recipe.data.max_depth)


def _rows(path: Path, count: int, facts: dict, labels: bool) -> np.ndarray:
    """List the pairs that are not left out, (n,), and tell what else was found; depth counts where it is learned."""
    empty = facts["depth"] | facts["spectrogram"] if labels else facts["spectrogram"]
    changed = [f"{what}: {number}" for what, number in facts["counts"].items() if number]
    if len(empty) == count:
        others = f"; all {count} pairs are silent, constant or without known depth" if count > 1 else ""
        raise UserError(next(iter(empty.values())) + others)
    if empty:
        changed.append(f"pairs left out: {len(empty)} of {count}, the first for {next(iter(empty.values()))}")
    if changed:
        console.notice(f"{path}: {'; '.join(changed)}")
    return np.array([k for k in range(count) if str(k) not in empty])


def _refuse_scale(path: Path, facts: dict, max_depth: float) -> None:
    """Refuse depths that are all too near, or all beyond max_depth [m], for they are in another unit."""
    nearest, farthest = facts["nearest"], facts["farthest"]
    if farthest <= min(CLOSE, max_depth / 10):
        said = f"the farthest depth of all is {farthest:.3g} m, and data.max_depth {max_depth:g} m"
        after = "multiply by 10; where they are right, lower data.max_depth"
        raise UserError(f"{path}: {said}; are these centimetres? BatVision's are millimetres: {after}")
    if nearest > max_depth:
        said = f"the nearest depth of all is {nearest:.6g} m, and data.max_depth {max_depth:g} m"
        after = "divide them; where they are right, raise data.max_depth"
        raise UserError(f"{path}: {said}; are these 0.1 mm or micrometres? BatVision's are millimetres: {after}")


def _pairs(path: Path, labels: bool) -> list[Pair]:
    """List what the path names: recordings, or the rows of CSVs."""
    if path.exists() and (path.suffix.lower() == ".wav" or (path.is_dir() and not any(path.glob("*.csv")))):
        found = recordings(path)
        if found and labels:
            raise UserError(f"{path}: recordings without depth; name the CSV that has both")
        if found:
            return found
    pairs = [pair for table in cache.data_files(path, SUFFIXES) for pair in read_table(table.absolute(), labels)]
    if not pairs:
        raise UserError(f"{path}: its CSVs name no pair")
    return pairs


def _key(pairs: list[Pair], recipe, seen: bool) -> str:
    """Hash what the arrays depend on: sizes and times of the files, and how they are prepared."""
    stamps = [[str(pair.table), pair.row, *_stamps(pair, seen)] for pair in pairs]
    data, moments = recipe.data, recipe.model.moments
    text = json.dumps([PREPARATION, data.image_size, moments, data.max_depth, data.resample, stamps])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stamps(pair: Pair, seen: bool) -> list[tuple[str, int, int]]:
    """List path, size and time of a pair's files."""
    found = []
    for file in pair.files if seen else pair.audio:
        try:
            status = file.stat()
        except OSError:
            raise pair.refuse(file, "no such file") from None
        found.append((str(file), status.st_size, status.st_mtime_ns))
    return found


def _prepare(pairs: list[Pair], recipe, seen: bool, folder: Path, report) -> None:
    """Check every file and write the arrays, a pair at a time, and the facts."""
    size, count = recipe.data.image_size, len(pairs)
    facts = {"counts": Counter(), "spectrogram": {}, "depth": {}, "nearest": UNKNOWN, "farthest": 0.0}
    shape, depth_shape = (count, size, size * recipe.model.moments, 2), (count, size, size)
    with contextlib.ExitStack() as written:
        add_spectrogram = written.enter_context(files.rows_on_disk(folder / "spectrogram.npy", shape))
        add_depth = written.enter_context(files.rows_on_disk(folder / "depth.npy", depth_shape)) if seen else None
        for k, pair in enumerate(pairs):
            with _zeros_if_empty(facts["spectrogram"], k, add_spectrogram, shape[1:]) as add:
                add(_spectrogram(pair, recipe, facts))
            if seen:
                with _zeros_if_empty(facts["depth"], k, add_depth, depth_shape[1:]) as add:
                    add(_depth(pair, recipe, facts))
            report(k + 1, count)
    files.write_json(folder / FACTS, facts)


@contextlib.contextmanager
def _zeros_if_empty(empty: dict, k: int, append: Callable, shape: tuple) -> Iterator[Callable]:
    """Give what appends an array; where the file is without content, note it and append zeros."""
    try:
        yield append
    except EmptyFileError as error:
        empty[str(k)] = str(error)
        append(np.zeros(shape))


def _spectrogram(pair: Pair, recipe, facts: dict) -> np.ndarray:
    data = recipe.data
    recording = read_recording(pair, recording_length(data.max_depth), data.resample, facts["counts"])
    return resize(spectrogram(recording), data.image_size, data.image_size * recipe.model.moments)


def _depth(pair: Pair, recipe, facts: dict) -> np.ndarray:
    """Make the depth image, and note the nearest and the farthest depth as they are stored."""
    size, depth = recipe.data.image_size, read_depth(pair, facts["counts"])
    facts["nearest"] = min(facts["nearest"], float(depth[depth > 0].min()))
    facts["farthest"] = max(facts["farthest"], float(depth.max()))
    image = resize_depth(depth, size, recipe.data.max_depth)
    if not image.any():
        raise pair.refuse(pair.depth, f"too few known depths: none is left at {size} x {size}", EmptyFileError)
    return image
