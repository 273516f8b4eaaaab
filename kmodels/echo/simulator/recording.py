"""From arrivals to a recording: the chirp through a room, with noise."""

import numpy as np
from scipy import fft

from kmodels.echo.data.acoustics import FULL_SCALE, SPEED_OF_SOUND, chirp
from kmodels.echo.data.batvision import SAMPLE_RATE
from kmodels.echo.simulator.head import RADIUS
from kmodels.echo.simulator.impulse_response import ImpulseResponse
from kmodels.echo.simulator.radiosity import STEP

FINE = 8  # impulses are placed on a grid so many times finer


def response(arrivals, late, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Compute an ear's impulse response, band-limited: (samples,).

    Parameters
    ----------
    arrivals : sequence of Arrivals
        Impulses at any time.
    late : array
        (steps,) energy in each STEP, which becomes noise of that energy.
    samples : int
        Length of the response.
    rng : numpy.random.Generator
        Of the noise.
    """
    seconds, pressure = (np.concatenate(parts) for parts in zip(*(each[:2] for each in arrivals), strict=True))
    shade = np.concatenate([np.broadcast_to(each.shade, each.seconds.shape) for each in arrivals])
    length = fft.next_fast_len(samples, real=True)
    spectrum = _spectrum(seconds, pressure, length)
    if shade.any():
        s = 1j * np.pi * RADIUS / SPEED_OF_SOUND * fft.rfftfreq(length, 1 / SAMPLE_RATE)
        spectrum = spectrum + s / (1 + s) * _spectrum(seconds, shade * pressure, length)
    return fft.irfft(spectrum, length)[:samples] + _noise_of(late, samples, rng)


def _spectrum(seconds, pressure, length: int) -> np.ndarray:
    """Compute the spectrum of impulses as `length` samples hold it: (length // 2 + 1,)."""
    place = seconds * SAMPLE_RATE * FINE
    inside = place < length * FINE - 1
    place, pressure = place[inside], pressure[inside]
    before = place.astype(int)
    share = place - before
    fine = np.bincount(before, (1 - share) * pressure, length * FINE)
    fine += np.bincount(before + 1, share * pressure, length * FINE)
    # The lowest frequencies of the fine grid are those of the sampled one.
    return fft.rfft(fine)[: length // 2 + 1]


def _noise_of(energy, samples: int, rng) -> np.ndarray:
    """Sample white noise with the energy (steps,) in each STEP."""
    step = (np.arange(samples) / SAMPLE_RATE / STEP).astype(int)
    density = np.append(energy, 0.0)[np.minimum(step, len(energy))] / (STEP * SAMPLE_RATE)
    return rng.normal(size=samples) * np.sqrt(density)


def record(rng: np.random.Generator, impulses: ImpulseResponse, samples: int, data) -> np.ndarray:
    """Simulate the stereo recording of a chirp.

    Noise is added as loud as data.noise says, measured against the echoes: the direct arrival does not count.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the noise and its loudness.
    impulses : ImpulseResponse
        Of both ears.
    samples : int
        Length of the recording.
    data : kmodels.echo.recipe.Data
        Chirp and noise.

    Returns
    -------
    array
        (samples, 2), left and right, in parts of FULL_SCALE.
    """
    signal = chirp(*data.chirp, data.chirp_ms)
    length = fft.next_fast_len(samples + len(signal) - 1, real=True)
    spectrum = fft.rfft(signal, length)
    responses = [
        response((impulses.specular[ear], impulses.scattered[ear]), impulses.late[ear], samples, rng) for ear in (0, 1)
    ]
    echoes = fft.irfft(fft.rfft(responses, length) * spectrum, length)[:, :samples]
    turns = fft.rfftfreq(length, 1 / SAMPLE_RATE)
    delayed = [each.pressure * np.exp(-2j * np.pi * turns * each.seconds) for each in impulses.direct]
    direct = fft.irfft(np.array(delayed) * spectrum, length)[:, :samples]
    loudness = np.sqrt(np.mean(echoes**2)) * 10 ** (-rng.uniform(*data.noise) / 20)
    noise = loudness * rng.normal(size=echoes.shape)
    return np.clip((echoes + direct + noise).T / FULL_SCALE, -1, 1)
