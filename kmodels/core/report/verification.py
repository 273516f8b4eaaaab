"""Verification that several models share: intervals, calibration, thresholds."""

from collections.abc import Callable, Iterator

import numpy as np

WEIGHTS = 1 << 20  # of a bootstrap's, that are in memory at once


def bootstrap_weights(groups: np.ndarray, seed: int, resamples: int = 1000) -> np.ndarray:
    """Count how often each example stands in each resample of a bootstrap, groups drawn whole.

    Examples of a group (a pair, a room, a day) are not independent, so an interval that draws them singly would be too
    narrow.

    Parameters
    ----------
    groups : numpy.ndarray
        (n,) of any type: the group of each example.
    seed : int
        Of the resampling.
    resamples : int
        How many are drawn.

    Returns
    -------
    numpy.ndarray
        (resamples, n) float32 counts.
    """
    return np.concatenate(list(_weights(groups, seed, resamples)))


def _weights(groups: np.ndarray, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield what `bootstrap_weights` returns, some resamples at a time: WEIGHTS numbers, or one resample."""
    names, member = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng([seed, 0xB007])
    share, step = np.full(len(names), 1 / len(names)), max(1, WEIGHTS // max(1, len(member)))
    for first in range(0, resamples, step):
        counts = rng.multinomial(len(names), share, size=min(step, resamples - first))
        yield counts[:, member].astype("float32")


def resample(groups: np.ndarray, seed: int, function: Callable, resamples: int = 1000, dtype="float32") -> dict:
    """Compute scores of every resample of a bootstrap, some resamples at a time: memory is bounded.

    Parameters
    ----------
    groups : numpy.ndarray
        (n,) of any type: the group of each example.
    seed : int
        Of the resampling.
    function : callable
        ``function(weights)`` computes {score: (resamples,)} from weights (resamples, n), see `bootstrap_weights`.
    resamples : int
        How many are drawn.
    dtype : str
        Of the weights.

    Returns
    -------
    dict of str to numpy.ndarray
        {score: (resamples,)}.
    """
    parts = [function(weights.astype(dtype, copy=False)) for weights in _weights(groups, seed, resamples)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values: np.ndarray, n_groups: int) -> tuple[float, float] | None:
    """Compute the central 95% of resampled values of a share.

    Where every resample gives 1 (or 0) the bootstrap says nothing; no failure in n groups bounds the share of failures
    by 3/n, the rule of three [1]_.

    Parameters
    ----------
    values : numpy.ndarray
        (resamples,) in [0, 1], not a number where the share is not defined.
    n_groups : int
        Independent groups of examples.

    Returns
    -------
    tuple of float or None
        (low, high); None where fewer than half of the values are defined.

    References
    ----------
    .. [1] J. A. Hanley and A. Lippman-Hand, If nothing goes wrong, is everything all right? JAMA 249, 1983.
    """
    values = values[np.isfinite(values)] if np.isfinite(values).mean() >= 0.5 else values[:0]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    unseen = min(3 / n_groups, 1.0)
    return (1 - unseen if low == 1.0 else low), (unseen if high == 0.0 else high)


def intervals(resampled: dict[str, np.ndarray], n_groups: int) -> dict[str, tuple[float, float]]:
    """Compute the central 95% of each score's resampled values.

    Parameters
    ----------
    resampled : dict of str to numpy.ndarray
        {name: (resamples,)}, not a number where a score is not defined.
    n_groups : int
        Independent groups of examples.

    Returns
    -------
    dict of str to tuple of float
        {name: (low, high)} of the scores defined in more than half of the resamples; empty for fewer than two groups.
    """
    return {
        name: tuple(np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975]).tolist())
        for name, drawn in resampled.items()
        if n_groups > 1 and np.isfinite(drawn).mean() > 0.5
    }


def ratio_interval(new: np.ndarray, old: np.ndarray) -> tuple[float, float, float]:
    """Compute the geometric mean of new / old over pairs, such as seeds, with its 95% interval.

    The interval is Student's t on the logarithms.

    Parameters
    ----------
    new, old : numpy.ndarray
        (n,) above 0, n >= 2.

    Returns
    -------
    tuple of float
        (mean, low, high).
    """
    from scipy import special

    logs = np.log(np.asarray(new, float) / np.asarray(old, float))
    reach = special.stdtrit(len(logs) - 1, 0.975) * logs.std(ddof=1) / np.sqrt(len(logs))
    return tuple(np.exp(logs.mean() + np.array([0.0, -reach, reach])).tolist())


def expected_calibration_error(probability: np.ndarray, positive: np.ndarray, bins: int = 15) -> float:
    """Compute sum_b n_b / n |mean probability_b - frequency_b| over bins of equal width [1]_.

    Parameters
    ----------
    probability : numpy.ndarray
        (n,) in [0, 1], of the positive class.
    positive : numpy.ndarray of bool
        (n,).
    bins : int
        Of equal width in probability.

    Returns
    -------
    float
        In [0, 1]; 0 is best.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian
       binning. AAAI, 2015.
    """
    index = np.minimum((probability * bins).astype(int), bins - 1)
    gap = np.bincount(index, probability - positive, bins)
    return float(np.abs(gap).sum() / len(probability))


def choose_threshold(probability: np.ndarray, positive: np.ndarray) -> float:
    """Choose a threshold of high balanced accuracy; `probability >= threshold` counts as positive.

    Of the thresholds whose balanced accuracy is at most one standard error below the highest, it is the one nearest to
    0.5 (the one-standard-error rule [1]_): which of them is the highest hangs on a few examples, and one far from 0.5
    errs more on data that are unlike these. The shares under the error are (k + 1) / (n + 2), so that no failure at
    all has one, too.

    Parameters
    ----------
    probability : numpy.ndarray
        (n,) in [0, 1], of the positive class.
    positive : numpy.ndarray of bool
        (n,).

    Returns
    -------
    float
        In [0, 1]; 0.5 where only one class is there. Between two examples that it parts, 0.5 or the middle.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, Classification and Regression Trees, 1984, 3.4.3.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.5
    order = np.argsort(probability, kind="stable")
    p, y = probability[order].astype("float64"), positive[order]
    # Cut k: the first k examples, in rising probability, count as negative.
    right_negative = np.concatenate([[0], np.cumsum(~y)])
    right_positive = n_positive - np.concatenate([[0], np.cumsum(y)])
    edges = np.concatenate([[0.0], p, [1.0]])
    low, high = edges[:-1], edges[1:]
    score = np.where(high > low, right_negative / n_negative + right_positive / n_positive, -1.0) / 2
    best = score.argmax()
    errors = [
        (k + 1) * (n - k + 1) / (n + 2) ** 3
        for k, n in ((right_negative[best], n_negative), (right_positive[best], n_positive))
    ]
    good = np.flatnonzero(score >= score[best] - np.sqrt(sum(errors)) / 2 - 1e-12)
    choices = np.where((low[good] < 0.5) & (high[good] >= 0.5), 0.5, (low[good] + high[good]) / 2)
    return float(choices[np.abs(choices - 0.5).argmin()])
