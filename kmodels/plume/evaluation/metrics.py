"""How good a forecast is. After Chang and Hanna (2004); o observed, p predicted."""

import numpy as np

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.prediction import Forecast

FLOOR = 1e-9  # kg m-3 (1 ug m-3): FAC2, MG, VG look at cells where o or p is higher, lower values count as this
CLOUD = 1e-8  # kg m-3 (10 ug m-3): FMS compares the volumes above this iso-level
MICROGRAMS = 1e9  # a kg
CHUNK = 64  # windows at a time
NAMES = ("cells", "o", "p", "oo", "pp", "op", "error", "off", "high", "ln", "ln2", "near", "both", "either", "mass")


def metrics(truth: Windows, forecast: Forecast, seed: int) -> Scores:
    """Score a forecast of the windows' target frame.

    Parameters
    ----------
    truth : Windows
        With their targets.
    forecast : Forecast
        Its last lead is compared.
    seed : int
        Of the resampling.

    Returns
    -------
    Scores
        See `scores_from_sums`; 95% intervals from resampling whole runs.

    References
    ----------
    Chang and Hanna (2004), Air quality model performance evaluation, Meteorol. Atmos. Phys. 87, 167-196.
    """
    return pooled_scores(target_sums(truth, forecast), truth.groups, seed)


def target_sums(truth: Windows, forecast: Forecast) -> np.ndarray:
    """Compute `window_sums` of the target frame and a forecast's last lead: (windows, len(NAMES))."""
    rows = np.arange(len(truth))
    chunks = (rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK))
    sums = [window_sums(truth.target(some), forecast.concentration[some, -1], air_mask(truth, some)) for some in chunks]
    return np.concatenate(sums)


def air_mask(windows: Windows, rows) -> np.ndarray:
    """Tell which cells lie above ground: (rows, z, y, x) bool."""
    return ~windows.maps(rows).below_ground


def window_sums(o: np.ndarray, p: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Sum over each window's air what all scores are made of.

    Parameters
    ----------
    o, p : array (windows, z, y, x)
        Observed and predicted concentrations [kg m-3].
    air : array (windows, z, y, x) of bool
        Cells above ground.

    Returns
    -------
    array (windows, len(NAMES)) of float64
        Sums in the order of NAMES, concentrations in ug m-3.
    """
    o, p = (np.where(air, x, 0).astype("float64") * MICROGRAMS for x in (o, p))
    floor, cloud = FLOOR * MICROGRAMS, CLOUD * MICROGRAMS
    high = (o > floor) | (p > floor)
    ratio = np.log(np.maximum(o, floor)) - np.log(np.maximum(p, floor))
    near = high & (np.abs(ratio) <= np.log(2) * (1 + 1e-12))
    terms = [air, o, p, o * o, p * p, o * p, (o - p) ** 2, np.abs(o - p), high, ratio, ratio**2, near]
    terms += [(o > cloud) & (p > cloud), (o > cloud) | (p > cloud)]
    sums = [term.sum(axis=(1, 2, 3), dtype="float64") for term in terms]
    return np.stack([*sums, np.abs(sums[2] - sums[1])], axis=1)


def pooled_scores(sums: np.ndarray, groups: np.ndarray, seed: int) -> Scores:
    """Score all windows together, with 95% intervals over resampled runs.

    Parameters
    ----------
    sums : array (windows, len(NAMES))
        Of `window_sums`.
    groups : array (windows,)
        The run of each window.
    seed : int
        Of the resampling.

    Returns
    -------
    Scores
        None where a score is not defined.
    """
    values = {name: float(value[0]) for name, value in scores_from_sums(sums.sum(0, keepdims=True)).items()}
    resampled = verification.resample(groups, seed, lambda weights: scores_from_sums(weights @ sums), dtype="float64")
    intervals = verification.intervals(resampled, len(np.unique(groups)))
    values = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return Scores(values, intervals, resampled if len(np.unique(groups)) > 1 else {})


def scores_from_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the scores of sums over windows; not a number where one is not defined.

    ::

        mse = mean (o - p)^2 [ug2 m-6]
        fb = 2 (mean o - mean p) / (mean o + mean p)
        mg = exp(mean ln o - mean ln p)
        vg = exp(mean (ln o - ln p)^2)
        nmse = mean (o - p)^2 / (mean o mean p)
        nad = mean |o - p| / (mean o + mean p)
        fac2: share with 0.5 <= p / o <= 2
        fms = |A and B| / |A or B| of the volumes above CLOUD
        mass_residual: mean |mass p - mass o| of a window / mean mass o

    and pearson, the correlation.

    Parameters
    ----------
    sums : array (resamples, len(NAMES))
        Sums in the order of NAMES.

    Returns
    -------
    dict of str to array (resamples,)
        The scores by name.
    """
    s = dict(zip(NAMES, sums.T, strict=True))
    n = s["cells"]
    with np.errstate(divide="ignore", invalid="ignore"):
        o, p = s["o"] / n, s["p"] / n
        variances = (s["oo"] / n - o**2) * (s["pp"] / n - p**2)
        fb = 2 * (o - p) / (o + p)
        return {
            "mse": s["error"] / n,
            "pearson": (s["op"] / n - o * p) / np.sqrt(variances),
            "fb": fb,
            "abs_fb": np.abs(fb),
            "mg": np.exp(s["ln"] / s["high"]),
            "vg": np.exp(np.minimum(s["ln2"] / s["high"], 50.0)),
            "nmse": s["error"] / n / (o * p),
            "nad": s["off"] / n / (o + p),
            "fac2": s["near"] / s["high"],
            "fms": s["both"] / s["either"],
            "mass_residual": s["mass"] / s["o"],
        }
