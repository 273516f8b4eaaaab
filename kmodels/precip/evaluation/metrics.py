"""Scores of ensembles of rain fields, from what was computed day by day; pure functions of it."""

import numpy as np

from kmodels.core.io.rows import blocks, is_on_disk
from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.precip.evaluation.daily_statistics import BINS, POOLED, TOP, DailyStatistics, SampleStatistics

YEARS = 10.0  # return period
DAYS_A_YEAR = 365.25
RETURN_LEVEL = 1 - 1 / (YEARS * DAYS_A_YEAR)
GAPS = ("max_ratio", "mean_ratio", "p95_ratio", "p99_ratio")
COMPARED = {  # baseline: scores of it that gates ask ours for a share of
    "rainfarm": ("crps",),
    "latent_gaussian": ("crps", "twcrps_p99", "crps_max_4", "crps_max_16", "fss", "csi_p99"),
    "exact_posterior": ("crps",),
}
RESAMPLES = 300
ACTIVE = 0.01  # variance from which a latent dimension counts as used


def metrics(samples: SampleStatistics, seed: int) -> Scores:
    """Score sampled fields.

    Parameters
    ----------
    samples : SampleStatistics
        What was computed of prior and posterior fields.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Scores
        Of prior fields as `combine` names them; `posterior_*` of posterior ones; `gap_*`, ratios of both; those of
        `latent`.
    """
    prior = scores(samples.prior, seed)
    posterior = combine(samples.posterior)
    values = dict(prior.values)
    values |= {f"posterior_{name}": finite(posterior[name]) for name in ("crps", "diversity", "mae_tail", *GAPS)}
    values |= {f"gap_{name}": _ratio(values[name], posterior[name]) for name in GAPS}
    return Scores(values | latent(samples), prior.intervals, prior.resampled)


def compare_with_baselines(scores: Scores, baselines: dict[str, Scores]) -> Scores:
    """Add `SCORE_ratio_NAME`, a score as a share of that of each baseline which a gate asks for; None without it."""
    for name, compared in COMPARED.items():
        for score in compared:
            scores = scores.with_ratio(score, baselines.get(name), f"{score}_ratio_{name}")
    return scores


def latent(samples: SampleStatistics) -> dict[str, float]:
    """Compute kl [nats], active_units and shuffled_ratio of what is latent, the code z and noise with a posterior.

    active_units: latent dimensions whose posterior mean varies: its variance over days, less that of the prior's mean,
    is above 0.01 (Burda, Grosse and Salakhutdinov 2016, ICLR). shuffled_ratio: CRPS of posterior fields with another
    day's latents over that with their own.
    """
    active = samples.mean_shift.var(0) > ACTIVE
    return {
        "kl": float(samples.kl_by_dimension.sum() + samples.map_kl),
        "active_units": float(active.sum()),
        "shuffled_ratio": _ratio(*(combine(daily)["crps"] for daily in (samples.shuffled, samples.posterior))),
    }


def finite(value: float) -> float | None:
    """Return the number; None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def _ratio(value, reference) -> float | None:
    return None if value is None or not reference or not np.isfinite(reference) else float(value / reference)


def quantile(histogram: np.ndarray, levels) -> np.ndarray:
    """Read quantiles [mm/day] off a histogram (BINS,), linear within a bin of log1p."""
    cumulative = np.concatenate([[0.0], np.cumsum(histogram, dtype="float64")])
    edges = np.linspace(0, TOP, BINS + 1)
    return np.expm1(np.interp(np.asarray(levels) * cumulative[-1], cumulative, edges))


def combine(daily: DailyStatistics, weight: np.ndarray | None = None) -> dict[str, float]:
    """Compute all scores of days that count `weight` times each (once), but those that brief statistics do not hold.

    Not a number where a score is not defined.

    crps, twcrps_p95, twcrps_p99 [mm/day]: fair, (threshold-weighted) continuous ranked probability score.
    crps_mean_N, crps_max_N [mm/day]: fair CRPS of the mean, and of the most, of squares of N x N cells.
    distance_ratio: mean |x_i - x_j| / mean |x_i - y| of members x and truth y, 1 where the truth could be a member.
    spread_skill: sqrt((M+1)/M) sqrt(mean variance) / RMSE of the mean. p99_ratio, p999_ratio, return_level_ratio: the
    quantile of all sampled amounts over that of the real ones, p99_bias = |ratio - 1|. wet_difference: |share of wet
    cells sampled - real|. mass_bias: |sum sampled / sum real - 1|. ralsd [dB]: root mean squared difference of the
    logarithms of the radial spectra. csi: hits / (hits + false alarms + misses). rank_deviation: sum |share of a rank
    - 1/(M+1)|. On heavy days: max_ratio, mean_ratio, p95_ratio, diversity. mae_tail [mm/day]: of a member where the
    truth is above P99.
    """
    weight = np.ones(len(daily.groups)) if weight is None else weight
    e = {name: float(value @ weight) for name, value in daily.each.items()}
    n = weight.sum()
    truth, sampled = (_total(weight, daily.histograms[name]) for name in ("truth", "members"))
    levels = (0.99, 0.999, RETURN_LEVEL)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = quantile(sampled, levels) / quantile(truth, levels)
        power = {name: _total(weight, value) for name, value in daily.power.items()}
        decibel = 10 * np.log10(power["members"] / power["truth"])
        values = {name: e[name] / n for name in ("crps", "twcrps_p95", "twcrps_p99", *POOLED) if name in e}
        m = daily.members
        values |= {
            "spread_skill": np.sqrt(np.float64((m + 1) / m * e["variance"]) / e["error2"]) if m > 1 else np.nan,
            "distance_ratio": 2 * (1 - np.float64(e["crps"]) / e["distance"]) if m > 1 else np.nan,
            "p99_ratio": ratios[0],
            "p99_bias": abs(ratios[0] - 1),
            "p999_ratio": ratios[1],
            "p999_bias": abs(ratios[1] - 1),
            "return_level_ratio": ratios[2],
            "wet_difference": abs(e["wet_sampled"] - e["wet"]) / n,
            "mass_bias": abs(np.float64(e["sampled"]) / e["rain"] - 1),
            "ralsd": np.sqrt(np.mean(decibel**2)),
            "rank_deviation": np.abs(_total(weight, daily.ranks) / n - 1 / (m + 1)).sum(),
            "mae_tail": np.float64(e["tail_error"]) / e["tail"],
        }
        if "fss" in e:
            values["fss"] = np.float64(e["fss"]) / e["fss_days"]
        for name in ("p95", "p99"):
            hits = np.float64(e[f"hits_{name}"])
            values[f"csi_{name}"] = hits / (hits + e[f"alarms_{name}"] + e[f"misses_{name}"])
    return {name: float(value) for name, value in (values | _on_heavy_days(daily, weight)).items()}


def _total(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Add up values of days, (days, k) -> (k,), that count `weight` times each; block by block from disk."""
    if not is_on_disk(values):
        return weight @ values
    return sum(weight[some] @ values[some] for some in blocks(values))


def _on_heavy_days(daily: DailyStatistics, weight) -> dict[str, float]:
    """Compute what the prototype reported: scores of heavy days alone."""
    weight = weight * daily.each["heavy"]
    if not weight.sum():
        return dict.fromkeys(("max_ratio", "mean_ratio", "p95_ratio", "diversity", "real_max", "real_mean"), np.nan)
    e = {name: float(value @ weight) for name, value in daily.each.items()}
    p95 = [float(quantile(_total(weight, daily.histograms[name]), 0.95)) for name in ("members", "truth")]
    return {
        "max_ratio": e["maximum_sampled"] / e["maximum"],
        "mean_ratio": e["sampled"] / e["rain"],
        "p95_ratio": p95[0] / p95[1] if p95[1] else np.nan,
        "diversity": e["diversity"] / weight.sum(),
        "real_max": e["maximum"] / weight.sum(),
        "real_mean": e["rain"] / weight.sum(),
    }


def scores(daily: DailyStatistics, seed: int, resamples: int = RESAMPLES) -> Scores:
    """Score all days, with 95% intervals from resampling whole blocks of days."""
    values = combine(daily)
    n_groups = len(np.unique(daily.groups))
    resampled = {}

    def of_each(weights):
        samples = [combine(daily, weight) for weight in weights]
        return {name: np.array([one[name] for one in samples]) for name in values}

    if n_groups > 1:
        resampled = verification.resample(daily.groups, seed, of_each, resamples, "float64")
    intervals = verification.intervals(resampled, n_groups)
    return Scores({name: finite(value) for name, value in values.items()}, intervals, resampled)


def brief_scores(daily: DailyStatistics, seed: int, resamples: int = RESAMPLES) -> Scores:
    """Score all days as `scores` does, with no more resampled than the CRPS: enough for a baseline."""
    values = {name: finite(value) for name, value in combine(daily).items()}

    def of_each(weights):
        return {"crps": weights @ daily.each["crps"] / weights.sum(1)}

    return Scores(values, {}, verification.resample(daily.groups, seed, of_each, resamples, "float64"))
