"""BatVision's files -> EchoPairs. Bad input is refused by CSV, row, file, value and rule."""

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.runs import cache
from kmodels.core.spec.errors import UserError
from kmodels.echo.data.batvision import Pair, read_depth, read_recording, read_table, recordings
from kmodels.echo.data.prepare import recording_length, resize, resize_depth, spectrogram
from kmodels.echo.data.records import EchoPairs

SUFFIXES = (".csv",)
PREPARATION = 1  # raise it when the same files give other arrays: cached ones are then made again


def load(path: str | Path, recipe, labels: bool = True) -> EchoPairs:
    """Load the pairs of a data set in either of BatVision's layouts.

    Every file is checked and prepared once; the arrays are kept in the cache and made again when a file changes.

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
    spectrograms = np.load(folder / "spectrogram.npy", mmap_mode="r")
    depths = np.load(folder / "depth.npy", mmap_mode="r") if seen else None
    return EchoPairs(tuple(pairs), np.arange(len(pairs)), spectrograms, depths, recipe.data.max_depth)


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
    stamps = [[str(file), *_stamp(pair, file)] for pair in pairs for file in _files(pair, seen)]
    data, moments = recipe.data, recipe.model.moments
    text = json.dumps([PREPARATION, data.image_size, moments, data.max_depth, stamps])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _files(pair: Pair, seen: bool) -> tuple[Path, ...]:
    return (*pair.audio, pair.depth) if seen else pair.audio


def _stamp(pair: Pair, file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        raise pair.refuse(file, "no such file") from None
    return status.st_size, status.st_mtime_ns


def _prepare(pairs: list[Pair], recipe, seen: bool, folder: Path, report) -> None:
    """Check every file and write the arrays, a pair at a time."""
    data, count = recipe.data, len(pairs)
    size, samples = data.image_size, recording_length(data.max_depth)
    spectrogram_shape, depth_shape = (count, size, size * recipe.model.moments, 2), (count, size, size)
    with contextlib.ExitStack() as written:
        add_spectrogram = written.enter_context(files.rows_on_disk(folder / "spectrogram.npy", spectrogram_shape))
        add_depth = written.enter_context(files.rows_on_disk(folder / "depth.npy", depth_shape)) if seen else None
        for k, pair in enumerate(pairs):
            add_spectrogram(resize(spectrogram(read_recording(pair, samples)), *spectrogram_shape[1:3]))
            if seen:
                depth = resize_depth(read_depth(pair), size, data.max_depth)
                if not depth.any():
                    raise pair.refuse(pair.depth, f"too few known depths: none is left at {size} x {size}")
                add_depth(depth)
            report(k + 1, count)
