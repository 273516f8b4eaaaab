"""How good a forecast is, beside what needs no model. After Chang and Hanna (2004); o observed, p predicted."""

import numpy as np

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.plume.data.advection import semi_lagrangian_step
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.prediction import Forecast

FLOOR = 1e-9  # kg m-3 (1 ug m-3): FAC2, MG, VG look at cells where o or p is higher, lower values count as this
CLOUD = 1e-8  # kg m-3 (10 ug m-3): FMS compares the volumes above this iso-level
MICROGRAMS = 1e9  # a kg
CHUNK = 64  # windows at a time


def metrics(truth: Windows, forecast: Forecast, seed: int) -> Scores:
    """Scores of a forecast of the windows' target frame, with intervals from resampling whole runs."""
    rows = np.arange(len(truth))
    chunks = (rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK))
    sums = [sums_of(truth.target(some), forecast.concentration[some, -1], air_of(truth, some)) for some in chunks]
    return scores(np.concatenate(sums), truth.groups, seed)


def air_of(windows: Windows, rows) -> np.ndarray:
    """(rows, z, y, x) bool: above ground."""
    return ~windows.maps(rows).below_ground


NAMES = ("cells", "o", "p", "oo", "pp", "op", "error", "off", "high", "ln", "ln2", "near", "both", "either", "mass")


def sums_of(o: np.ndarray, p: np.ndarray, air: np.ndarray) -> np.ndarray:
    """What all scores are made of, summed over each window's air: (windows, len(NAMES)) float64.

    o, p: (windows, z, y, x) [kg m-3]. air: the same shape, bool. Concentrations are summed in ug m-3.
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


def scores(sums: np.ndarray, groups: np.ndarray, seed: int) -> Scores:
    """Scores of all windows together, and their 95% intervals over resampled runs."""
    values = {name: float(value[0]) for name, value in combined(sums.sum(0, keepdims=True)).items()}
    weights = verification.bootstrap_weights(groups, seed).astype("float64")
    intervals = verification.intervals(combined(weights @ sums), len(np.unique(groups)))
    return Scores({name: value if np.isfinite(value) else None for name, value in values.items()}, intervals)


def combined(sums: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of sums over windows. sums: (resamples, len(NAMES)). Not a number where one is not defined.

    mse [ug2 m-6]; pearson; fb = 2 (mean o - mean p) / (mean o + mean p); mg = exp(mean ln o - mean ln p);
    vg = exp(mean (ln o - ln p)^2); nmse = mean (o - p)^2 / (mean o mean p); nad = mean |o - p| / (mean o + mean p);
    fac2: share with 0.5 <= p / o <= 2; fms = |A and B| / |A or B| of the volumes above CLOUD;
    mass_residual: mean |mass p - mass o| of a window / mean mass o.
    """
    s = dict(zip(NAMES, sums.T, strict=True))
    n = s["cells"]
    with np.errstate(divide="ignore", invalid="ignore"):
        o, p = s["o"] / n, s["p"] / n
        spread = (s["oo"] / n - o**2) * (s["pp"] / n - p**2)
        fb = 2 * (o - p) / (o + p)
        return {
            "mse": s["error"] / n,
            "pearson": (s["op"] / n - o * p) / np.sqrt(spread),
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


def persistence(windows: Windows, leads: int) -> Forecast:
    """The last frame seen, for ever."""
    last = windows.past(np.arange(len(windows)))[:, -1:]
    return Forecast(windows, np.repeat(last, leads, axis=1))


def wind_moved(windows: Windows, leads: int) -> Forecast:
    """The last frame seen, moved by the wind of each frame on the way (the last seen one's for the first step)."""
    rows = np.arange(len(windows))
    cloud = windows.past(rows)[:, -1]
    below = windows.maps(rows).below_ground
    found = []
    for lead in range(leads):
        wind = windows.wind_at(rows, lead)
        cloud = semi_lagrangian_step(cloud, wind, windows.frame_seconds, windows.cell, below)
        found.append(cloud)
    return Forecast(windows, np.stack(found, axis=1))


def free_forecasts(windows: Windows, leads: int) -> dict[str, Forecast]:
    """The forecasts that need no model: {name: Forecast}; those that need wind only where it was measured."""
    found = {"persistence": persistence(windows, leads)}
    if windows.has_wind:
        found["wind_moved"] = wind_moved(windows, leads)
    return found


def baselines(recipe, parts: dict[str, Windows]) -> dict[str, Scores]:
    """persistence, and persistence moved by the wind."""
    test = parts["test"]
    free = free_forecasts(test, recipe.data.horizon)
    return {name: metrics(test, forecast, recipe.seed) for name, forecast in free.items()}


def compared(model: Scores, others: dict[str, Scores]) -> Scores:
    """The model's mean squared error as a share of each baseline's: `mse_ratio_persistence` and so on."""
    ratios = {
        f"mse_ratio_{name}": model.values["mse"] / other.values["mse"] if other.values["mse"] else None
        for name, other in others.items()
    }
    return Scores(model.values | ratios, model.intervals)
