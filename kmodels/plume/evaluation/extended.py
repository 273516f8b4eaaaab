"""What one forecast of each held-out window does not show: thirty steps on the network's own output."""

import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation import figures
from kmodels.plume.evaluation.baselines import baseline_forecasts
from kmodels.plume.evaluation.metrics import air_mask, pooled_scores, window_sums
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.evaluation.rollout import roll_out

LEADS = 30
ROLL_OUTS = 60  # about so many in all
PER_RUN = 3  # at most so many of a run; windows that overlap say little more


def evaluate_rollouts(model, windows: Windows, recipe, train: Windows | None = None) -> ExtendedEvaluation:
    """Score roll-outs of thirty frames beside the baselines'.

    Parameters
    ----------
    model : PlumeNet
        Forecasts the next frame.
    windows : Windows
        Held-out windows.
    recipe : PlumeRecipe
        Of the model.
    train : Windows or None
        Training windows, for baselines that learn.

    Returns
    -------
    ExtendedEvaluation
        Scores `rollout_*` over all leads and `*_lead_30`, those of the baselines, curves over lead time, and an
        animation. Empty where the model does not forecast the very next frame, or no run goes on for thirty frames.
    """
    rows = rollout_rows(windows)
    if recipe.data.horizon != 1 or not len(rows):
        return ExtendedEvaluation()
    windows = windows.take(rows)
    truth = windows.future(np.arange(len(rows)), LEADS)
    forecasts = {"model": roll_out(model, windows, recipe, LEADS)} | baseline_forecasts(windows, LEADS, train)
    sums = {name: lead_sums(truth, forecast) for name, forecast in forecasts.items()}
    pooled = {name: pooled_scores(of.sum(1), windows.groups, recipe.seed) for name, of in sums.items()}
    by_lead = {name: [pooled_scores(of[:, k], windows.groups, 0) for k in range(LEADS)] for name, of in sums.items()}
    last = {
        name: Scores({f"{metric}_lead_{LEADS}": value for metric, value in each[-1].values.items()})
        for name, each in by_lead.items()
    }
    scores = {name: Scores({}).merge(pooled[name], "rollout_").merge(last[name], "") for name in forecasts}
    row = int(np.argmax(truth[:, 0].sum((1, 2, 3))))
    return ExtendedEvaluation(
        scores.pop("model"),
        scores,
        {"roll-out": figures.plot_lead_curves(by_lead, windows.frame_seconds)},
        {"rollout.gif": figures.animate(truth[row], forecasts["model"], row)},
    )


def rollout_rows(windows: Windows) -> np.ndarray:
    """Choose rows of windows, spread over each run, that are followed by as many frames as a roll-out has."""
    rows = np.flatnonzero(windows.leads >= LEADS)
    runs = windows.run[rows]
    names = np.unique(runs)
    per_run = int(np.clip(ROLL_OUTS // max(len(names), 1), 1, PER_RUN))
    of_runs = (rows[runs == run] for run in names)
    spread = [own[np.unique(np.linspace(0, len(own) - 1, per_run).astype(int))] for own in of_runs]
    return np.concatenate(spread) if spread else rows


def lead_sums(truth: np.ndarray, forecast: Forecast) -> np.ndarray:
    """Compute the sums of each window and lead, (windows, leads, sums), see metrics.window_sums."""
    air = air_mask(forecast.windows, np.arange(len(truth)))
    leads = range(truth.shape[1])
    return np.stack([window_sums(truth[:, k], forecast.concentration[:, k], air) for k in leads], axis=1)
