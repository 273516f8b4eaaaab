"""What two ears tell of range and direction: recording -> a range-azimuth map and profiles along the range.

The recording is filtered by the known chirp, so that an echo at range r is a short pulse 2 r / c after the chirp began.
For each range X(f) is the spectrum of a window around it, of either ear, and

    C(r, q) = Re sum_f L(f) conj(R(f)) exp(2 pi i f s q / c) / sqrt(sum_f |L|^2  sum_f |R|^2)

their cross-correlation at the delay of a source whose direction has the component q to the right (q = sin(azimuth) at
the height of the ears), s the distance between the ears: 1 where all that arrives then comes from there. Three bands of
frequencies are kept apart, for the phase repeats itself within half a wavelength (generalised cross-correlation: Knapp
and Carter 1976, IEEE Trans. ASSP 24, 320). s is measured by the chirp's own arrival: the loudspeaker
is between the ears, so it reaches them s / 2 c after it began.
"""

from functools import cache

import numpy as np
from scipy import fft

from kmodels.echo.data.acoustics import FULL_SCALE, SPEED_OF_SOUND, chirp
from kmodels.echo.data.batvision import SAMPLE_RATE

HOP = 16  # samples: 6.2 cm of range
WINDOW = 64  # samples
FINE = 4  # samples: 1.6 cm of range, of the profiles
BANDS = ((800.0, 4_500.0), (4_500.0, 10_500.0), (10_500.0, 19_500.0))  # Hz
STEPS = 16  # ranges are a multiple of this: the network halves them four times
INSIDE, ASIDE = 32, 4  # directions within the camera's view, and beyond it on either side
DIRECTIONS = INSIDE + 2 * ASIDE
PROFILES = 2 * (len(BANDS) + HOP // FINE)  # of both ears, in turn: power of each band, and of each quarter of a step
SPACING = (0.10, 0.30)  # m, between which the distance of the ears is looked for
UPSAMPLED = 16
FAINT = 1e-6  # power of the filtered pressure below which nothing is told apart


def n_ranges(samples: int) -> int:
    """Count the ranges of a recording: its length in steps of HOP, to the nearest multiple of STEPS."""
    return STEPS * max(1, round(samples / (HOP * STEPS)))


def metres(ranges: int) -> np.ndarray:
    """List the ranges, (ranges,) [m]."""
    return np.arange(ranges) * (HOP / SAMPLE_RATE * SPEED_OF_SOUND / 2)


@cache
def directions(view: float) -> np.ndarray:
    """List the component to the right of each direction, (DIRECTIONS,), from -1 to 1.

    Parameters
    ----------
    view : float
        Width of the camera's view [degrees]. Within it directions belong to columns of the depth image of equal width.
    """
    across = np.tan(np.radians(view / 2)) * ((2 * np.arange(INSIDE) + 1) / INSIDE - 1)
    edge = np.sin(np.radians(view / 2))
    beyond = edge + (1 - edge) * (np.arange(ASIDE) + 0.5) / ASIDE
    return np.concatenate([-beyond[::-1], across / np.hypot(1, across), beyond])


def hear(recording: np.ndarray, data) -> tuple[np.ndarray, np.ndarray]:
    """Compute a recording's range-azimuth map and its profiles.

    Parameters
    ----------
    recording : array
        (samples, 2), left and right ear, in parts of full scale, from the beginning of the chirp on.
    data : kmodels.echo.recipe.Data
        Its chirp and its view.

    Returns
    -------
    correlation : array
        (ranges, DIRECTIONS, bands) float32 in [-1, 1].
    profile : array
        (ranges, PROFILES) float32, log10 of power.
    """
    samples, count = len(recording), n_ranges(len(recording))
    filtered = _filtered(FULL_SCALE * np.asarray(recording, "float32").T, data)
    spacing = ear_spacing(filtered.real)
    padded = np.pad(filtered.real, ((0, 0), (WINDOW // 2, WINDOW // 2 + max(0, count * HOP - samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::HOP][:, :count]
    spectrum = fft.rfft(frames * np.hanning(WINDOW + 1)[:-1].astype("float32"), axis=-1)
    power = np.abs(spectrum) ** 2
    cross = spectrum[0] * spectrum[1].conj()
    correlation, levels = [], []
    for band, steering in zip(_bands(), _steering(data.view[0]), strict=True):
        both = power[:, :, band].sum(-1)
        turned = np.exp(2j * np.pi * spacing / SPEED_OF_SOUND * steering).astype("complex64")
        correlation.append((cross[:, band] @ turned).real / np.sqrt(both[0] * both[1] + FAINT**2)[:, None])
        levels.append(both / band.sum())
    envelope = np.abs(filtered[:, : count * HOP]) ** 2
    envelope = np.pad(envelope, ((0, 0), (0, count * HOP - envelope.shape[1])))
    fine = envelope.reshape(2, count, HOP // FINE, FINE).mean(-1)
    profile = np.concatenate([np.stack(levels, -1), fine], axis=-1)  # (ears, ranges, kinds)
    profile = np.log10(profile + FAINT).transpose(1, 2, 0).reshape(count, PROFILES)
    return np.stack(correlation, -1).astype("float32"), profile.astype("float32")


def ear_spacing(filtered: np.ndarray) -> float:
    """Measure the distance of the ears [m] by the chirp's own arrival at both; filtered: (2, samples)."""
    start = fft.irfft(fft.rfft(filtered[:, :WINDOW]), WINDOW * UPSAMPLED)
    first, last = (round(s / 2 / SPEED_OF_SOUND * SAMPLE_RATE * UPSAMPLED) for s in SPACING)
    peak = first + np.abs(start[:, first:last]).argmax(axis=1).mean()
    return float(2 * peak / UPSAMPLED / SAMPLE_RATE * SPEED_OF_SOUND)


def _filtered(ears: np.ndarray, data) -> np.ndarray:
    """Correlate (2, samples) with the chirp: the analytic signal, complex, whose size is the envelope."""
    samples = ears.shape[1]
    signal = chirp(*data.chirp, data.chirp_ms)
    length = fft.next_fast_len(samples + len(signal) - 1)
    response = fft.fft(signal.astype("float32"), length).conj()
    response[1 : (length + 1) // 2] *= 2
    response[length // 2 + 1 :] = 0
    return fft.ifft(fft.fft(ears, length) * response)[:, :samples]


@cache
def _bands() -> list[np.ndarray]:
    """List the frequencies of each band as a mask of a window's spectrum."""
    frequency = fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    return [(frequency >= low) & (frequency < high) for low, high in BANDS]


@cache
def _steering(view: float) -> list[np.ndarray]:
    """Compute frequency times direction, (frequencies of the band, DIRECTIONS) [Hz], for each band."""
    frequency = fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    return [np.multiply.outer(frequency[band], directions(view)) for band in _bands()]
