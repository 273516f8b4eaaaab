"""Power of rain fields by wavenumber."""

import numpy as np
from scipy import fft


def wavenumbers(shape: tuple[int, int]) -> np.ndarray:
    """List the (k,) middles of the rings that power is averaged over, up to Nyquist's [1/cell]."""
    return (np.arange(1, _rings(shape)[1]) + 0.0) / max(shape)


def radial_power(fields: np.ndarray) -> np.ndarray:
    """Average the power of Fourier modes in each ring, without the mean: (..., k). fields: (..., y, x) [mm/day]."""
    ring, count = _rings(fields.shape[-2:])
    power = np.abs(fft.fft2(fields)) ** 2
    flat = power.reshape(-1, ring.size)
    sums = np.stack([np.bincount(ring.ravel(), row, count) for row in flat])[:, 1:count]
    modes = np.bincount(ring.ravel(), minlength=count)[1:count]
    return (sums[:, : len(modes)] / modes).reshape(*fields.shape[:-2], -1)


def _rings(shape):
    """Find the ring of each mode, and how many rings there are: ring r has wavenumbers around r / longest side."""
    longest = max(shape)
    away = np.hypot(fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1]))
    last = longest // 2 + 1
    return np.minimum(np.rint(away * longest).astype(int), last), last


def slope(power: np.ndarray, shape: tuple[int, int]) -> float:
    """Fit the exponent a of power ~ wavenumber^-a by least squares of the logarithms; power: (k,)."""
    return float(-np.polyfit(np.log(wavenumbers(shape)), np.log(np.maximum(power, 1e-12)), 1)[0])
