"""What TensorBoard shows after every epoch, on validation days."""

import numpy as np

from kmodels.core.spec.task import EvaluationInput
from kmodels.precip.evaluation import figures
from kmodels.precip.evaluation.daily_statistics import DailyStatistics
from kmodels.precip.evaluation.metrics import GAPS, combine, latent
from kmodels.precip.evaluation.sampling import with_statistics

MEMBERS, POSTERIOR_MEMBERS = 6, 2
MOST_DAYS = 150  # evenly from all: every epoch looks at them
SCALARS = ("crps", "spread_skill", "p99_ratio", "p95_ratio", "max_ratio", "mean_ratio", "diversity", "ralsd")
SCALARS += ("wet_difference", "mass_bias", "distance_ratio")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """Sample a few fields of some days, from the prior and from the posterior; return scalars and pictures.

    mae_tail is the posterior's: the prototype chose an epoch by it. crps is the prior's; it says which epoch is kept.
    """
    sampler = evaluated.prediction
    rows = np.unique(np.linspace(0, len(sampler.days) - 1, MOST_DAYS).astype(int))
    sampler = sampler.take(rows).replace(members=min(MEMBERS, sampler.members))
    samples = with_statistics(sampler, brief=True, posterior_members=POSTERIOR_MEMBERS).statistics
    return scalars(samples), figures.of_epoch(samples)


def scalars(samples) -> dict[str, float]:
    """Score sampled fields."""
    prior, posterior = combine(samples.prior), combine(samples.posterior)
    values = {"mae_tail": posterior["mae_tail"], "prior_mae_tail": prior["mae_tail"]}
    values |= {name: prior[name] for name in SCALARS}
    values |= {f"posterior_{name}": posterior[name] for name in ("crps", "diversity", *GAPS)}
    values |= {f"gap_{name}": prior[name] / posterior[name] if posterior[name] else np.nan for name in GAPS}
    values |= distances(samples.prior)
    values |= latent(samples)
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def distances(daily: DailyStatistics) -> dict[str, float]:
    """Compute how far members lie from the truth and from each other; equal where the truth could be a member.

    Returns
    -------
    dict of str to float
        truth_distance, mean |x_i - y| and member_distance, mean |x_i - x_j|, i != j, over days and cells [mm/day]; by
        the fair CRPS, which is the first less half of the second.
    """
    truth = float(daily.each["distance"].mean())
    members = 2 * (truth - float(daily.each["crps"].mean())) if daily.members > 1 else np.nan
    return {"truth_distance": truth, "member_distance": members}
