"""Metrics of predicted spectra; t true and p predicted transmittance, (structures, 2, 2, w)."""

import numpy as np

from kmodels.core.io import rows
from kmodels.core.io.rows import blocks
from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.network.losses import LARGEST_RATIO, LEAST_SHARE

PROMINENCE = 0.05  # of true peaks that must be found
FAINTEST = 0.02  # prominence of predicted peaks that count as found
LOST = 50.0  # nm: the error of a peak without a predicted one, or with one further away
ARRAYS = 16  # of the size of the spectra, in double precision, that are made of them
PROTOTYPE_WEIGHTS = {"mse": 2.0, "rel": 0.1, "grad": 100.0}


def metrics(parts: dict[str, Structures], prediction: Spectra, seed: int) -> Scores:
    """Score a prediction for parts["test"], with intervals from resampling structures (copies together).

    Parameters
    ----------
    parts : dict of str to Structures
        "test", and where there is one "train" for r2.
    prediction : Spectra
        For parts["test"].
    seed : int
        Of the resampling.

    Returns
    -------
    Scores
        mae, rmse: of the transmittance.
        r2: 1 - sum (p - t)^2 / sum (m - t)^2 with m the mean spectrum of parts["train"]; without that part of the test
        structures themselves.
        prototype_loss: 2 MSE + 0.1 relative + 100 slopes, see `prototype_loss`.
        peak_error: mean distance of a peak (prominence >= 0.05) from the nearest predicted one [nm]; None without
        peaks.
        peaks_within_2nm: fraction of peaks with a predicted one within 2 nm.
        transmission_error: mean |sum p - sum t| over pixels.
        excess: largest sum p - 1, 0 or more.
        interval_coverage, interval_width: share of transmittances within the 90% intervals, and their mean width.
        flagged: share of patterns called unlike those of the training. These three where the network is calibrated.
    """
    test, mean = parts["test"], mean_spectrum(parts.get("train", parts["test"]))
    found = [
        _sums(test.spectra[some], prediction.transmittance[some], test.wavelength, mean, prediction.half_width)
        for some in blocks(test, per_row=ARRAYS * test.spectra[:1].nbytes)
    ]
    sums = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    n, most = len(test), sums.pop("most")

    def resampled_scores(weights):
        return _combine({name: weights @ of for name, of in sums.items()}, weights.sum(1))

    resampled = verification.resample(test.groups, seed, resampled_scores, dtype="float64")
    values = {k: float(v[0]) for k, v in _combine({k: of.sum()[None] for k, of in sums.items()}, np.array([n])).items()}
    values["excess"] = float(np.maximum(most.max() - 1, 0.0))
    if prediction.half_width is not None:
        values["interval_width"] = float(2 * prediction.half_width.mean())
        values["flagged"] = float(prediction.unlike.mean())
    finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return Scores(finite, verification.intervals(resampled, len(np.unique(test.groups))))


def _sums(t, p, wavelength: np.ndarray, mean, half_width) -> dict[str, np.ndarray]:
    """Sum up for each structure, (n,), what its scores are made of.

    mean: the spectrum that r2 compares with; half_width: of the intervals, None where there are none.
    """
    t, p = t.astype("float64"), p.astype("float64")
    sums = {
        "absolute": np.abs(p - t).mean((1, 2, 3)),
        "squared": np.square(p - t).mean((1, 2, 3)),
        "prototype": prototype_loss(t, p, wavelength),
        "transmission": np.abs((p - t).sum((1, 2))).mean(-1),
        "most": p.sum((1, 2)).max(-1),
    }
    if half_width is not None:
        sums["covered"] = (np.abs(p - t) <= half_width).mean((1, 2, 3))
    sums["spread"] = np.square(mean - t).mean((1, 2, 3))
    distances, owners = peak_distances(t, p, wavelength)
    for name, values in (("peaks", np.ones_like(distances)), ("off", distances), ("near", distances <= 2.0)):
        sums[name] = np.bincount(owners, values, len(t))
    return sums


def _combine(sums: dict[str, np.ndarray], n: np.ndarray) -> dict[str, np.ndarray]:
    """Combine sums over structures into scores, (resamples,) each; NaN where one is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = {
            "mae": sums["absolute"] / n,
            "rmse": np.sqrt(sums["squared"] / n),
            "prototype_loss": sums["prototype"] / n,
            "peak_error": sums["off"] / sums["peaks"],
            "peaks_within_2nm": sums["near"] / sums["peaks"],
            "transmission_error": sums["transmission"] / n,
        }
        if "covered" in sums:
            scores["interval_coverage"] = sums["covered"] / n
        scores["r2"] = 1 - sums["squared"] / sums["spread"]
    return scores


def mean_spectrum(train: Structures) -> np.ndarray:
    """Average the spectra of the training structures and of all their symmetric copies.

    Every pixel has the same mean: shifts by half a period take each pixel to the place of every other one.

    Returns
    -------
    ndarray
        (2, 2, w).
    """
    mean = rows.mean(train.spectra, (0, 1, 2))
    return np.broadcast_to(mean, (2, 2, len(mean)))


def prototype_loss(t: np.ndarray, p: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Compute the prototype's loss with its weights, of which it reports 1.285e-3 on its own data.

    Its first differences are those over 1 nm, the spacing of the prototype's wavelengths; here the mean slope from one
    wavelength [nm] to the next.

    Parameters
    ----------
    t, p : ndarray
        (structures, 2, 2, w) true and predicted transmittance.
    wavelength : ndarray
        (w,) [nm].

    Returns
    -------
    ndarray
        (structures,).
    """
    relative = np.clip((p - t) / (np.abs(t) + LEAST_SHARE), -LARGEST_RATIO, LARGEST_RATIO)
    terms = {"mse": p - t, "rel": relative, "grad": np.diff(p - t) / np.diff(wavelength)}
    return sum(PROTOTYPE_WEIGHTS[name] * np.square(of).mean((1, 2, 3)) for name, of in terms.items())


def peak_distances(t: np.ndarray, p: np.ndarray, wavelength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure how far the nearest predicted peak of the same pixel is from each true peak.

    Parameters
    ----------
    t, p : ndarray
        (structures, 2, 2, w) true and predicted transmittance.
    wavelength : ndarray
        (w,) [nm].

    Returns
    -------
    distances : ndarray
        (peaks,) [nm].
    structures : ndarray
        (peaks,) index of each peak's structure.
    """
    from scipy.signal import find_peaks

    distances, owners = [], []
    for k, (true, guess) in enumerate(zip(t, p, strict=True)):
        for row, column in np.ndindex(2, 2):
            there, _ = find_peaks(true[row, column], prominence=PROMINENCE)
            if not len(there):
                continue
            near, _ = find_peaks(guess[row, column], prominence=FAINTEST)
            for place in wavelength[there]:
                distances.append(np.abs(wavelength[near] - place).min(initial=LOST))
                owners.append(k)
    return np.array(distances, "float64"), np.array(owners, "int64")


def error_by_wavelength(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Compute the mean |p - t| at each wavelength: (w,)."""
    total = sum(np.abs(p[some] - t[some]).sum((0, 1, 2), dtype="float64") for some in blocks(t))
    return total / np.prod(t.shape[:3])
