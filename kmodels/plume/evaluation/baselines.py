"""Forecasts that need no network, and the network's error as a share of theirs."""

import functools
from collections.abc import Callable

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.plume.data.flow.courant import is_solvable
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation import solver
from kmodels.plume.evaluation.metrics import pooled_scores, target_sums
from kmodels.plume.evaluation.prediction import Forecast


def persistence(windows: Windows, leads: int) -> Forecast:
    """Forecast that the last frame seen stays, for all leads."""
    last = windows.past(np.arange(len(windows)))[:, -1:]
    return Forecast(windows, np.repeat(last, leads, axis=1))


def baseline_forecasts(windows: Windows, leads: int, train: Windows | None = None) -> dict[str, Forecast]:
    """Make the forecasts that need no network.

    Parameters
    ----------
    windows : Windows
        What they start from.
    leads : int
        Frames to forecast.
    train : Windows or None
        Training windows, where there are any.

    Returns
    -------
    dict of str to Forecast
        "persistence"; where the wind was measured, "class_d_solver", the simulator restarted in neutral air,
        "refitted_solver", its diffusivity and wind fitted on the frames seen of each run; and with training windows
        "fitted_solver", its diffusivity fitted on them.
    """
    forecasts = {"persistence": persistence(windows, leads)}
    if not is_solvable(windows):
        return forecasts
    forecasts["class_d_solver"] = solver.restart(windows, leads)
    forecasts["refitted_solver"] = solver.restart_fitted(windows, leads)
    if train is not None and is_solvable(train):
        forecasts["fitted_solver"] = solver.restart(windows, leads, _fitted(train))
    return forecasts


# The next frame and the roll-outs ask for the same fit; windows are told apart by their identity.
_fitted = functools.lru_cache(maxsize=1)(solver.fit_factors)


def evaluate_baselines(recipe, parts: dict[str, Windows]) -> dict[str, Scores]:
    """Score the baselines on held-out data.

    Parameters
    ----------
    recipe : PlumeRecipe
        Of the run.
    parts : dict of str to Windows
        "test" and, where they are known, "train" and "transfer".

    Returns
    -------
    dict of str to Scores
        By name, on "test"; those of "transfer", where there is one, begin with `transfer_`.
    """
    scores = _scores_on(parts["test"], recipe, parts.get("train"))
    if "transfer" not in parts:
        return scores
    there = _scores_on(parts["transfer"], recipe, parts.get("train"))
    return {name: one.merge(there.get(name, Scores({})), "transfer_") for name, one in scores.items()}


def _scores_on(windows: Windows, recipe, train: Windows | None) -> dict[str, Scores]:
    sums = sums_in_parts(windows, target_sums, lambda some: baseline_forecasts(some, recipe.data.horizon, train), 1)
    return {name: pooled_scores(of, windows.groups, recipe.seed) for name, of in sums.items()}


def sums_in_parts(windows: Windows, sums: Callable, forecasts: Callable, frames: int) -> dict[str, np.ndarray]:
    """Make forecasts of some runs at a time, and keep no more than what their scores are made of.

    Parameters
    ----------
    windows : Windows
        n windows.
    sums : callable
        ``sums(some_windows, forecast)``: (some windows, ...).
    forecasts : callable
        ``forecasts(some_windows)``: {name: Forecast}.
    frames : int
        Of a forecast.

    Returns
    -------
    dict of str to numpy.ndarray
        {name: (n, ...)}.
    """
    order, found = [np.zeros(0, int)], {}
    for rows in windows.by_runs(frames):
        order.append(rows)
        some = windows.take(rows)
        for name, forecast in forecasts(some).items():
            found.setdefault(name, []).append(sums(some, forecast))
    back = np.argsort(np.concatenate(order))
    return {name: np.concatenate(parts)[back] for name, parts in found.items()}


def with_error_ratios(model: Scores, baselines: dict[str, Scores]) -> Scores:
    """Add the mean squared error, of roll-outs and transfer data too, as a share of each baseline's and the best one's.

    They are called `mse_ratio_persistence`, ..., `mse_ratio_best`; the network untrained is among them.
    """
    for metric in ("mse", "rollout_mse", "wrong_wind_mse", "transfer_mse"):
        for name, other in baselines.items():
            model = model.with_ratio(metric, other, f"{metric}_ratio_{name}")
        known = [other for other in baselines.values() if other.values.get(metric) is not None]
        best = min(known, key=lambda other: other.values[metric], default=None)
        model = model.with_ratio(metric, best, f"{metric}_ratio_best")
    return model
