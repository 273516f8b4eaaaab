"""What the scores of an ensemble are made of, day by day; by the library `scores` where it has them."""

from dataclasses import dataclass

import numpy as np

from kmodels.core.io.rows import AppendedTogether
from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Domain
from kmodels.precip.data.statistics import Statistics
from kmodels.precip.evaluation import spectrum
from kmodels.precip.evaluation.prediction import Ensemble

BINS = 4000  # of the histogram of log1p(rain) that quantiles are read from
TOP = np.log1p(4000.0)  # its upper end
WINDOW = (5, 5)  # neighbourhood of the fractions skill score [cells]
POOLED = {f"crps_{how}_{size}": (how, size) for size in (4, 16) for how in ("mean", "max")}
KINDS = ("each", "histograms", "power", "ranks")
PAIRS = 10  # members whose pairwise likeness is diversity, and whose fractions are scored


@dataclass(frozen=True, eq=False)
class DailyStatistics:
    """What all scores are made of, day by day, so that days can be resampled; on disk where it is large.

    Attributes
    ----------
    each : dict of str to ndarray
        {name: (days,)}.
    histograms : dict of str to ndarray
        {"truth", "members"} -> (days, BINS), shares of the day's cells.
    power : dict of str to ndarray
        {"truth", "members"} -> (days, k), by wavenumber.
    ranks : ndarray
        (days, members + 1), share of cells where the truth has each rank.
    groups : ndarray
        (days,), time blocks.
    members : int
        Fields of a day.
    """

    each: dict[str, np.ndarray]
    histograms: dict[str, np.ndarray]
    power: dict[str, np.ndarray]
    ranks: np.ndarray
    groups: np.ndarray
    members: int


@dataclass(frozen=True, eq=False)
class ExampleDay:
    """Fields of one day, to be looked at.

    Attributes
    ----------
    domain : Domain
        Land, and where rain is observed.
    truth, posterior : ndarray
        (y, x) [mm/day].
    prior : ndarray
        (fields, y, x) [mm/day].
    """

    domain: Domain
    truth: np.ndarray
    prior: np.ndarray
    posterior: np.ndarray


@dataclass(frozen=True, eq=False)
class SampleStatistics:
    """All that scores and figures of a network's fields are made of; no inference is needed any more.

    Attributes
    ----------
    prior, posterior, shuffled : DailyStatistics
        Of fields from z ~ p(z|x), from z ~ q(z|x,y), and from that of another day.
    kl_by_dimension : ndarray
        (d_z,), mean over days of KL(q || p) [nats].
    map_kl : float
        The same of the noise that has a posterior, all of it [nats].
    mean_shift : ndarray
        (days, d_z), mean of q less that of p.
    example : ExampleDay
        The day with most rain.
    """

    prior: DailyStatistics
    posterior: DailyStatistics
    shuffled: DailyStatistics
    kl_by_dimension: np.ndarray
    map_kl: float
    mean_shift: np.ndarray
    example: ExampleDay


def daily_statistics(ensemble: Ensemble, known: Statistics, brief: bool = False, progress=None) -> DailyStatistics:
    """Look at every day of an ensemble once.

    Parameters
    ----------
    ensemble : Ensemble
        Of days whose rain is known.
    known : Statistics
        Of the training days: P95, P99, and the mean over land above which a day is heavy.
    brief : bool
        Leave out what takes longest: threshold-weighted and fractions skill scores.
    progress : callable, optional
        progress(done, total).
    """
    days, made = ensemble.days, AppendedTogether()
    for rows, fields in ensemble.blocks(progress):
        found = zip(KINDS, _block_statistics(fields, days.rain(rows), days.domain.observed, known, brief), strict=True)
        made.append({(kind, name): values for kind, of in found for name, values in of.items()})
    arrays = made.arrays()
    each, histograms, power, ranks = ({name: arrays[of, name] for of, name in arrays if of == kind} for kind in KINDS)
    each["heavy"] = days.heavy(known.heavy).astype(float)
    return DailyStatistics(each, histograms, power, ranks["ranks"], days.groups, ensemble.members)


def _block_statistics(fields, truth, observed, known: Statistics, brief: bool):
    """Compute (each, histograms, power, ranks) of some days. fields: (days, members, y, x). truth: (days, y, x)."""
    members = fields.shape[1]
    x, y = fields[..., observed].astype("float64"), truth[..., observed].astype("float64")
    mean = x.mean(1)
    tail = y >= known.p99
    wrong = np.abs(x - y[:, None])
    each = {
        "error2": ((mean - y) ** 2).mean(1),
        "variance": x.var(1, ddof=1).mean(1) if members > 1 else np.zeros(len(x)),
        "rain": y.mean(1),
        "sampled": mean.mean(1),
        "wet": (y >= WET).mean(1),
        "wet_sampled": (x >= WET).mean((1, 2)),
        "maximum": y.max(1),
        "maximum_sampled": x.max(2).mean(1),
        "tail": tail.sum(1),
        "tail_error": (wrong.mean(1) * tail).sum(1),
        "distance": wrong.mean((1, 2)),
        "diversity": _diversity(x[:, :PAIRS]),
        "crps": crps(x, y),
        **_events(x, y, known),
    }
    if not brief:
        each |= _above_thresholds(x, y, known) | _fractions(fields, truth, observed, known)
        each |= _pooled(fields, truth, observed)
    histograms = {"truth": histogram_of(y[:, None]), "members": histogram_of(x)}
    power = {
        "truth": spectrum.radial_power(truth * observed),
        "members": spectrum.radial_power(fields * observed).mean(1),
    }
    return each, histograms, power, {"ranks": _ranks(x, y)}


def _diversity(x: np.ndarray) -> np.ndarray:
    """1 - mean pairwise cosine similarity of a day's fields, (days,); 0 of one field. x: (days, members, cells)."""
    members = x.shape[1]
    if members < 2:
        return np.zeros(len(x))
    unit = x / np.maximum(np.linalg.norm(x, axis=2, keepdims=True), 1e-12)
    likeness = (np.square(unit.sum(1)).sum(1) - np.square(unit).sum((1, 2))) / (members * (members - 1))
    return 1 - likeness


def _events(x, y, known: Statistics) -> dict[str, np.ndarray]:
    """Hits, false alarms and misses of the forecast "at least half of the members say so", for each threshold."""
    events = {}
    for name in ("p95", "p99"):
        predicted, seen = (x >= getattr(known, name)).mean(1) >= 0.5, y >= getattr(known, name)
        events |= {
            f"hits_{name}": (predicted & seen).sum(1),
            f"alarms_{name}": (predicted & ~seen).sum(1),
            f"misses_{name}": (~predicted & seen).sum(1),
        }
    return events


def crps(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the fair continuous ranked probability score; of one member its absolute error.

    Parameters
    ----------
    x : numpy.ndarray
        (days, members, cells).
    y : numpy.ndarray
        (days, cells).

    Returns
    -------
    numpy.ndarray
        (days,).
    """
    # Here, because it takes seconds to import.
    from scores.probability import crps_for_ensemble

    return crps_for_ensemble(*_arrays(x, y), "member", **_how(x)).values


def _arrays(x, y):
    import xarray as xr

    return xr.DataArray(x, dims=("day", "member", "cell")), xr.DataArray(y, dims=("day", "cell"))


def _how(x) -> dict:
    return {"method": "fair" if x.shape[1] > 1 else "ecdf", "preserve_dims": ("day",)}


def _above_thresholds(x, y, known: Statistics) -> dict[str, np.ndarray]:
    """Compute of each day the parts of the fair CRPS above thresholds."""
    from scores.probability import tail_tw_crps_for_ensemble

    thresholds = {"p95": known.p95, "p99": known.p99}
    return {
        f"twcrps_{name}": tail_tw_crps_for_ensemble(*_arrays(x, y), "member", threshold, **_how(x)).values
        for name, threshold in thresholds.items()
    }


def _pooled(fields, truth, observed) -> dict[str, np.ndarray]:
    """Compute of each day the fair CRPS of what squares of cells have in the mean or at most, where all is observed.

    The squares hold as many cells as the grid has, where it has fewer.
    """
    scored = {}
    for name, (how, size) in POOLED.items():
        size = min(size, *observed.shape)
        known = squares(observed, size, "min").ravel()
        x, y = (squares(of, size, how).reshape(*of.shape[:-2], -1)[..., known] for of in (fields, truth))
        if known.any():
            scored[name] = crps(x.astype("float64"), y.astype("float64"))
    return scored


def squares(fields: np.ndarray, size: int, how: str) -> np.ndarray:
    """Reduce squares of size x size cells by "mean", "max" or "min": (..., y, x) -> (..., Y, X), without the rest."""
    ny, nx = (n // size for n in fields.shape[-2:])
    cut = fields[..., : ny * size, : nx * size].reshape(*fields.shape[:-2], ny, size, nx, size)
    return getattr(cut, how)((-3, -1))


def _fractions(fields, truth, observed, known: Statistics) -> dict[str, np.ndarray]:
    """Compute of each day the mean fractions skill score of its members, and whether it has an event at all."""
    import xarray as xr
    from scores.spatial import fss_2d

    dims = ("day", "member", "y", "x")
    some = xr.DataArray(np.where(observed, fields[:, :PAIRS], 0), dims=dims)
    real = xr.DataArray(np.where(observed, truth, 0)[:, None].repeat(some.shape[1], 1), dims=dims)
    fss = fss_2d(
        some,
        real,
        event_threshold=known.p95,
        window_size=tuple(min(w, n) for w, n in zip(WINDOW, observed.shape, strict=True)),
        spatial_dims=("y", "x"),
        preserve_dims=("day", "member"),
    ).values
    seen = (truth * observed >= known.p95).any((1, 2))  # without an event there is nothing to find
    return {"fss": np.where(seen, np.nan_to_num(fss).mean(1), 0.0), "fss_days": seen.astype(float)}


def histogram_of(x: np.ndarray) -> np.ndarray:
    """Compute (days, BINS), shares of a day's amounts, by log1p. x: (days, members, cells)."""
    bins = np.minimum((np.log1p(x) * (BINS / TOP)).astype(int), BINS - 1).reshape(len(x), -1)
    return np.stack([np.bincount(row, minlength=BINS) for row in bins]).astype("float32") / bins.shape[1]


def _ranks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the share of cells where the truth has each rank, (days, members + 1), ties split evenly."""
    below, equal = (x < y[:, None]).sum(1), (x == y[:, None]).sum(1)
    count = x.shape[1] + 1
    counts = np.zeros((len(x), count + 1))
    share = 1.0 / (equal + 1)
    for day in range(len(x)):
        counts[day] += np.bincount(below[day], share[day], count + 1)
        counts[day] -= np.bincount(below[day] + equal[day] + 1, share[day], count + 1)
    return counts.cumsum(1)[:, :count] / y.shape[1]
