"""How good an ensemble of rain fields is. Probabilistic and spatial scores are those of the library `scores`."""

from dataclasses import dataclass

import numpy as np

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.precip.data.load import WET
from kmodels.precip.evaluation import spectrum
from kmodels.precip.evaluation.prediction import Ensemble

BINS = 4000  # of the histogram of log1p(rain) that quantiles are read from
TOP = np.log1p(4000.0)  # its upper end
WINDOW = (5, 5)  # neighbourhood of the fractions skill score [cells]
YEARS = 10.0  # return period
DAYS_A_YEAR = 365.25
PAIRS = 10  # members whose pairwise likeness is diversity, and whose fractions are scored


@dataclass(frozen=True)
class Thresholds:
    """Of the training days [mm/day]: quantiles of rain in a cell, and the mean over land above which a day is heavy."""

    p95: float
    p99: float
    heavy: float

    @classmethod
    def of(cls, known: dict) -> "Thresholds":
        """Those in a model's statistics."""
        return cls(*(float(known[name]) for name in ("p95", "p99", "heavy")))


@dataclass(frozen=True, eq=False)
class Sums:
    """What all scores are made of, day by day, so that days can be resampled.

    each: {name: (days,)}. histograms: {"truth", "members", "heavy_truth", "heavy_members"} -> (days, BINS), shares of
    the day's cells. power: {"truth", "members"} -> (days, k). ranks: (days, members + 1), shares. groups: (days,).
    """

    each: dict[str, np.ndarray]
    histograms: dict[str, np.ndarray]
    power: dict[str, np.ndarray]
    ranks: np.ndarray
    groups: np.ndarray
    members: int


def sums_of(ensemble: Ensemble, at: Thresholds, brief: bool = False, progress=None) -> Sums:
    """Look at every day of an ensemble once. brief: without the threshold-weighted and the fractions skill scores."""
    days, parts = ensemble.days, []
    heavy = days.heavy(at.heavy)
    for rows, fields in ensemble.blocks(progress):
        parts.append(_sums_of_block(fields, days.rain(rows), days.domain.observed, at, brief))
    joined = [{k: np.concatenate([part[n][k] for part in parts]) for k in parts[0][n]} for n in range(3)]
    each, histograms, power = joined
    each["heavy"] = heavy.astype(float)
    ranks = np.concatenate([part[3] for part in parts])
    return Sums(each, histograms, power, ranks, days.groups, ensemble.members)


def _sums_of_block(fields, truth, observed, at: Thresholds, brief: bool):
    """(each, histograms, power, ranks) of some days. fields: (days, members, y, x). truth: (days, y, x)."""
    members = fields.shape[1]
    x, y = fields[..., observed].astype("float64"), truth[..., observed].astype("float64")
    mean = x.mean(1)
    tail = y >= at.p99
    wrong = np.abs(x - y[:, None])
    each = {
        "error2": ((mean - y) ** 2).mean(1),
        "variance": x.var(1, ddof=1).mean(1) if members > 1 else np.zeros(len(x)),
        "rain": y.mean(1),
        "drawn": mean.mean(1),
        "wet": (y >= WET).mean(1),
        "wet_drawn": (x >= WET).mean((1, 2)),
        "maximum": y.max(1),
        "maximum_drawn": x.max(2).mean(1),
        "tail": tail.sum(1),
        "tail_error": (wrong.mean(1) * tail).sum(1),
        "diversity": _diversity(x[:, :PAIRS]),
        "crps": crps(x, y),
        **_events(x, y, at),
    }
    if not brief:
        each |= _above_thresholds(x, y, at) | _fractions(fields, truth, observed, at)
    histograms = {"truth": _histogram(y[:, None]), "members": _histogram(x)}
    power = {
        "truth": spectrum.radial_power(truth * observed),
        "members": spectrum.radial_power(fields * observed).mean(1),
    }
    return each, histograms, power, _ranks(x, y)


def _diversity(x: np.ndarray) -> np.ndarray:
    """1 - mean pairwise cosine similarity of a day's fields, (days,); 0 of one field. x: (days, members, cells)."""
    members = x.shape[1]
    if members < 2:
        return np.zeros(len(x))
    unit = x / np.maximum(np.linalg.norm(x, axis=2, keepdims=True), 1e-12)
    likeness = (np.square(unit.sum(1)).sum(1) - np.square(unit).sum((1, 2))) / (members * (members - 1))
    return 1 - likeness


def _events(x, y, at: Thresholds) -> dict[str, np.ndarray]:
    """Hits, false alarms and misses of the forecast "at least half of the members say so", for each threshold."""
    found = {}
    for name in ("p95", "p99"):
        said, seen = (x >= getattr(at, name)).mean(1) >= 0.5, y >= getattr(at, name)
        found |= {
            f"hits_{name}": (said & seen).sum(1),
            f"alarms_{name}": (said & ~seen).sum(1),
            f"misses_{name}": (~said & seen).sum(1),
        }
    return found


def crps(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(days,) fair continuous ranked probability score; of one member its absolute error. x: (days, members, cells)."""
    # Here, because it takes seconds to import.
    from scores.probability import crps_for_ensemble

    return crps_for_ensemble(*_arrays(x, y), "member", **_how(x)).values


def mean_crps(ensemble: Ensemble) -> float:
    """The mean of `crps` over all days of an ensemble [mm/day]."""
    days, observed = ensemble.days, ensemble.days.domain.observed
    found = [crps(fields[..., observed], days.rain(rows)[..., observed]) for rows, fields in ensemble.blocks()]
    return float(np.concatenate(found).mean(dtype="float64"))


def _arrays(x, y):
    import xarray as xr

    return xr.DataArray(x, dims=("day", "member", "cell")), xr.DataArray(y, dims=("day", "cell"))


def _how(x) -> dict:
    return {"method": "fair" if x.shape[1] > 1 else "ecdf", "preserve_dims": ("day",)}


def _above_thresholds(x, y, at: Thresholds) -> dict[str, np.ndarray]:
    """Of each day the parts of the fair CRPS above thresholds."""
    from scores.probability import tail_tw_crps_for_ensemble

    thresholds = {"p95": at.p95, "p99": at.p99}
    return {
        f"twcrps_{name}": tail_tw_crps_for_ensemble(*_arrays(x, y), "member", threshold, **_how(x)).values
        for name, threshold in thresholds.items()
    }


def _fractions(fields, truth, observed, at: Thresholds) -> dict[str, np.ndarray]:
    """Of each day the mean fractions skill score of its members, and whether it has an event at all."""
    import xarray as xr
    from scores.spatial import fss_2d

    dims = ("day", "member", "y", "x")
    some = xr.DataArray(np.where(observed, fields[:, :PAIRS], 0), dims=dims)
    real = xr.DataArray(np.where(observed, truth, 0)[:, None].repeat(some.shape[1], 1), dims=dims)
    fss = fss_2d(
        some,
        real,
        event_threshold=at.p95,
        window_size=tuple(min(w, n) for w, n in zip(WINDOW, observed.shape, strict=True)),
        spatial_dims=("y", "x"),
        preserve_dims=("day", "member"),
    ).values
    seen = (truth * observed >= at.p95).any((1, 2))  # without an event there is nothing to find
    return {"fss": np.where(seen, np.nan_to_num(fss).mean(1), 0.0), "fss_days": seen.astype(float)}


def _histogram(x: np.ndarray) -> np.ndarray:
    """(days, BINS) shares of a day's amounts, by log1p. x: (days, members, cells)."""
    bins = np.minimum((np.log1p(x) * (BINS / TOP)).astype(int), BINS - 1).reshape(len(x), -1)
    return np.stack([np.bincount(row, minlength=BINS) for row in bins]).astype("float32") / bins.shape[1]


def _ranks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(days, members + 1) share of cells where the truth has each rank among the members, ties split evenly."""
    below, equal = (x < y[:, None]).sum(1), (x == y[:, None]).sum(1)
    count = x.shape[1] + 1
    found = np.zeros((len(x), count + 1))
    share = 1.0 / (equal + 1)
    for day in range(len(x)):
        found[day] += np.bincount(below[day], share[day], count + 1)
        found[day] -= np.bincount(below[day] + equal[day] + 1, share[day], count + 1)
    return found.cumsum(1)[:, :count] / y.shape[1]


def quantile(histogram: np.ndarray, levels) -> np.ndarray:
    """Quantiles [mm/day] of a histogram (BINS,), linear within a bin of log1p."""
    cumulative = np.concatenate([[0.0], np.cumsum(histogram, dtype="float64")])
    edges = np.linspace(0, TOP, BINS + 1)
    return np.expm1(np.interp(np.asarray(levels) * cumulative[-1], cumulative, edges))


RETURN_LEVEL = 1 - 1 / (YEARS * DAYS_A_YEAR)


def combined(sums: Sums, weight: np.ndarray) -> dict[str, float]:
    """All scores of days that count `weight` times each, but those that brief sums do not hold. Not a number where one
    is not defined.

    crps, twcrps_p95, twcrps_p99 [mm/day]: fair, (threshold-weighted) continuous ranked probability score.
    spread_skill: sqrt((M+1)/M) sqrt(mean variance) / RMSE of the mean. p99_ratio, p999_ratio, return_level_ratio: the
    quantile of all drawn amounts over that of the real ones, p99_bias = |ratio - 1|. wet_difference: |share of wet
    cells drawn - real|. mass_bias: |sum drawn / sum real - 1|. ralsd [dB]: root mean squared difference of the
    logarithms of the radial spectra. csi: hits / (hits + false alarms + misses). rank_deviation: sum |share of a rank
    - 1/(M+1)|. On heavy days: max_ratio, mean_ratio, p95_ratio, diversity. mae_tail [mm/day]: of a member where the
    truth is above P99.
    """
    e = {name: float(value @ weight) for name, value in sums.each.items()}
    n = weight.sum()
    truth, drawn = (weight @ sums.histograms[name] for name in ("truth", "members"))
    levels = (0.99, 0.999, RETURN_LEVEL)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = quantile(drawn, levels) / quantile(truth, levels)
        power = {name: weight @ value for name, value in sums.power.items()}
        decibel = 10 * np.log10(power["members"] / power["truth"])
        found = {name: e[name] / n for name in ("crps", "twcrps_p95", "twcrps_p99") if name in e}
        m = sums.members
        found |= {
            "spread_skill": np.sqrt(np.float64((m + 1) / m * e["variance"]) / e["error2"]) if m > 1 else np.nan,
            "p99_ratio": ratios[0],
            "p99_bias": abs(ratios[0] - 1),
            "p999_ratio": ratios[1],
            "return_level_ratio": ratios[2],
            "wet_difference": abs(e["wet_drawn"] - e["wet"]) / n,
            "mass_bias": abs(np.float64(e["drawn"]) / e["rain"] - 1),
            "ralsd": np.sqrt(np.mean(decibel**2)),
            "rank_deviation": np.abs(weight @ sums.ranks / n - 1 / (m + 1)).sum(),
            "mae_tail": np.float64(e["tail_error"]) / e["tail"],
        }
        if "fss" in e:
            found["fss"] = np.float64(e["fss"]) / e["fss_days"]
        for name in ("p95", "p99"):
            hits = np.float64(e[f"hits_{name}"])
            found[f"csi_{name}"] = hits / (hits + e[f"alarms_{name}"] + e[f"misses_{name}"])
    return {name: float(value) for name, value in (found | _on_heavy_days(sums, weight)).items()}


def _on_heavy_days(sums: Sums, weight) -> dict[str, float]:
    """Compute what the prototype reported: scores of heavy days alone."""
    weight = weight * sums.each["heavy"]
    if not weight.sum():
        return dict.fromkeys(("max_ratio", "mean_ratio", "p95_ratio", "diversity", "real_max", "real_mean"), np.nan)
    e = {name: float(value @ weight) for name, value in sums.each.items()}
    p95 = [float(quantile(weight @ sums.histograms[name], 0.95)) for name in ("members", "truth")]
    return {
        "max_ratio": e["maximum_drawn"] / e["maximum"],
        "mean_ratio": e["drawn"] / e["rain"],
        "p95_ratio": p95[0] / p95[1] if p95[1] else np.nan,
        "diversity": e["diversity"] / weight.sum(),
        "real_max": e["maximum"] / weight.sum(),
        "real_mean": e["rain"] / weight.sum(),
    }


def scores(sums: Sums, seed: int, resamples: int = 300) -> Scores:
    """Scores of all days, and 95% intervals from resampling whole blocks of days."""
    n = len(sums.groups)
    values = combined(sums, np.ones(n))
    n_groups = len(np.unique(sums.groups))
    weights = verification.bootstrap_weights(sums.groups, seed, resamples).astype("float64")
    drawn = [combined(sums, weight) for weight in weights] if n_groups > 1 else []
    resampled = {name: np.array([one[name] for one in drawn]) for name in values}
    intervals = verification.intervals(resampled, n_groups)
    return Scores({name: value if np.isfinite(value) else None for name, value in values.items()}, intervals)
