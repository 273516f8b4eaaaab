"""The field's pre-processing: recording -> spectrogram, depth -> depth image of the network's size."""

from functools import cache

import numpy as np
from scipy import fft

from kmodels.echo.data.batvision import SAMPLE_RATE

FIELD_SPEED_OF_SOUND = 340.0  # m s-1, by which the field cuts its recordings
N_FFT = 512
WINDOW = 64
HOP = 16
KNOWN = 0.5  # of what a pixel averages must be known, else it is unknown


def recording_length(max_depth: float) -> int:
    """Count the samples until the echo from max_depth [m], as the field does: int(2 max_depth / 340 * 44100)."""
    return int(2 * max_depth / FIELD_SPEED_OF_SOUND * SAMPLE_RATE)


def spectrogram(recording: np.ndarray) -> np.ndarray:
    """Compute the magnitudes of the short-time Fourier transform.

    ::

        |sum_n w[n] x[16 t + n] exp(-2 pi i k n / 512)|

    w the periodic Hann window of 64 samples around 16 t, the recording mirrored at its ends: torchaudio's
    Spectrogram(n_fft=512, win_length=64, hop_length=16, power=1).

    Parameters
    ----------
    recording : array
        (samples, 2), in parts of full scale.

    Returns
    -------
    array
        (257, 1 + samples // 16, 2) float32: frequency x time x ear.
    """
    half = WINDOW // 2
    padded = np.pad(np.asarray(recording, "float32"), ((half, half), (0, 0)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[::HOP][: 1 + len(recording) // HOP]
    spectrum = fft.rfft(frames * np.hanning(WINDOW + 1)[:-1].astype("float32"), N_FFT, axis=-1)
    return np.abs(spectrum).transpose(2, 0, 1)


@cache
def weights(before: int, after: int) -> np.ndarray:
    """Compute bilinear resizing of one axis as a matrix (after, before), rows add up to 1.

    Where the axis shrinks, the triangle widens with it, so that every sample counts (as Pillow and torchvision do).
    """
    scale = before / after
    centre = (np.arange(after) + 0.5) * scale
    away = np.abs(np.arange(before) + 0.5 - centre[:, None]) / max(scale, 1.0)
    triangle = np.maximum(1 - away, 0.0)
    return (triangle / triangle.sum(axis=1, keepdims=True)).astype("float32")


def resize(image: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """Resize (rows, columns, ...) to (height, width, ...), bilinear; without width, to a square."""
    rows, columns = (weights(*sizes) for sizes in zip(image.shape, (height, width or height), strict=False))
    tall = np.tensordot(rows, image, axes=(1, 0))
    return np.moveaxis(np.tensordot(columns, tall, axes=(1, 1)), 0, 1)


def resize_depth(depth: np.ndarray, size: int, max_depth: float) -> np.ndarray:
    """Resize a depth image; 0 = unknown, before and after.

    The mean is over known pixels only: none of the 0 that stands for unknown is mixed in. A pixel is known where
    half of the weight that it averages is.

    Parameters
    ----------
    depth : array
        (height, width) [m].
    size : int
        Of the result, (size, size) [pixels].
    max_depth : float
        Depth is cut off here [m].
    """
    known = (depth > 0).astype("float32")
    weight = resize(known, size)
    total = resize(np.minimum(depth, max_depth) * known, size)
    return np.where(weight >= KNOWN, total / np.maximum(weight, KNOWN), 0.0).astype("float32")
