"""What tells kinds of patterns apart whatever their orientation: how spatial frequencies share their power."""

import numpy as np

HIGHEST = 4  # periods along an axis
FAINTEST = 1e-3  # share of the power whose logarithm is taken
CLASSES = [(a, b) for a in range(1, HIGHEST + 1) for b in range(a + 1)]
FEATURES = len(CLASSES)


def pattern_features(patterns: np.ndarray) -> np.ndarray:
    """Compute the logarithm of the share of power at each class of spatial frequencies.

    A class is all frequencies (a, b), (b, a) of either sign, so that none of the 32 symmetries changes its power; the
    constant does not count.

    Parameters
    ----------
    patterns : ndarray
        (n, y, x) of 0 and 1, one square period.

    Returns
    -------
    ndarray
        (n, FEATURES) float64.
    """
    size = patterns.shape[-1]
    along = np.exp(-2j * np.pi * np.outer(np.arange(-HIGHEST, HIGHEST + 1), np.arange(size)) / size) / size
    power = np.abs(along @ patterns.astype("float64") @ along.T) ** 2
    fill = patterns.mean((1, 2))
    total = np.maximum(fill * (1 - fill), 1e-9)
    places = np.abs(np.arange(-HIGHEST, HIGHEST + 1))
    larger, smaller = np.maximum.outer(places, places), np.minimum.outer(places, places)
    shares = [power[:, (larger == a) & (smaller == b)].sum(1) / total for a, b in CLASSES]
    return np.log(np.stack(shares, axis=1) + FAINTEST)
