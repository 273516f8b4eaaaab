"""From arrivals to a recording: the chirp through a room, with noise."""

from functools import cache

import numpy as np
from scipy import fft
from scipy.signal import chirp as sweep
from scipy.signal.windows import tukey

from kmodels.echo.diffuse import STEP
from kmodels.echo.hearing import SPEED_OF_SOUND, Heard

SAMPLE_RATE = 44_100  # Hz
FINE = 8  # impulses are placed on a grid so many times finer
FULL_SCALE = 32.0  # pressure of a recording's largest number; the echo of a wall 1 m away is 1/2
FIELD_SPEED_OF_SOUND = 340.0  # m s-1, by which the field cuts its recordings
TAPER = 0.1  # of the chirp fades in and out


def recording_length(max_depth: float) -> int:
    """Samples until the echo from max_depth [m], as the field counts them: int(2 max_depth / 340 * 44100)."""
    return int(2 * max_depth / FIELD_SPEED_OF_SOUND * SAMPLE_RATE)


@cache
def chirp(first: float, last: float, milliseconds: float) -> np.ndarray:
    """A linear sweep between two frequencies [Hz]: (samples,), at most 1."""
    seconds = np.arange(round(milliseconds / 1000 * SAMPLE_RATE)) / SAMPLE_RATE
    return sweep(seconds, first, milliseconds / 1000, last) * tukey(len(seconds), TAPER)


def response(arrivals, late, samples: int, rng: np.random.Generator) -> np.ndarray:
    """An ear's impulse response, band-limited: (samples,).

    arrivals: Arrivals, any number of them. late: (steps,) energy in each STEP, which becomes noise of that energy.
    """
    seconds, pressure = (np.concatenate(parts) for parts in zip(*arrivals, strict=True))
    length = fft.next_fast_len(samples, real=True)
    place = seconds * SAMPLE_RATE * FINE
    inside = place < length * FINE - 1
    place, pressure = place[inside], pressure[inside]
    before = place.astype(int)
    share = place - before
    fine = np.bincount(before, (1 - share) * pressure, length * FINE)
    fine += np.bincount(before + 1, share * pressure, length * FINE)
    # The lowest frequencies of the fine grid are those of the coarse one.
    coarse = fft.irfft(fft.rfft(fine)[: length // 2 + 1], length)[:samples]
    return coarse + _noise_of(late, samples, rng)


def _noise_of(energy, samples: int, rng) -> np.ndarray:
    """White noise with the energy (steps,) in each STEP."""
    step = (np.arange(samples) / SAMPLE_RATE / STEP).astype(int)
    density = np.append(energy, 0.0)[np.minimum(step, len(energy))] / (STEP * SAMPLE_RATE)
    return rng.normal(size=samples) * np.sqrt(density)


def record(rng: np.random.Generator, heard: Heard, samples: int, data) -> np.ndarray:
    """The stereo recording of a chirp: (samples, 2), in parts of FULL_SCALE.

    Noise is added as loud as data.noise says, measured against the echoes: the direct sound does not count.
    """
    signal = chirp(*data.chirp, data.chirp_ms)
    echoes = [response((heard.specular[ear], heard.scattered[ear]), heard.late[ear], samples, rng) for ear in (0, 1)]
    direct = [response((heard.direct[ear],), heard.late[ear] * 0, samples, rng) for ear in (0, 1)]
    echoes, direct = (_played(signal, np.array(part), samples) for part in (echoes, direct))
    decibels = rng.uniform(*data.noise)
    loudness = np.sqrt(np.mean(echoes**2)) * 10 ** (-decibels / 20)
    noise = rng.normal(scale=loudness, size=echoes.shape) if loudness > 0 else 0.0
    return np.clip((echoes + direct + noise).T / FULL_SCALE, -1, 1)


def _played(signal, responses, samples: int) -> np.ndarray:
    """(2, samples) of a signal through two impulse responses."""
    length = fft.next_fast_len(samples + len(signal) - 1, real=True)
    return fft.irfft(fft.rfft(responses, length) * fft.rfft(signal, length), length)[:, :samples]


def arrival(distance: float) -> float:
    """The sample at which the echo from a distance [m] begins."""
    return 2 * distance / SPEED_OF_SOUND * SAMPLE_RATE
