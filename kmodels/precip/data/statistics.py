"""What is known of the training days: how rain and coarse state are scaled, and which amounts are extreme."""

from dataclasses import dataclass, fields

import numpy as np

from kmodels.core.io import rows
from kmodels.precip.data.records import Days, heavy_threshold
from kmodels.precip.data.variables import COVARIATES, RAIN

LEAST_SD = 0.05  # of log1p(rain / 1 mm) and of a coarse variable in its own units over 1: cells where it never rains
SAMPLE = 10_000_000  # cells and days that quantiles are taken of
PER_BLOCK = 128  # days that are read at once


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of the training days; the one carrier of it, whether the network or a baseline uses it.

    Attributes
    ----------
    rain_mean, rain_sd : ndarray
        (y, x) of log1p(rain / 1 mm/day).
    state_mean, state_sd : ndarray
        (C,) of the coarse variables as `encode.states` gives them.
    p95, p99, tail : float
        Quantiles of rain over observed cells and days, tail the one from which errors weigh more [mm/day].
    heavy : float
        Mean over land above which a day is heavy [mm/day].
    mean_weight : float
        Mean weight of a cell in the reconstruction loss.
    """

    rain_mean: np.ndarray
    rain_sd: np.ndarray
    state_mean: np.ndarray
    state_sd: np.ndarray
    p95: float
    p99: float
    tail: float
    heavy: float
    mean_weight: float

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of them by name, float32."""
        return {f.name: np.asarray(getattr(self, f.name), "float32") for f in fields(self)}


def nominal(grid: tuple[int, int], predictors: tuple[str, ...]) -> Statistics:
    """Make what stands for the statistics of a network that has seen no data yet: the simulator's own scales.

    Parameters
    ----------
    grid : tuple of int
        (y, x) of the fine grid.
    predictors : tuple of str
        The coarse variables; one of no known name gets mean 0 and standard deviation 1.
    """
    known = {c.name: (c.mean, c.sd) for c in COVARIATES}
    state = np.array([known.get(name, (0.0, 1.0)) for name in predictors])
    return Statistics(np.zeros(grid), np.ones(grid), *state.T, p95=20.1, p99=43.6, tail=43.6, heavy=10.0, mean_weight=1)


def compute_statistics(days: Days, states: np.ndarray, loss, heavy_quantile: float) -> Statistics:
    """Compute the statistics of days, those of the training part.

    Parameters
    ----------
    days : Days
        Their rain is read a few days at a time.
    states : ndarray
        (days, Y, X, C) as `encode.states` gives them.
    loss : LossSettings or Train
        scale, w_min, w_max, tail_boost and tail_quantile say how an error weighs.
    heavy_quantile : float
        Of the days' mean over land, above which a day is heavy.
    """
    n, shape = len(days), days.domain.shape
    total, squares = np.zeros(shape), np.zeros(shape)
    for first in range(0, n, PER_BLOCK):
        logs = np.log1p(days.rain(np.arange(first, min(first + PER_BLOCK, n))).astype("float64"))
        total += logs.sum(0)
        squares += (logs**2).sum(0)
    some = np.unique(np.linspace(0, n - 1, max(1, min(n, SAMPLE // days.domain.land.size))).astype(int))
    amounts = rows.Appended()
    for first in range(0, len(some), PER_BLOCK):
        amounts.append(days.rain(some[first : first + PER_BLOCK])[:, days.domain.observed])
    heavy = heavy_threshold(days, heavy_quantile)
    return _statistics(total / n, squares / n, states, amounts.array(), heavy, loss)


def statistics_of_arrays(
    rain: np.ndarray, state: np.ndarray, land: np.ndarray, loss, heavy_quantile: float = 0.95
) -> Statistics:
    """Compute the statistics of training days that are arrays.

    Parameters
    ----------
    rain : ndarray
        (days, y, x) [mm/day].
    state : ndarray
        (days, Y, X, C) as the network takes it, rain as log1p(rain / 1 mm/day).
    land : ndarray
        (y, x), true or 1 on land.
    loss : LossSettings or Train
        scale, w_min, w_max, tail_boost and tail_quantile say how an error weighs: `PrecipVAE.loss_settings`.
    heavy_quantile : float
        Of the days' mean over land, above which a day is heavy.
    """
    logs = np.log1p(rain.astype("float64"))
    heavy = float(np.quantile(rain[:, np.asarray(land, bool)].mean(1), heavy_quantile))
    return _statistics(logs.mean(0), (logs**2).mean(0), state, rain, heavy, loss)


def _statistics(mean, mean_square, states, amounts, heavy: float, loss) -> Statistics:
    """mean, mean_square: (y, x) of log1p(rain). amounts: rain of observed cells [mm/day]."""
    sd = np.sqrt(np.maximum(mean_square - mean**2, 0))
    # To float32, as a network keeps them: it and the baselines are scored by the same thresholds.
    quantiles = np.quantile(amounts, (0.95, 0.99, loss.tail_quantile))
    p95, p99, tail = (float(np.float32(value)) for value in quantiles)
    weight = rows.mapped(lambda some: weights(some, loss, tail), amounts)
    return Statistics(
        rain_mean=mean,
        rain_sd=np.where(sd < LEAST_SD, 1.0, sd),
        state_mean=rows.mean(states, (0, 1, 2)),
        state_sd=np.maximum(rows.standard_deviation(states, (0, 1, 2)), 1e-6),
        p95=p95,
        p99=p99,
        tail=tail,
        heavy=float(np.float32(heavy)),
        mean_weight=float(rows.mean(weight, tuple(range(weight.ndim)))),
    )


def weights(rain: np.ndarray, loss, tail: float) -> np.ndarray:
    """Compute what errors weigh: clip(rain / scale, w_min, w_max), times tail_boost from `tail` [mm/day] on."""
    return np.clip(rain / loss.scale, loss.w_min, loss.w_max) * np.where(rain >= tail, loss.tail_boost, 1.0)


def rain_column(predictors) -> int | None:
    """Find the coarse variable that is rain, which enters the network as log1p; None where none is."""
    return predictors.index(RAIN) if RAIN in predictors else None
