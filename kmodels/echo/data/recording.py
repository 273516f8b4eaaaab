"""Recordings as they are on disk -> both ears at 44.1 kHz, in parts of full scale."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from kmodels.echo.data.batvision import SAMPLE_RATE, EmptyFileError, Pair, read_array

EARS = ("left ear", "right ear")
LOUDEST = 10.0  # times full scale: what is processed in floats may exceed it a little, integers do by thousands
INT16 = 2**15  # full scale
SHORT = 16  # samples: one column of the spectrogram, 6 cm of depth; so much may be missing at the end
SLOWEST, FASTEST = 8_000, 384_000  # samples a second that can be resampled
EDGE = 16  # samples at 44.1 kHz that the filter of resampling looks ahead, and some more
PADDED = f"recordings up to {SHORT} samples short, padded with zeros"
MONO = "mono recordings, taken for both ears"


def read_recording(pair: Pair, samples: int, resample: bool = False, counts: Counter | None = None) -> np.ndarray:
    """Read the first `samples` of both ears.

    Parameters
    ----------
    pair : Pair
        A WAV, or an array for each ear.
    samples : int
        At 44.1 kHz.
    resample : bool
        Whether a WAV of another rate is resampled, and a mono one taken for both ears.
    counts : Counter, optional
        Counts what was changed, by a phrase.

    Returns
    -------
    array
        (samples, 2) float32, left and right, in parts of full scale.

    Raises
    ------
    EmptyFileError
        Where a channel is constant.
    UserError
        For a file that is missing or broken, of another rate or with one channel without `resample`, with more than
        two channels, too short, with NaN, or far beyond full scale.
    """
    counts = Counter() if counts is None else counts
    if len(pair.audio) == 1:
        ears = _read_wav(pair, samples, resample, counts)
    else:
        ears = [_read_ear(pair, path, samples, name) for path, name in zip(pair.audio, EARS, strict=True)]
    counts[PADDED] += any(len(ear) < samples for ear in ears)
    return np.stack([np.pad(ear, (0, samples - len(ear))) for ear in ears], axis=1)


def _read_wav(pair: Pair, samples: int, resample: bool, counts: Counter) -> list[np.ndarray]:
    """Read both ears of a WAV, each (samples,) or a little shorter."""
    (path,) = pair.audio
    if not path.is_file():
        raise pair.refuse(path, "no such file")
    try:
        # Opened here: libsndfile takes no name that is not of the locale's encoding.
        with path.open("rb") as opened, soundfile.SoundFile(opened) as file:
            rate, channels = file.samplerate, file.channels
            _refuse_format(pair, path, rate, channels, resample)
            needed = math.ceil(samples * rate / SAMPLE_RATE)
            ahead = EDGE * math.ceil(rate / SAMPLE_RATE) if rate != SAMPLE_RATE else 0
            recording = file.read(needed + ahead, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).strip()
        raise pair.refuse(path, f"cannot be read as audio: {reason}") from None
    names = EARS if channels == 2 else ("the only channel",)
    ears = [_checked(pair, path, name, ear, needed) for name, ear in zip(names, recording.T, strict=True)]
    if rate != SAMPLE_RATE:
        counts[f"recordings resampled from {rate} to {SAMPLE_RATE} samples a second"] += 1
        ears = [_resampled(ear, rate) for ear in ears]
    counts[MONO] += channels == 1
    return [ear[:samples] for ear in ears] * (2 // channels)


def _refuse_format(pair: Pair, path: Path, rate: int, channels: int, resample: bool) -> None:
    """Refuse what is not stereo at 44.1 kHz, nor can be made so, where that was asked for."""
    how = "convert it, or train with --data.resample true"
    if channels not in (1, 2) or (channels == 1 and not resample):
        said = f"{channels} channel{'s' * (channels != 1)}; expected 2, left and right"
        raise pair.refuse(path, f"{said}; {how}, which takes it for both ears" if channels == 1 else said)
    if rate == SAMPLE_RATE:
        return
    if not resample:
        raise pair.refuse(path, f"{rate} samples a second; expected {SAMPLE_RATE}; {how}")
    if not SLOWEST <= rate <= FASTEST:
        raise pair.refuse(path, f"{rate} samples a second; {SLOWEST} to {FASTEST} can be resampled")


def _resampled(ear: np.ndarray, rate: int) -> np.ndarray:
    """Resample to 44.1 kHz by a polyphase filter, without aliases."""
    from scipy import signal  # takes half a second

    common = math.gcd(rate, SAMPLE_RATE)
    return signal.resample_poly(ear, SAMPLE_RATE // common, rate // common).astype("float32")


def _read_ear(pair: Pair, path: Path, samples: int, name: str) -> np.ndarray:
    """Read one ear of V1, (samples,) or a little shorter; int16 as WAVs hold it, in parts of full scale."""
    stored = read_array(pair, path)
    if stored.ndim != 1:
        raise pair.refuse(path, f"shape {stored.shape}; expected (samples,)")
    if stored.dtype.kind != "f" and stored.dtype != np.int16:
        raise pair.refuse(path, f"numbers of type {stored.dtype}; expected floats in parts of full scale, or int16")
    with np.errstate(over="ignore", invalid="ignore"):  # what single precision does not hold is infinite, and refused
        ear = stored[:samples].astype("float32")
    return _checked(pair, path, name, ear / np.float32(INT16) if stored.dtype == np.int16 else ear, samples)


def _checked(pair: Pair, path: Path, name: str, ear: np.ndarray, needed: int) -> np.ndarray:
    """Return a channel that is long enough, of numbers, not far beyond full scale, and not constant."""
    if len(ear) < max(1, needed - SHORT):
        raise pair.refuse(path, f"{len(ear)} samples; data.max_depth needs {needed}, the time of its echo")
    if not np.isfinite(ear).all():
        k = int(np.argmin(np.isfinite(ear)))
        raise pair.refuse(path, f"{name}, sample {k} = {ear[k]}; expected a number")
    peak = float(np.abs(ear).max())
    if peak > LOUDEST or (peak > 1 and (ear == np.rint(ear)).all()):
        kind, full = ("int16", INT16) if peak <= INT16 else ("a wider integer", "its full scale")
        said = f"{name}: the largest sample is {peak:.6g}, and full scale is 1"
        raise pair.refuse(path, f"{said}; is it {kind} stored as float? divide by {full}")
    if np.ptp(ear) == 0:
        raise pair.refuse(path, f"{name}: every sample is {ear[0]:g}; nothing was recorded", EmptyFileError)
    return ear
