"""Intervals of the transmittance and a flag of unlike patterns, both set on validation structures.

Intervals are conformal: at each wavelength the half width is the quantile of the absolute error that structures like
those of the validation stay below with probability 0.9, whatever its distribution (Vovk, Gammerman and Shafer 2005).
The four pixels count together, for symmetry makes them alike.

A pattern is unlike those of the training where the Mahalanobis distance of its features (`pattern_features`) from their
mean is larger than in 99 of 100 validation patterns.
"""

import functools

import numpy as np

from kmodels.core.io.rows import blocks
from kmodels.core.training.callbacks import ValidationListener
from kmodels.core.training.inference import as_numpy
from kmodels.metasurface.data.pattern_features import pattern_features
from kmodels.metasurface.data.records import Structures

COVERAGE = 0.9
ALIKE = 0.99  # of validation patterns that are not flagged


class Calibration(ValidationListener):
    """Set half widths and the limit of the distance after each epoch.

    Parameters
    ----------
    structures : Structures
        Of the validation.
    """

    def __init__(self, structures: Structures):
        super().__init__()
        self.structures = structures

    def on_validation_outputs(self, outputs):
        """Choose both."""
        error = np.abs(np.asarray(outputs["spectra"], "float32") - self.structures.spectra[:])
        calibration = self.model.calibration
        calibration["half_width"].assign(half_widths(error))
        calibration["limit"].assign(self.limit)

    @functools.cached_property
    def limit(self) -> float:
        """The distance that few validation patterns exceed: no epoch changes it."""
        return float(np.quantile(distances(self.model, self.structures), ALIKE))


def half_widths(error: np.ndarray) -> np.ndarray:
    """Compute the half width at each wavelength: error (n, 2, 2, w) -> (w,).

    The finite-sample quantile: of n structures the ceil(0.9 (n + 1)) / n quantile, at most the largest error.
    """
    level = min(np.ceil(COVERAGE * (len(error) + 1)) / len(error), 1.0)
    return np.quantile(error, level, axis=(0, 1, 2)).astype("float32")


def learn_patterns(model, structures: Structures) -> None:
    """Keep mean and precision of the features of training patterns in a model.

    Of fewer patterns than features the precision is the pseudo-inverse: what they do not vary in does not count.
    """
    features = _features(structures)
    model.calibration["mean"].assign(features.mean(0))
    model.calibration["precision"].assign(np.linalg.pinv(np.cov(features, rowvar=False), hermitian=True))


def distances(model, structures: Structures) -> np.ndarray:
    """Compute the Mahalanobis distance of each pattern from those of the training: (n,)."""
    mean, precision = (as_numpy(model.calibration[name]) for name in ("mean", "precision"))
    away = _features(structures) - mean
    return np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", away, precision, away), 0.0))


def flags(model, structures: Structures) -> np.ndarray:
    """Flag patterns unlike those of the training: (n,) bool."""
    return distances(model, structures) > float(as_numpy(model.calibration["limit"]))


def interval_at(model, wavelength: np.ndarray) -> np.ndarray:
    """Interpolate the half width at wavelengths (w,) [nm]."""
    return np.interp(wavelength, model.facts.wavelengths(), as_numpy(model.calibration["half_width"]))


def _features(structures: Structures) -> np.ndarray:
    """Compute features of all patterns, some at a time."""
    some = blocks(structures, per_row=64 * structures.bits[:1].nbytes)
    return np.concatenate([pattern_features(structures.patterns(part)) for part in some])
