"""Baselines: mean spectrum, nearest neighbour, linear regression, solvers that take shortcuts."""

import itertools

import numpy as np

from kmodels.core.io.rows import blocks
from kmodels.core.spec.task import Scores
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.evaluation.metrics import mean_spectrum, metrics
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.simulator.rcwa import RcwaSolver
from kmodels.metasurface.simulator.scalar import ScalarSolver

FEW_ORDERS = 21  # Fourier orders of a rigorous solver that takes some 2 ms a wavelength
CELLS = 16  # per axis, in which the silicon nitride is averaged
PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the regression; validation chooses


def baselines(recipe, parts: dict[str, Structures]) -> dict[str, Scores]:
    """Evaluate all baselines on parts["test"]; none where there are no training structures.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        Of the run.
    parts : dict of str to Structures
        "train", "validation" and "test".

    Returns
    -------
    dict of str to Scores
        mean_spectrum, nearest_neighbour, linear; where the network has propagation slices untrained_propagation; and
        where spectra are rigorous scalar_solver and few_orders.
    """
    if "train" not in parts:
        return {}
    test = parts["test"]
    predictions = {
        "mean_spectrum": np.broadcast_to(mean_spectrum(parts["train"]), test.spectra.shape),
        "nearest_neighbour": nearest_neighbour(parts["train"], test),
        "linear": linear(parts["train"], parts["validation"], test),
    }
    if recipe.model.propagation_slices:
        predictions["untrained_propagation"] = untrained_propagation(recipe, test)
    if recipe.data.solver != "scalar":
        predictions["scalar_solver"] = solved(ScalarSolver(recipe.data, test.wavelength), test)
        few = recipe.data.model_copy(update={"orders": FEW_ORDERS})
        predictions["few_orders"] = solved(RcwaSolver(few, test.wavelength), test)
    band = recipe.data.wavelength
    return {name: metrics(parts, Spectra(test, p, None, band), recipe.seed) for name, p in predictions.items()}


def nearest_neighbour(train: Structures, test: Structures) -> np.ndarray:
    """Predict the spectra of the training structures whose patterns, in any of 32 orientations, are most similar.

    Parameters
    ----------
    train, test : Structures
        Patterns are compared by their fill in 16 x 16 cells.

    Returns
    -------
    ndarray
        (n, 2, 2, w).
    """
    known, asked = cell_fill(train), cell_fill(test)
    best = np.full(len(test), np.inf)
    spectra = np.zeros(test.spectra.shape, "float32")
    for symmetry in range(COUNT):
        moved = move_patterns(known, symmetry)
        for some in blocks(test, per_row=8 * len(known)):
            distance = _squared_distances(asked[some], moved)
            nearest = distance.argmin(1)
            closer = distance[np.arange(len(nearest)), nearest] < best[some]
            best[some][closer] = distance.min(1)[closer]
            spectra[some][closer] = move_spectra(train.spectra[nearest[closer]], symmetry)
    return spectra


def linear(train: Structures, validation: Structures, test: Structures) -> np.ndarray:
    """Predict by ridge regression on the fill of 16 x 16 cells, fitted to all 32 copies of each structure.

    Parameters
    ----------
    train, validation, test : Structures
        The penalty is that with the lowest squared error on validation structures.

    Returns
    -------
    ndarray
        (n, 2, 2, w).
    """
    gram, moment = 0.0, 0.0
    known, mean = cell_fill(train), mean_spectrum(train).astype("float32")
    for symmetry, some in itertools.product(range(COUNT), blocks(train.spectra)):
        x = _centred(move_patterns(known[some], symmetry))
        gram = gram + x.T @ x
        moment = moment + x.T @ move_spectra(train.spectra[some] - mean, symmetry).reshape(len(x), -1)
    slopes = [np.linalg.solve(gram + penalty * np.eye(len(gram)), moment) for penalty in PENALTIES]

    def predict(structures, slope):
        transmittance = _centred(cell_fill(structures)) @ slope
        transmittance = transmittance.reshape(-1, *train.spectra.shape[1:]) + mean_spectrum(train)
        return np.clip(transmittance, 0.0, 1.0).astype("float32")

    errors = [np.square(predict(validation, slope) - validation.spectra[:]).mean() for slope in slopes]
    return predict(test, slopes[int(np.argmin(errors))])


def untrained_propagation(recipe, test: Structures) -> np.ndarray:
    """Solve by the scalar solver with as many slices as the network has: where its training starts.

    Returns
    -------
    ndarray
        (n, 2, 2, w).
    """
    data = recipe.data.model_copy(update={"slices": recipe.model.propagation_slices})
    return solved(ScalarSolver(data, test.wavelength), test)


def solved(solver, structures: Structures) -> np.ndarray:
    """Solve structures: (n, 2, 2, w) float32."""
    return np.stack([solver.solve(pattern).transmitted for pattern in structures.patterns()]).astype("float32")


def cell_fill(structures: Structures) -> np.ndarray:
    """Compute the fraction of silicon nitride in each of 16 x 16 cells: (n, 16, 16) float32."""
    found = []
    for some in blocks(structures, per_row=8 * structures.bits[:1].nbytes):
        patterns = structures.patterns(some)
        width = patterns.shape[-1] // CELLS
        found.append(patterns.reshape(-1, CELLS, width, CELLS, width).mean((2, 4), dtype="float32"))
    return np.concatenate(found)


def _centred(cells: np.ndarray) -> np.ndarray:
    """Centre the filling of cells: (n, cells) float64, 0 for half filled."""
    return cells.reshape(len(cells), -1).astype("float64") - 0.5


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute sums of squared differences, (len(a), len(b))."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
