"""What one forecast of each held-out window does not show: thirty steps on the network's own output."""

import functools
from collections.abc import Callable

import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.plume.data.flow.wind_error import with_error
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation import figures
from kmodels.plume.evaluation.baselines import baseline_forecasts, sums_in_parts
from kmodels.plume.evaluation.metrics import air_mask, pooled_scores, window_sums
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.evaluation.rollout import roll_out

LEADS = 30
ROLL_OUTS = 60  # about so many in all
CURVES = {"rollout_": "roll-out", "wrong_wind_": "roll-out under a wrong wind"}
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
        Scores `rollout_*` over all leads and `*_lead_30`, the same under a wrong wind as `wrong_wind_*`, those of the
        baselines, curves over lead time, and an animation. Empty where the model does not forecast the very next frame,
        or no run goes on for thirty frames.
    """
    rows = rollout_rows(windows)
    if recipe.data.horizon != 1 or not len(rows):
        return ExtendedEvaluation()
    cases = _baselines(windows, train, recipe.seed)
    by_lead, found, theirs = {}, Scores({}), {}
    for prefix, (given, known) in cases.items():
        sums = _sums(given, lambda some: {"model": roll_out(model, some, recipe, LEADS)}) | known
        scores = {name: _scores(of, given.groups, recipe.seed, prefix) for name, of in sums.items()}
        by_lead[prefix] = {
            name: [pooled_scores(of[:, k], given.groups, 0) for k in range(LEADS)] for name, of in sums.items()
        }
        found = found.merge(scores.pop("model"))
        theirs = {name: theirs.get(name, Scores({})).merge(one) for name, one in scores.items()}
    curves = {CURVES[prefix]: figures.plot_lead_curves(of, windows.frame_seconds) for prefix, of in by_lead.items()}
    shown = _fullest(cases["rollout_"][0])
    truth, forecast = shown.future(np.arange(1), LEADS)[0], roll_out(model, shown, recipe, LEADS)
    return ExtendedEvaluation(found, theirs, curves, {"rollout.gif": figures.animate(truth, forecast, 0)})


# The network untrained asks for the same: windows are told apart by their identity.
@functools.lru_cache(maxsize=1)
def _baselines(windows: Windows, train: Windows | None, seed: int) -> dict[str, tuple[Windows, dict]]:
    """Roll the baselines out under the true wind and, where there is wind, under a wrong one.

    Returns by prefix of the scores: the windows with the wind that forecasts are given, and `lead_sums` of each
    baseline.
    """
    windows = windows.take(rollout_rows(windows))
    given = {"rollout_": windows}
    if windows.has_wind:
        given["wrong_wind_"] = with_error(windows, np.random.default_rng([seed, 0x817D]))
    return {
        prefix: (some, _sums(some, lambda part: baseline_forecasts(part, LEADS, train)))
        for prefix, some in given.items()
    }


def _sums(windows: Windows, forecasts: Callable) -> dict[str, np.ndarray]:
    """Compute the `lead_sums` of forecasts that are made of some windows at a time, by name."""

    def of_part(some: Windows, forecast: Forecast) -> np.ndarray:
        return lead_sums(some.future(np.arange(len(some)), LEADS), forecast)

    return sums_in_parts(windows, of_part, forecasts, LEADS)


def _fullest(windows: Windows) -> Windows:
    """Select the window whose next frame has most mass: there is something to see."""
    rows = np.arange(len(windows))
    mass = [windows.target(rows[k : k + 1], 1).sum() for k in range(len(rows))]
    return windows.take(rows[[int(np.argmax(mass))]])


def _scores(sums: np.ndarray, groups: np.ndarray, seed: int, prefix: str) -> Scores:
    """Score all leads together, and the last one, from `lead_sums`."""
    whole, last = pooled_scores(sums.sum(axis=1), groups, seed), pooled_scores(sums[:, -1], groups, seed)
    last = Scores({f"{metric}_lead_{LEADS}": value for metric, value in last.values.items()})
    return Scores({}).merge(whole, prefix).merge(last, prefix.removeprefix("rollout_"))


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
