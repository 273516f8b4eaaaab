"""A longer look at a trained model: thirty steps on its own output, beside what needs no model."""

import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation import figures
from kmodels.plume.evaluation.metrics import air_of, free_forecasts, scores, sums_of
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.evaluation.rollout import roll_out

LEADS = 30
ROLL_OUTS = 60  # about so many in all
PER_RUN = 3  # at most so many of a run; windows that overlap say little more


def examine(model, windows: Windows, recipe) -> ExtendedEvaluation:
    """Scores `rollout_*` over all leads and `*_lead_30`, those of the baselines, curves over lead time, and a film.

    Nothing where the model does not forecast the very next frame, or no run goes on for thirty frames.
    """
    rows = chosen(windows)
    if recipe.data.horizon != 1 or not len(rows):
        return ExtendedEvaluation()
    windows = windows.take(rows)
    truth = windows.future(np.arange(len(rows)), LEADS)
    forecasts = {"model": roll_out(model, windows, recipe, LEADS)} | free_forecasts(windows, LEADS)
    sums = {name: _sums(truth, forecast) for name, forecast in forecasts.items()}
    pooled = {name: scores(of.sum(1), windows.groups, recipe.seed) for name, of in sums.items()}
    by_lead = {name: [scores(of[:, k], windows.groups, 0) for k in range(LEADS)] for name, of in sums.items()}
    last = {
        name: Scores({f"{metric}_lead_{LEADS}": value for metric, value in each[-1].values.items()})
        for name, each in by_lead.items()
    }
    found = {name: Scores({}).merge(pooled[name], "rollout_").merge(last[name], "") for name in forecasts}
    row = int(np.argmax(truth[:, 0].sum((1, 2, 3))))
    return ExtendedEvaluation(
        found.pop("model"),
        found,
        {"roll-out": figures.lead_curves(by_lead, windows.frame_seconds)},
        {"rollout.gif": figures.film(truth[row], forecasts["model"], row)},
    )


def chosen(windows: Windows) -> np.ndarray:
    """Rows of windows, spread over each run, that are followed by as many frames as a roll-out has."""
    rows = np.flatnonzero(windows.leads >= LEADS)
    runs = windows.run[rows]
    names = np.unique(runs)
    per_run = int(np.clip(ROLL_OUTS // max(len(names), 1), 1, PER_RUN))
    of_runs = (rows[runs == run] for run in names)
    spread = [own[np.unique(np.linspace(0, len(own) - 1, per_run).astype(int))] for own in of_runs]
    return np.concatenate(spread) if spread else rows


def _sums(truth: np.ndarray, forecast: Forecast) -> np.ndarray:
    """(windows, leads, sums), see metrics.sums_of."""
    air = air_of(forecast.windows, np.arange(len(truth)))
    return np.stack([sums_of(truth[:, k], forecast.concentration[:, k], air) for k in range(truth.shape[1])], axis=1)
