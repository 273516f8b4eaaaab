"""Forecasts that need no network, and the network's error as a share of theirs."""

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.plume.data.advection import semi_lagrangian_step
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.metrics import metrics
from kmodels.plume.evaluation.prediction import Forecast


def persistence(windows: Windows, leads: int) -> Forecast:
    """Forecast that the last frame seen stays, for all leads."""
    last = windows.past(np.arange(len(windows)))[:, -1:]
    return Forecast(windows, np.repeat(last, leads, axis=1))


def wind_moved(windows: Windows, leads: int) -> Forecast:
    """Move the last frame seen by the wind of each frame on the way (the last seen one's for the first step)."""
    rows = np.arange(len(windows))
    cloud = windows.past(rows)[:, -1]
    below = windows.maps(rows).below_ground
    frames = []
    for lead in range(leads):
        wind = windows.wind_at(rows, lead)
        cloud = semi_lagrangian_step(cloud, wind, windows.frame_seconds, windows.cell, below)
        frames.append(cloud)
    return Forecast(windows, np.stack(frames, axis=1))


def baseline_forecasts(windows: Windows, leads: int) -> dict[str, Forecast]:
    """Make the forecasts that need no network; those that need wind only where it was measured.

    Parameters
    ----------
    windows : Windows
        What they start from.
    leads : int
        Frames to forecast.

    Returns
    -------
    dict of str to Forecast
        "persistence", "wind_moved".
    """
    forecasts = {"persistence": persistence(windows, leads)}
    if windows.has_wind:
        forecasts["wind_moved"] = wind_moved(windows, leads)
    return forecasts


def evaluate_baselines(recipe, parts: dict[str, Windows]) -> dict[str, Scores]:
    """Score the baselines on ``parts["test"]``: {name: Scores}."""
    test = parts["test"]
    forecasts = baseline_forecasts(test, recipe.data.horizon)
    return {name: metrics(test, forecast, recipe.seed) for name, forecast in forecasts.items()}


def with_error_ratios(model: Scores, baselines: dict[str, Scores]) -> Scores:
    """Add the mean squared error, of roll-outs too, as a share of each baseline's: `mse_ratio_persistence` ..."""
    for metric in ("mse", "rollout_mse"):
        for name, other in baselines.items():
            model = model.with_ratio(metric, other, f"{metric}_ratio_{name}")
    return model
