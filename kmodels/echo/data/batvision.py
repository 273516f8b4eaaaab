"""BatVision's two layouts on disk.

V2: `<location>/{train,val,test}.csv` with `depth path`, `depth file name`, `audio path` and `audio file name`, paths
relative to the folder of locations; stereo WAV at 44.1 kHz; depth as NumPy arrays [mm], 0 = unknown.
V1: `{train,val,test}.csv` with `depth path`, `audio path left` and `audio path right`, paths relative to their
folder; a NumPy array for each ear, at 44.1 kHz; depth as in V2, NaN, infinity and what is below 0 = unknown.
Further columns are ignored. https://github.com/AmandineBtto/Batvision-Dataset
"""

import contextlib
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from kmodels.core.io import files, system
from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError

SAMPLE_RATE = 44_100  # Hz
PARTS = ("train", "val", "test")
V2_AUDIO = ("audio path", "audio file name")
V2_DEPTH = ("depth path", "depth file name")
V1_AUDIO = ("audio path left", "audio path right")
V1_DEPTH = ("depth path",)
MILLIMETRES = 1000.0
NEAREST = 0.065  # m: no camera sees so near; where all depths are nearer, they are metres, of up to 65
BELOW_ZERO = "depth images with values below 0, which are unknown"
# A date in a folder's path: 2019-11-07, 20191107, 20191107_1530, 2019/11/07, 7.11.2019.
DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d(?P<gap>[-_./ ])(?:0?[1-9]|1[0-2])(?P=gap)(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?=(?:\d{4}|\d{6})?(?!\d))"
    r"|\d\d?(?P<sep>[-_. ])\d\d?(?P=sep)(?:19|20)\d\d(?!\d))"
)


class EmptyFileError(UserError):
    """A file is whole but without content, a silent or constant recording or no known depth: its pair is left out."""


@dataclass(frozen=True)
class Pair:
    """One row of a CSV.

    Parameters
    ----------
    table : Path
        The CSV; of a recording that no CSV names, its folder.
    row : int
        Its number, 1 for the first after the header; of a recording that no CSV names, its place in the folder.
    part : str
        "train", "val" or "test"; "" for a CSV of another name.
    location : str
        What is learned there is not tested there: the CSV's folder; in V1, whose one CSV has all, the day.
    audio : tuple of Path
        One WAV, or the two ears' arrays.
    depth : Path, optional
        None where the CSV names none.
    """

    table: Path
    row: int
    part: str
    location: str
    audio: tuple[Path, ...]
    depth: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """List the recording and, where it has one, the depth."""
        return self.audio if self.depth is None else (*self.audio, self.depth)

    def refuse(self, path: Path, rule: str, kind: type[UserError] = UserError) -> UserError:
        """Return the error that names CSV, row and file."""
        return kind(f"{self.place(path)}: {rule}")

    def place(self, path: Path) -> str:
        """CSV, row and file."""
        return f"{self.table}: row {self.row}: {path}"


def write_pair(folder: Path, location: str, number: int, recording, depth) -> dict[str, str]:
    """Write one pair as BatVision V2 does.

    Parameters
    ----------
    folder : Path
        Of the locations.
    location : str
        The room: a folder in it.
    number : int
        Of the pair in its room.
    recording : array
        (samples, 2), left and right ear, in parts of full scale, 44.1 kHz.
    depth : array
        (height, width) [m], 0 = unknown.

    Returns
    -------
    dict of str to str
        The pair's row in the location's CSV; see `write_tables`.
    """
    name = f"{number:05d}"
    row = dict(zip(V2_AUDIO, (f"{location}/audio", f"audio_{name}.wav"), strict=True))
    row |= dict(zip(V2_DEPTH, (f"{location}/depth", f"depth_{name}.npy"), strict=True))
    for column in ("audio path", "depth path"):
        (folder / row[column]).mkdir(parents=True, exist_ok=True)
    wav, array = (folder / row[path] / row[name] for path, name in (V2_AUDIO, V2_DEPTH))
    # In memory first: what writes to disk by itself does not say why it failed.
    wav_bytes = io.BytesIO()
    soundfile.write(wav_bytes, recording, SAMPLE_RATE, format="WAV", subtype="PCM_32")
    wav.write_bytes(wav_bytes.getvalue())
    seen = np.rint(np.minimum(depth * MILLIMETRES, np.iinfo(np.uint16).max)).astype(np.uint16)
    array.write_bytes(files.array_bytes(seen))
    return row


def write_tables(folder: Path, location: str, part: str, rows: list[dict]) -> None:
    """Write a location's three CSVs, all rows into the part's, which comes last and whole or not at all."""
    columns = [*V2_DEPTH, *V2_AUDIO]
    for name in PARTS:
        if name != part:
            pd.DataFrame(columns=columns).to_csv(folder / location / f"{name}.csv", index=False)
    files.write_table(folder / location / f"{part}.csv", pd.DataFrame(rows, columns=columns))


def read_table(table: Path, labels: bool) -> list[Pair]:
    """Read the pairs of a CSV; their files are not opened.

    Columns stand apart by commas, semicolons or tabs; blanks around a cell count for nothing.

    Parameters
    ----------
    table : Path
        The CSV, of V2 or V1.
    labels : bool
        Whether depth must be there.

    Raises
    ------
    UserError
        By file, row and column.
    """
    rows = _cells(table)
    v1 = V1_AUDIO[0] in rows
    audio, depth = (V1_AUDIO, V1_DEPTH) if v1 else (V2_AUDIO, V2_DEPTH)
    with_depth = labels or all(name in rows for name in depth)
    wanted = [*audio, *(depth if with_depth else ())]
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise UserError(f"{table}: no column {missing[0]!r}; found {', '.join(map(repr, rows.columns))}")
    for name in wanted:
        empty = rows[name].isna() | (rows[name].str.strip() == "")
        if empty.any():
            raise UserError(f"{table}: row {int(empty.argmax()) + 1}: {name}: empty; expected the name of a file")
        null = rows[name].str.contains("\0", regex=False)
        if null.any():
            raise UserError(f"{table}: row {int(null.argmax()) + 1}: {name}: a zero byte, which no file's name has")
    return [_pair(table, k, row, v1, with_depth) for k, row in enumerate(rows.to_dict("records"), 1)]


def _cells(table: Path) -> pd.DataFrame:
    """Read a CSV as text, under names of columns without blanks."""
    with files.reading(table, "CSV"):
        rows = pd.read_csv(table, dtype=str)
        for separator in (";", "\t"):
            if len(rows.columns) == 1 and separator in rows.columns[0]:
                rows = pd.read_csv(table, dtype=str, sep=separator)
        return rows.rename(columns=str.strip)


def _pair(table: Path, number: int, row: dict, v1: bool, with_depth: bool) -> Pair:
    part = table.stem if table.stem in PARTS else ""
    if v1:
        root = table.parent
        audio = tuple(_file(root, row[name]) for name in V1_AUDIO)
        depth = _file(root, row["depth path"]) if with_depth else None
        return Pair(table, number, part, _day(root, *audio, *([depth] if with_depth else [])), audio, depth)
    root = table.parent.parent
    wav, depth = (
        _file(root, row[path], row[name]) if with_depth or path in V2_AUDIO else None
        for path, name in (V2_AUDIO, V2_DEPTH)
    )
    return Pair(table, number, part, table.parent.name, (wav,), depth)


def _file(root: Path, *words: str) -> Path:
    """Find the file that cells of a CSV name: as they are, else from `root`, without blanks around and backslashes."""
    words = tuple(map(system.name_of, words))
    plain = root.joinpath(*words)
    with contextlib.suppress(OSError):  # a name that is too long
        if plain.is_file():
            return plain
    return root.joinpath(*(word.strip().replace("\\", "/").lstrip("/") for word in words))


def _day(root: Path, left: Path, *others: Path) -> str:
    """Name what V1's pairs are grouped by: the day in the folder's path, else the folders that ears and depth share."""
    inside, *others = (_below(root, path).parent.parts for path in (left, *others))
    if date := DATE.search("/".join(inside)):
        return date[0].replace("/", "-")
    shared = [part for part in inside if part != ".." and all(part in other for other in others)]
    return "/".join(shared) or root.name or "pairs"


def _below(root: Path, path: Path) -> Path:
    return path.relative_to(root if path.is_relative_to(root) else path.anchor)


def recordings(path: Path) -> list[Pair]:
    """List a WAV, or those in a folder, as pairs without depth, for files that no CSV names; [] where there is none."""
    inside = sorted(p for p in path.iterdir() if not p.name.startswith(".")) if path.is_dir() else [path]
    wavs = [p.absolute() for p in inside if p.suffix.lower() == ".wav"]
    return [Pair(wav.parent, k, "", wav.parent.name, (wav,), None) for k, wav in enumerate(wavs, 1)]


def read_depth(pair: Pair, counts: Counter | None = None) -> np.ndarray:
    """Read depth as it is stored.

    Parameters
    ----------
    pair : Pair
        With a depth.
    counts : Counter, optional
        Counts what was taken as something else, by a phrase.

    Returns
    -------
    array
        (height, width) float32 [m], 0 = unknown.

    Raises
    ------
    EmptyFileError
        Where all depths are unknown.
    UserError
        For a file that is missing or broken, in V2 for NaN, infinity and negative values, and for metres.
    """
    path = pair.depth
    stored = read_array(pair, path)
    if stored.ndim != 2:
        raise pair.refuse(path, f"shape {stored.shape}; expected (height, width)")
    with np.errstate(over="ignore", invalid="ignore"):  # what single precision does not hold is infinite
        depth = stored.astype("float32") / np.float32(MILLIMETRES)
    if len(pair.audio) == 2:
        below = np.isfinite(depth) & (depth < 0)
        if below.any() and counts is not None:
            counts[BELOW_ZERO] += 1
        depth = np.where(below, np.float32(0), depth)
    else:
        bad = ~(np.isfinite(depth) & (depth >= 0))
        refuse_values(pair.place(path), "depth", bad, depth * MILLIMETRES, "expected a number, 0 or more", unit="mm")
    depth = np.where(np.isfinite(depth), depth, np.float32(0))
    if not depth.any():
        raise pair.refuse(path, "every depth is 0; that means unknown", EmptyFileError)
    if depth.max() < NEAREST:
        farthest = f"the farthest depth is {depth.max() * MILLIMETRES:.3g} mm"
        raise pair.refuse(path, f"{farthest}; are these metres? BatVision's are millimetres: multiply by 1000")
    return depth


def read_array(pair: Pair, path: Path) -> np.ndarray:
    """Read an array of numbers that a pair names; an error names CSV and row."""
    if not path.is_file():
        raise pair.refuse(path, "no such file")
    return files.read_array(path, pair.place(path))
