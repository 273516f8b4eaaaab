"""BatVision's two layouts on disk.

V2: `<location>/{train,val,test}.csv` with `depth path`, `depth file name`, `audio path` and `audio file name`, paths
relative to the folder of locations; stereo WAV at 44.1 kHz; depth as NumPy arrays [mm], 0 = unknown.
V1: `{train,val,test}.csv` with `depth path`, `audio path left` and `audio path right`, paths relative to their
folder; a NumPy array for each ear, at 44.1 kHz; depth as in V2, NaN and infinity = unknown.
Further columns are ignored. https://github.com/AmandineBtto/Batvision-Dataset
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from kmodels.core.io import files
from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError

SAMPLE_RATE = 44_100  # Hz
PARTS = ("train", "val", "test")
V2_AUDIO = ("audio path", "audio file name")
V2_DEPTH = ("depth path", "depth file name")
V1_AUDIO = ("audio path left", "audio path right")
V1_DEPTH = ("depth path",)
MILLIMETRES = 1000.0


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
        The folder of the CSV, or in V1, whose one CSV has all, the folder of the audio.
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

    def refuse(self, path: Path, rule: str) -> UserError:
        """Return the error that names CSV, row and file."""
        return UserError(f"{self.place(path)}: {rule}")

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
    with files.reading(table, "CSV"):
        rows = pd.read_csv(table, dtype=str)
    v1 = V1_AUDIO[0] in rows
    audio, depth = (V1_AUDIO, V1_DEPTH) if v1 else (V2_AUDIO, V2_DEPTH)
    with_depth = labels or all(name in rows for name in depth)
    wanted = [*audio, *(depth if with_depth else ())]
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise UserError(f"{table}: no column {missing[0]!r}; found {', '.join(map(repr, rows.columns))}")
    for name in wanted:
        empty = rows[name].isna()
        if empty.any():
            raise UserError(f"{table}: row {int(empty.argmax()) + 1}: {name}: empty; expected the name of a file")
        null = rows[name].str.contains("\0", regex=False)
        if null.any():
            raise UserError(f"{table}: row {int(null.argmax()) + 1}: {name}: a zero byte, which no file's name has")
    return [_pair(table, k, row, v1, with_depth) for k, row in enumerate(rows.to_dict("records"), 1)]


def _pair(table: Path, number: int, row: dict, v1: bool, with_depth: bool) -> Pair:
    part = table.stem if table.stem in PARTS else ""
    if v1:
        root = table.parent
        audio = tuple(root / row[name] for name in V1_AUDIO)
        return Pair(table, number, part, audio[0].parent.name, audio, root / row["depth path"] if with_depth else None)
    root = table.parent.parent
    wav, depth = (
        root / row[path] / row[name] if with_depth or path in V2_AUDIO else None for path, name in (V2_AUDIO, V2_DEPTH)
    )
    return Pair(table, number, part, table.parent.name, (wav,), depth)


def recordings(path: Path) -> list[Pair]:
    """List a WAV, or those in a folder, as pairs without depth, for files that no CSV names; [] where there is none."""
    inside = sorted(p for p in path.iterdir() if not p.name.startswith(".")) if path.is_dir() else [path]
    wavs = [p.absolute() for p in inside if p.suffix.lower() == ".wav"]
    return [Pair(wav.parent, k, "", wav.parent.name, (wav,), None) for k, wav in enumerate(wavs, 1)]


def read_recording(pair: Pair, samples: int) -> np.ndarray:
    """Read the first `samples` of both ears.

    Returns
    -------
    array
        (samples, 2) float32, left and right, in parts of full scale.

    Raises
    ------
    UserError
        For a file that is missing or broken, of another rate, with other than two channels, too short, with NaN, or
        with a constant channel.
    """
    if len(pair.audio) == 1:
        recording = _read_wav(pair, samples)
    else:
        ears = [_read_ear(pair, path, samples) for path in pair.audio]
        recording = np.stack(ears, axis=1)
    for ear, name in enumerate(("left", "right")):
        path = pair.audio[ear % len(pair.audio)]
        channel = recording[:, ear]
        if not np.isfinite(channel).all():
            k = int(np.argmin(np.isfinite(channel)))
            raise pair.refuse(path, f"{name} ear, sample {k} = {channel[k]}; expected a number")
        if np.ptp(channel) == 0:
            raise pair.refuse(path, f"{name} ear: every sample is {channel[0]:g}; nothing was recorded")
    return recording


def _read_wav(pair: Pair, samples: int) -> np.ndarray:
    (path,) = pair.audio
    if not path.is_file():
        raise pair.refuse(path, "no such file")
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate != SAMPLE_RATE:
                raise pair.refuse(path, f"{file.samplerate} samples a second; expected {SAMPLE_RATE}")
            if file.channels != 2:
                raise pair.refuse(path, f"{file.channels} channels; expected 2, left and right")
            recording = file.read(samples, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise pair.refuse(path, f"cannot be read as audio: {str(error).strip().splitlines()[-1]}") from None
    return _long_enough(pair, path, recording, samples)


def _read_ear(pair: Pair, path: Path, samples: int) -> np.ndarray:
    recording = _read_array(pair, path)
    if recording.ndim != 1:
        raise pair.refuse(path, f"shape {recording.shape}; expected (samples,)")
    return _long_enough(pair, path, recording, samples)[:samples].astype("float32")


def _long_enough(pair: Pair, path: Path, recording: np.ndarray, samples: int) -> np.ndarray:
    if len(recording) < samples:
        raise pair.refuse(path, f"{len(recording)} samples; data.max_depth needs {samples}, the time of its echo")
    return recording


def read_depth(pair: Pair) -> np.ndarray:
    """Read depth as it is stored.

    Returns
    -------
    array
        (height, width) float32 [m], 0 = unknown.

    Raises
    ------
    UserError
        For a file that is missing or broken, for negative values, in V2 for NaN and infinity, and where all depths
        are unknown.
    """
    path = pair.depth
    depth = _read_array(pair, path)
    if depth.ndim != 2:
        raise pair.refuse(path, f"shape {depth.shape}; expected (height, width)")
    depth = depth.astype("float32") / np.float32(MILLIMETRES)
    v1 = len(pair.audio) == 2
    bad = depth < 0 if v1 else ~(np.isfinite(depth) & (depth >= 0))
    bad &= ~np.isneginf(depth) if v1 else True
    refuse_values(pair.place(path), "depth", bad, depth * MILLIMETRES, "expected a number, 0 or more", unit="mm")
    depth = np.where(np.isfinite(depth), depth, np.float32(0))
    if not depth.any():
        raise pair.refuse(path, "every depth is 0; that means unknown")
    return depth


def _read_array(pair: Pair, path: Path) -> np.ndarray:
    if not path.is_file():
        raise pair.refuse(path, "no such file")
    return files.read_array(path, pair.place(path))
