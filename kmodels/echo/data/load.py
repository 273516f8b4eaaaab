"""BatVision's files -> EchoPairs. Bad input is refused by CSV, row, file, value and rule."""

import contextlib
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import files, parallel
from kmodels.core.runs import cache
from kmodels.core.spec.errors import UserError
from kmodels.echo.data import range_azimuth
from kmodels.echo.data.batvision import EmptyFileError, Pair, read_depth, read_table, recordings
from kmodels.echo.data.prepare import recording_length, resize, resize_depth, spectrogram
from kmodels.echo.data.recording import read_recording
from kmodels.echo.data.records import EchoPairs

SUFFIXES = (".csv",)
FACTS = "facts.json"  # what preparing found: pairs without content, what was changed, the farthest depth
UNKNOWN = float(np.finfo("float32").max)  # m: the nearest depth where there is none
WORTH_WORKERS = 500  # pairs: worker processes take seconds to start
CLOSE = 1.2  # m: no room is so small that nothing in it is farther away
PREPARATION = 3  # raise it when the same files give other arrays: cached ones are then made again


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
        Its data section, `model.front_end` and `model.moments` say how files are prepared.
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
    heard = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _layout(recipe)}
    depths = np.load(folder / "depth.npy", mmap_mode="r") if seen else None
    return EchoPairs(tuple(pairs), rows, heard, depths, recipe.data.image_size, recipe.data.max_depth)


def _rows(path: Path, count: int, facts: dict, labels: bool) -> np.ndarray:
    """List the pairs that are not left out, (n,), and tell what else was found; depth counts where it is learned."""
    empty = facts["depth"] | facts["sound"] if labels else facts["sound"]
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
    data, shapes = recipe.data, _layout(recipe)
    chirp = [data.chirp, data.chirp_ms, data.view[0]] if recipe.model.front_end != "spectrogram" else None
    text = json.dumps([PREPARATION, shapes, data.image_size, data.max_depth, data.resample, chirp, stamps])
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


def _layout(recipe) -> dict[str, tuple[tuple[int, ...], str]]:
    """Say what is kept of a recording: {name: (shape, dtype)}."""
    size, ranges = recipe.data.image_size, range_azimuth.n_ranges(recording_length(recipe.data.max_depth))
    correlation = (ranges, range_azimuth.DIRECTIONS, len(range_azimuth.BANDS)), "int8"
    profile = (ranges, range_azimuth.PROFILES), "float16"
    return {
        "spectrogram": {"spectrogram": ((size, size * recipe.model.moments, 2), "float32")},
        "range": {"profile": profile},
        "range_azimuth": {"correlation": correlation, "profile": profile},
    }[recipe.model.front_end]


def _prepare(pairs: list[Pair], recipe, seen: bool, folder: Path, report) -> None:
    """Check every file and write the arrays, a pair at a time, and the facts."""
    count, layout = len(pairs), _layout(recipe)
    if seen:
        layout |= {"depth": ((recipe.data.image_size,) * 2, "float32")}
    empty = {"sound": {}, "depth": {}}
    counts, nearest, farthest = Counter(), UNKNOWN, 0.0
    made = parallel.run_here(_prepared, ((pair, recipe, seen) for pair in pairs), count > WORTH_WORKERS)
    with contextlib.ExitStack() as written:
        add = {
            name: written.enter_context(files.rows_on_disk(folder / f"{name}.npy", (count, *shape), dtype))
            for name, (shape, dtype) in layout.items()
        }
        for k, one in enumerate(made):
            for name, (shape, _) in layout.items():
                add[name](one.arrays.get(name, np.zeros(shape)))
            for part, why in one.empty.items():
                empty[part][str(k)] = why
            counts.update(one.counts)
            nearest, farthest = min(nearest, one.nearest), max(farthest, one.farthest)
            report(k + 1, count)
    files.write_json(folder / FACTS, empty | {"counts": counts, "nearest": nearest, "farthest": farthest})


@dataclass
class _Prepared:
    """A pair's arrays, and what was found: why it is without sound or depth, what was changed, its depths [m]."""

    arrays: dict[str, np.ndarray]
    empty: dict[str, str]
    counts: Counter
    nearest: float = UNKNOWN
    farthest: float = 0.0


def _prepared(pair: Pair, recipe, seen: bool) -> _Prepared:
    """Read a pair's files and prepare them."""
    one = _Prepared({}, {}, Counter())
    try:
        one.arrays |= _sound(pair, recipe, one.counts)
    except EmptyFileError as error:
        one.empty["sound"] = str(error)
    if seen:
        try:
            one.arrays["depth"] = _depth(pair, recipe, one)
        except EmptyFileError as error:
            one.empty["depth"] = str(error)
    return one


def _sound(pair: Pair, recipe, counts: Counter) -> dict[str, np.ndarray]:
    """Make what the recipe's front end makes of a recording."""
    data, model = recipe.data, recipe.model
    recording = read_recording(pair, recording_length(data.max_depth), data.resample, counts)
    if model.front_end == "spectrogram":
        return {"spectrogram": resize(spectrogram(recording), data.image_size, data.image_size * model.moments)}
    correlation, profile = range_azimuth.hear(recording, data)
    if model.front_end == "range":
        return {"profile": profile}
    return {"correlation": np.rint(127 * correlation), "profile": profile}


def _depth(pair: Pair, recipe, one: _Prepared) -> np.ndarray:
    """Make the depth image, and note the nearest and the farthest depth as they are stored."""
    size, depth = recipe.data.image_size, read_depth(pair, one.counts)
    one.nearest, one.farthest = float(depth[depth > 0].min()), float(depth.max())
    image = resize_depth(depth, size, recipe.data.max_depth)
    if not image.any():
        raise pair.refuse(pair.depth, f"too few known depths: none is left at {size} x {size}", EmptyFileError)
    return image
