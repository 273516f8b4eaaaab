"""Baselines: mean spectrum, nearest neighbour, linear regression, solvers that take shortcuts."""

import itertools

import numpy as np

from kmodels.core.io.rows import blocks
from kmodels.core.spec.task import Scores
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.evaluation.metrics import mean_spectrum, metrics
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.network.preprocess import few_order_spectra
from kmodels.metasurface.simulator.scalar import ScalarSolver

FEW_ORDERS = 21  # Fourier orders of a rigorous solver, for a network that is given none
NO_CLOSURE = ((0.0, 0.0), (0.0, 0.0))
CELLS = 16  # per axis, in which the silicon nitride is averaged
PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the regression; validation chooses


def baselines(recipe, parts: dict[str, Structures]) -> dict[str, Scores]:
    """Evaluate all baselines on parts["test"]; none where there are no training structures.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        Of the run.
    parts : dict of str to Structures
        "train", "validation", "test" and, where there are such, "transfer": other structures at more wavelengths.

    Returns
    -------
    dict of str to Scores
        mean_spectrum, nearest_neighbour, linear; where the network has propagation slices untrained_propagation; and
        where spectra are rigorous scalar_solver and few_orders. Scores of the transfer data begin with `transfer_`.
    """
    if "train" not in parts:
        return {}
    train, slopes = parts["train"], linear(parts["train"], parts["validation"])
    learned = {
        "mean_spectrum": lambda asked: np.broadcast_to(mean_spectrum(train), (len(asked), *train.spectra.shape[1:])),
        "nearest_neighbour": lambda asked: nearest_neighbour(train, asked),
        "linear": slopes,
    }
    predictors = {name: _at_wavelengths(train.wavelength, predict) for name, predict in learned.items()}
    if recipe.model.propagation_slices:
        predictors["untrained_propagation"] = lambda asked: untrained_propagation(recipe, asked)
    if recipe.data.solver != "scalar":
        predictors["scalar_solver"] = lambda asked: solved(ScalarSolver(recipe.data, asked.wavelength), asked)
        predictors["few_orders"] = lambda asked: few_orders(recipe, asked)

    def score(known: dict[str, Structures], predict) -> Scores:
        spectra = Spectra(known["test"], predict(known["test"]), None, recipe.data.wavelength)
        return metrics(known, spectra, recipe.seed)

    found = {name: score(parts, predict) for name, predict in predictors.items()}
    if "transfer" in parts:
        other = {"test": parts["transfer"]}
        found = {name: of.merge(score(other, predictors[name]), "transfer_") for name, of in found.items()}
    return found


def _at_wavelengths(wavelength: np.ndarray, predict):
    """Interpolate what is predicted at the training's wavelengths, by cubic splines, to those that are asked for."""
    from scipy.interpolate import CubicSpline

    def predicted(asked: Structures) -> np.ndarray:
        spectra = predict(asked)
        if np.array_equal(wavelength, asked.wavelength):
            return spectra
        return np.clip(CubicSpline(wavelength, spectra, axis=-1)(asked.wavelength), 0.0, 1.0).astype("float32")

    return predicted


def few_orders(recipe, structures: Structures) -> np.ndarray:
    """Solve with few orders at few wavelengths, in no more time than the network's prediction takes.

    As many as the network is given, without its closure; where it is given none, 21 orders.

    Returns
    -------
    ndarray
        (n, 2, 2, w).
    """
    changes = {"few_orders": recipe.model.few_orders or FEW_ORDERS, "few_order_closure": NO_CLOSURE}
    plain = recipe.with_changes({"model": changes})
    return few_order_spectra(structures, structures.wavelength[None], plain)[:, 0]


def nearest_neighbour(train: Structures, test: Structures) -> np.ndarray:
    """Predict the spectra of the training structures whose patterns, in any of 32 orientations, are most similar.

    Parameters
    ----------
    train, test : Structures
        Patterns are compared by their fill in 16 x 16 cells.

    Returns
    -------
    ndarray
        (n, 2, 2, w) at the training's wavelengths.
    """
    known, asked = cell_fill(train), cell_fill(test)
    best = np.full(len(test), np.inf)
    spectra = np.zeros((len(test), *train.spectra.shape[1:]), "float32")
    for symmetry in range(COUNT):
        moved = move_patterns(known, symmetry)
        for some in blocks(test, per_row=8 * len(known)):
            distance = _squared_distances(asked[some], moved)
            nearest = distance.argmin(1)
            closer = distance[np.arange(len(nearest)), nearest] < best[some]
            best[some][closer] = distance.min(1)[closer]
            spectra[some][closer] = move_spectra(train.spectra[nearest[closer]], symmetry)
    return spectra


def linear(train: Structures, validation: Structures):
    """Fit a ridge regression on the fill of 16 x 16 cells to all 32 copies of each structure.

    Parameters
    ----------
    train, validation : Structures
        The penalty is that with the lowest squared error on validation structures.

    Returns
    -------
    callable
        ``predict(structures) -> (n, 2, 2, w)`` at the training's wavelengths.
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
    best = slopes[int(np.argmin(errors))]
    return lambda structures: predict(structures, best)


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
