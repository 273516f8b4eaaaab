"""Extended evaluation of a trained network: latency, error of the symmetries, attention on the pattern."""

import time
from dataclasses import replace

import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.core.training import backend, inference
from kmodels.metasurface.data.records import Structures, pack
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.evaluation import figures
from kmodels.metasurface.evaluation.calibration import flags
from kmodels.metasurface.evaluation.metrics import metrics
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.network.preprocess import SOLVED_AT_ONCE, encode, solve_with_few_orders

BATCH = 64
SYMMETRY_SAMPLES = 4  # structures whose 32 copies are predicted


def evaluate_network(model, structures: Structures, recipe) -> ExtendedEvaluation:
    """Measure the latency, predict symmetric copies, and plot the attention on a pattern.

    Parameters
    ----------
    model : MetasurfaceNet
        A trained network.
    structures : Structures
        Held-out structures.
    recipe : MetasurfaceRecipe
        Of the run.

    Returns
    -------
    ExtendedEvaluation
        Scores: milliseconds of a structure with what its network is given, network_milliseconds without, None with an
        accelerator; given_mae and given_r2 of what the network is given; symmetry_error; where the network is
        calibrated regular_flagged, the share of stripes and checkerboards that it calls unlike its training. Picture:
        attention.
    """
    examples = encode(structures, recipe)
    alone = None if backend.accelerators() else measure_latency(model, examples)
    solving = measure_few_orders(examples, recipe) if recipe.model.few_orders and alone is not None else 0.0
    scores = {
        "milliseconds": None if alone is None else alone + solving,
        "network_milliseconds": alone,
        "symmetry_error": symmetry_error(predict_copies(model, examples)),
    }
    if examples.targets and examples.few_orders is not None:
        given = Spectra(structures, examples.few_orders[:, 0], None, recipe.data.wavelength)
        known = metrics({"test": structures}, given, recipe.seed).values
        scores |= {"given_mae": known["mae"], "given_r2": known["r2"]}
    if model.calibration is not None:
        scores["regular_flagged"] = float(flags(model, regular_patterns(structures)).mean())
    return ExtendedEvaluation(Scores(scores), {}, {"attention": plot_attention(model, examples)})


def regular_patterns(structures: Structures) -> Structures:
    """Make stripes and checkerboards of the size of some patterns, with 2, 4 and 8 periods, in both directions."""
    size = structures.bits.shape[1]
    place = np.arange(size)
    patterns = []
    for periods in (2, 4, 8):
        stripes = np.broadcast_to(place * 2 * periods // size % 2, (size, size))
        patterns += [stripes, stripes.T, stripes ^ stripes.T]
    bits = pack(np.stack(patterns).astype("uint8"))
    names = np.array([f"regular:{k}" for k in range(len(bits))])
    return replace(structures, bits=bits, spectra=None, names=names, groups=np.arange(len(bits)))


def measure_latency(model, examples, batches: int = 20) -> float:
    """Time the prediction of one structure in batches of 64, from arrays to arrays [ms].

    The fastest of `batches` batches, after one to warm up.
    """
    inputs, _ = examples.take(np.resize(np.arange(len(examples)), BATCH))
    seconds = []
    for _ in range(batches + 1):
        started = time.perf_counter()
        model.predict_on_batch(inputs)
        seconds.append(time.perf_counter() - started)
    return float(np.min(seconds[1:]) / BATCH * 1e3)


def measure_few_orders(examples, recipe, batches: int = 3) -> float:
    """Time the solution with few orders that the network is given for one structure, as `encode` makes it [ms].

    The fastest of `batches` batches, after one to warm up.
    """
    patterns = examples.structures.patterns(np.resize(np.arange(len(examples.structures)), SOLVED_AT_ONCE))
    seconds = []
    for _ in range(batches + 1):
        started = time.perf_counter()
        solve_with_few_orders(patterns, examples.grids[:1], recipe)
        seconds.append(time.perf_counter() - started)
    return float(np.min(seconds[1:]) / SOLVED_AT_ONCE * 1e3)


def predict_copies(model, examples) -> np.ndarray:
    """Predict some patterns under all 32 symmetries: (32, patterns, 2, 2, w), the identity first."""
    inputs, _ = examples.take(np.arange(min(SYMMETRY_SAMPLES, len(examples))))
    pattern = inputs["pattern"][..., 0]
    copies = np.concatenate([move_patterns(pattern, g) for g in range(COUNT)])[..., None]
    wavelength = np.tile(inputs["wavelength"], (COUNT, 1))
    moved = {"pattern": copies, "wavelength": wavelength}
    if "few_orders" in inputs:  # the solver keeps the symmetries
        moved["few_orders"] = np.concatenate([move_spectra(inputs["few_orders"], g) for g in range(COUNT)])
    spectra = model.predict_on_batch(moved)["spectra"]
    return inference.as_numpy(spectra).reshape(COUNT, *pattern.shape[:1], 2, 2, -1)


def symmetry_error(spectra: np.ndarray) -> float:
    """Compute the largest difference between spectra of moved patterns and moved spectra.

    Parameters
    ----------
    spectra : ndarray
        (32, patterns, 2, 2, w) of `predict_copies`.

    Returns
    -------
    float
        0 for an exactly equivariant network.
    """
    return float(max(np.abs(spectra[g] - move_spectra(spectra[0], g)).max() for g in range(COUNT)))


def plot_attention(model, examples):
    """Plot where three wavelengths attend in the first pattern, as the network sees it."""
    inputs, _ = examples.take(np.arange(1))
    graph = model.attention_model()
    outputs = graph.predict_on_batch([inputs[tensor.name] for tensor in graph.inputs])
    scores = inference.as_numpy(outputs["scores"])[0].mean(0)[:, :-1]  # without the global token
    side = round(np.sqrt(scores.shape[1]))
    pattern = inference.as_numpy(outputs["pattern"])[0, ..., 0]
    return figures.attention(pattern, scores.reshape(-1, side, side), inputs["wavelength"][0])
