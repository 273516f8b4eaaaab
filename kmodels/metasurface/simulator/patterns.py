"""Random patterns that can be fabricated: thresholded noise without features that are too small."""

import numpy as np
import scipy.fft
import scipy.ndimage

from kmodels.core.spec.errors import UserError

ROUNDS = 20  # of opening and closing, until neither changes anything
TRIES = 200  # patterns sampled until one keeps the rules


def sample_pattern(rng: np.random.Generator, data) -> np.ndarray:
    """Sample a periodic pattern.

    Gaussian noise, smoothed by a Gaussian whose width is sampled from data.correlation [nm], is cut at the level that
    gives a fill sampled from data.fill. Then pillars and gaps narrower than data.smallest_feature [nm] are removed.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    data : kmodels.metasurface.recipe.Data
        A recipe's data section.

    Returns
    -------
    ndarray
        (y, x) uint8 of 1 (silicon nitride) and 0, data.pixels wide and high.

    Raises
    ------
    UserError
        Where the recipe leaves hardly any pattern.
    """
    disc = feature_disc(data)
    for _ in range(TRIES):
        width = np.exp(rng.uniform(*np.log(data.correlation)))
        noise = _periodic_noise(rng, data.pixels, width / data.period * data.pixels)
        pattern = noise > np.quantile(noise, 1 - rng.uniform(*data.fill))
        pattern = remove_small_features(pattern.astype("uint8"), disc)
        if pattern is not None and data.fill[0] <= pattern.mean() <= data.fill[1]:
            return pattern
    raise UserError(
        f"data.smallest_feature = {data.smallest_feature:g} nm and data.correlation = {list(data.correlation)} nm: "
        f"of {TRIES} patterns none kept a fill within {list(data.fill)}"
    )


def feature_disc(data) -> np.ndarray:
    """Make the smallest disc of pixels that is at least data.smallest_feature wide: (d, d) bool."""
    wide = max(1, int(np.ceil(data.smallest_feature / data.period * data.pixels - 1e-9)))
    at = np.arange(wide) - (wide - 1) / 2
    return at[:, None] ** 2 + at**2 <= (wide / 2) ** 2


def remove_small_features(pattern: np.ndarray, disc: np.ndarray) -> np.ndarray | None:
    """Open and close a periodic pattern by a disc until every point of pillar and gap lies in such a disc.

    At necks opening removes what closing puts back; there discs of the rarer kind are placed.

    Parameters
    ----------
    pattern : ndarray
        (y, x) of 0 and 1.
    disc : ndarray
        (d, d) bool, the smallest feature.

    Returns
    -------
    ndarray or None
        The pattern without smaller features; None where the iteration does not converge.
    """
    rarer = np.uint8(pattern.mean() < 0.5)
    for _ in range(ROUNDS):
        opened = _open(pattern, disc)
        closed = 1 - _open(1 - opened, disc)
        neck = opened != pattern
        if not neck.any() and np.array_equal(closed, pattern):
            return pattern
        if np.array_equal(closed, pattern):
            closed[scipy.ndimage.maximum_filter(neck, footprint=disc, mode="wrap")] = rarer
        pattern = closed
    return None


def _open(pattern: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """Keep of the ones the union of all discs that fit into them (morphological opening).

    By Fourier transforms, exact since whole pixels are counted: a quarter of the time of a moving window.
    """
    placed = np.zeros(pattern.shape)
    placed[: disc.shape[0], : disc.shape[1]] = disc
    spectrum = scipy.fft.rfft2(placed)
    fits = _convolved(pattern, np.conj(spectrum)) > disc.sum() - 0.5
    return (_convolved(fits, spectrum) > 0.5).astype(pattern.dtype)


def _convolved(pattern: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Compute the periodic convolution with something of this spectrum."""
    return scipy.fft.irfft2(scipy.fft.rfft2(pattern.astype("float64")) * spectrum, pattern.shape)


def _periodic_noise(rng: np.random.Generator, n: int, width: float) -> np.ndarray:
    """Sample white noise (n, n) smoothed by a Gaussian of this standard deviation [pixels]."""
    k = 2 * np.pi * np.fft.fftfreq(n)
    spectrum = scipy.fft.rfft2(rng.standard_normal((n, n)))
    gaussian = np.exp(-0.5 * width**2 * (k[:, None] ** 2 + k[: n // 2 + 1] ** 2))
    return scipy.fft.irfft2(spectrum * gaussian, (n, n))
