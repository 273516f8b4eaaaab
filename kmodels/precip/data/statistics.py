"""What is known of the training days: how rain and coarse state are scaled, and which amounts are extreme."""

from dataclasses import dataclass, fields

import numpy as np

from kmodels.precip.data.records import Days, heavy_threshold
from kmodels.precip.data.variables import COVARIATES, RAIN

LEAST_SD = 0.05  # of log1p(rain / 1 mm) and of a coarse variable in its own units over 1: cells where it never rains
SAMPLE = 10_000_000  # cells and days that quantiles are taken of
PER_BLOCK = 128  # days that are read at once


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the training days.

    rain_mean, rain_sd: (y, x) of log1p(rain / 1 mm/day). state_mean, state_sd: (C,) of the coarse variables as
    `encode.states` gives them. p95, p99: quantiles of rain over observed cells and days; tail: the one that the
    recipe calls tail; heavy: mean over land above which a day is heavy [mm/day]. mean_weight: mean weight of a cell in
    the reconstruction loss [1].
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
        """All of them by name, float32."""
        return {f.name: np.asarray(getattr(self, f.name), "float32") for f in fields(self)}


def nominal(recipe) -> Statistics:
    """Stands for what a model that has seen no data yet does not know: the simulator's own scales."""
    from kmodels.precip.data.variables import predictors

    known = {c.name: (c.mean, c.sd) for c in COVARIATES}
    state = np.array([known.get(name, (0.0, 1.0)) for name in predictors(recipe.data)])
    fine = recipe.data.grid.fine
    return Statistics(np.zeros(fine), np.ones(fine), *state.T, p95=20.1, p99=43.6, tail=43.6, heavy=10.0, mean_weight=1)


def measured(days: Days, states: np.ndarray, recipe) -> Statistics:
    """Of these days, those of the training part. states: (days, Y, X, C) as `encode.states` gives them."""
    n, shape = len(days), days.domain.shape
    total, squares = np.zeros(shape), np.zeros(shape)
    for first in range(0, n, PER_BLOCK):
        logs = np.log1p(days.rain(np.arange(first, min(first + PER_BLOCK, n))).astype("float64"))
        total += logs.sum(0)
        squares += (logs**2).sum(0)
    mean = total / n
    sd = np.sqrt(np.maximum(squares / n - mean**2, 0))
    some = np.unique(np.linspace(0, n - 1, max(1, min(n, SAMPLE // days.domain.land.size))).astype(int))
    amounts = days.rain(some)[:, days.domain.observed]
    p95, p99, tail = (float(np.quantile(amounts, q)) for q in (0.95, 0.99, recipe.train.tail_quantile))
    return Statistics(
        rain_mean=mean,
        rain_sd=np.where(sd < LEAST_SD, 1.0, sd),
        state_mean=states.mean((0, 1, 2), dtype="float64"),
        state_sd=np.maximum(states.std((0, 1, 2), dtype="float64"), 1e-6),
        p95=p95,
        p99=p99,
        tail=tail,
        heavy=heavy_threshold(days, recipe.data.heavy_quantile),
        mean_weight=float(weights(amounts, recipe.train, tail).mean()),
    )


def weights(rain: np.ndarray, train, tail: float) -> np.ndarray:
    """clip(rain / scale, w_min, w_max), times tail_boost from `tail` on: what an error weighs in training."""
    return np.clip(rain / train.scale, train.w_min, train.w_max) * np.where(rain >= tail, train.tail_boost, 1.0)


def rain_column(predictors) -> int | None:
    """Which of the coarse variables is rain, which enters the network as log1p; None where none is."""
    return predictors.index(RAIN) if RAIN in predictors else None
