"""What a recording's maker knows: the chirp that was emitted, how fast sound is, how loud the largest number."""

from functools import cache

import numpy as np

from kmodels.echo.data.batvision import SAMPLE_RATE

SPEED_OF_SOUND = 343.0  # m s-1
FULL_SCALE = 32.0  # pressure of a recording's largest number; the echo of a wall 1 m away is 1/2
FADE = 0.05  # of the chirp fades in, and as much out


@cache
def chirp(first: float, last: float, milliseconds: float) -> np.ndarray:
    """Compute a linear sweep from `first` to `last` [Hz], cos(2 pi (f1 t + (f2 - f1) t^2 / 2 T)): (samples,)."""
    # Not from scipy.signal: importing that takes a second, in every worker process.
    seconds = np.arange(round(milliseconds / 1000 * SAMPLE_RATE)) / SAMPLE_RATE
    rate = (last - first) / (milliseconds / 1000)
    fade = np.hanning(2 * int(FADE * len(seconds)) + 1)[: int(FADE * len(seconds))]
    envelope = np.concatenate([fade, np.ones(len(seconds) - 2 * len(fade)), fade[::-1]])
    return envelope * np.cos(2 * np.pi * (first * seconds + rate * seconds**2 / 2))
