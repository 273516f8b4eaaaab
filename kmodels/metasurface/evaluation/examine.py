"""A longer look at a trained network: how fast it is, how well it keeps the symmetries, where wavelengths look."""

import time

import keras
import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.core.training import backend, inference
from kmodels.metasurface.data.encode import encode
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.data.symmetry import COUNT, moved_patterns, moved_spectra
from kmodels.metasurface.evaluation import figures

BATCH = 64
TURNED = 4  # structures whose 32 copies are predicted


def examine(model, structures: Structures, recipe) -> ExtendedEvaluation:
    """Scores: milliseconds of a structure, None off a CPU; symmetry_error. Picture: attention."""
    examples = encode(structures, recipe)
    scores = {
        "milliseconds": None if backend.accelerators() else milliseconds(model, examples),
        "symmetry_error": symmetry_error(model, examples),
    }
    return ExtendedEvaluation(Scores(scores), {}, {"attention": attention(model, examples)})


def milliseconds(model, examples, batches: int = 20) -> float:
    """Of one structure in batches of 64, the fastest of a few batches after a first one: from arrays to arrays."""
    inputs, _ = examples.take(np.resize(np.arange(len(examples)), BATCH))
    taken = []
    for _ in range(batches + 1):
        started = time.perf_counter()
        model.predict_on_batch(inputs)
        taken.append(time.perf_counter() - started)
    return float(np.min(taken[1:]) / BATCH * 1e3)


def symmetry_error(model, examples) -> float:
    """Largest |answer to a moved pattern - moved answer| over all 32 symmetries of some patterns."""
    inputs, _ = examples.take(np.arange(min(TURNED, len(examples))))
    pattern = inputs["pattern"][..., 0]
    copies = np.concatenate([moved_patterns(pattern, g) for g in range(COUNT)])[..., None]
    wavelength = np.tile(inputs["wavelength"], (COUNT, 1))
    found = model.predict_on_batch({"pattern": copies, "wavelength": wavelength})["spectra"]
    found = inference.as_numpy(found).reshape(COUNT, *pattern.shape[:1], 2, 2, -1)
    return float(max(np.abs(found[g] - moved_spectra(found[0], g)).max() for g in range(COUNT)))


def attention(model, examples):
    """Where three wavelengths look in the first pattern, as the network sees it."""
    inputs, _ = examples.take(np.arange(1))
    looking = keras.Model(model.inputs, {"pattern": model.seen, "scores": model.attention})
    seen = looking.predict_on_batch([inputs[one.name] for one in model.inputs])
    scores = inference.as_numpy(seen["scores"])[0].mean(0)[:, :-1]  # without the global token
    side = round(np.sqrt(scores.shape[1]))
    pattern = inference.as_numpy(seen["pattern"])[0, ..., 0]
    return figures.attention(pattern, scores.reshape(-1, side, side), inputs["wavelength"][0])
