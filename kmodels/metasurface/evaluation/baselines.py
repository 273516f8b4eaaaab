"""Spectra without a network: the mean of all, those of the most similar pattern, a regression, a coarse solution."""

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.data.symmetry import COUNT, moved_patterns, moved_spectra
from kmodels.metasurface.evaluation.metrics import mean_spectrum, metrics
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.simulator.scalar import ScalarSolver

CELLS = 16  # along an axis: patterns are compared, and regressed on, by the silicon nitride in 16 x 16 cells
PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the regression, by validation


def baselines(recipe, parts: dict[str, Structures]) -> dict[str, Scores]:
    """mean_spectrum, nearest_neighbour, linear, and where the network has waves these untrained: coarse_waves.

    None where there are no training structures.
    """
    if "train" not in parts:
        return {}
    test = parts["test"]
    found = {
        "mean_spectrum": np.broadcast_to(mean_spectrum(parts["train"]), test.spectra.shape),
        "nearest_neighbour": nearest_neighbour(parts["train"], test),
        "linear": linear(parts["train"], parts["validation"], test),
    }
    if recipe.model.waves:
        found["coarse_waves"] = coarse_waves(recipe, test)
    band = recipe.data.wavelength
    return {name: metrics(parts, Spectra(test, p, None, band), recipe.seed) for name, p in found.items()}


def nearest_neighbour(train: Structures, test: Structures) -> np.ndarray:
    """(n, 2, 2, w) spectra of the training structures whose patterns, in any of 32 orientations, are most similar."""
    known, asked = cells_of(train), cells_of(test)
    best = np.full(len(test), np.inf)
    found = np.zeros(test.spectra.shape, "float32")
    for symmetry in range(COUNT):
        distance = _squared_distances(asked, moved_patterns(known, symmetry))
        nearest = distance.argmin(1)
        closer = distance[np.arange(len(test)), nearest] < best
        best[closer] = distance.min(1)[closer]
        found[closer] = moved_spectra(train.spectra[nearest[closer]], symmetry)
    return found


def linear(train: Structures, validation: Structures, test: Structures) -> np.ndarray:
    """(n, 2, 2, w) of a ridge regression on the cells; trained on all 32 copies of each structure.

    The penalty is that with the lowest squared error on validation structures.
    """
    gram, moment = 0.0, 0.0
    known, spectra = cells_of(train), train.spectra - mean_spectrum(train).astype("float32")
    for symmetry in range(COUNT):
        x = _centred(moved_patterns(known, symmetry))
        gram = gram + x.T @ x
        moment = moment + x.T @ moved_spectra(spectra, symmetry).reshape(len(x), -1)
    slopes = [np.linalg.solve(gram + penalty * np.eye(len(gram)), moment) for penalty in PENALTIES]

    def predicted(structures, slope):
        shares = _centred(cells_of(structures)) @ slope
        shares = shares.reshape(-1, *train.spectra.shape[1:]) + mean_spectrum(train)
        return np.clip(shares, 0.0, 1.0).astype("float32")

    errors = [np.square(predicted(validation, slope) - validation.spectra).mean() for slope in slopes]
    return predicted(test, slopes[int(np.argmin(errors))])


def coarse_waves(recipe, test: Structures) -> np.ndarray:
    """(n, 2, 2, w) of the scalar solver with as many slices as the network has: where its training begins."""
    solver = ScalarSolver(recipe.data.model_copy(update={"slices": recipe.model.waves}), test.wavelength)
    return np.stack([solver.solve(pattern).transmitted for pattern in test.patterns()]).astype("float32")


def cells_of(structures: Structures) -> np.ndarray:
    """(n, 16, 16) float32 share of silicon nitride in each cell."""
    patterns = structures.patterns()
    width = patterns.shape[-1] // CELLS
    return patterns.reshape(-1, CELLS, width, CELLS, width).mean((2, 4), dtype="float32")


def _centred(cells: np.ndarray) -> np.ndarray:
    """(n, cells) float64, 0 for half filled."""
    return cells.reshape(len(cells), -1).astype("float64") - 0.5


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len(a), len(b)) sums of squared differences."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
