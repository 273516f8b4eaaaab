"""Figures: patterns, true and predicted spectra, errors by wavelength, colour routers, attention on a pattern."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.io import rows
from kmodels.core.io.rows import blocks
from kmodels.core.report.figures import BLUE, GREY, figure
from kmodels.core.spec.task import EvaluationInput
from kmodels.metasurface.evaluation.drawing import INK, draw_pattern, draw_spectra
from kmodels.metasurface.evaluation.metrics import error_by_wavelength
from kmodels.metasurface.evaluation.router import by_colour, efficiency

SCATTERED = 2000  # structures whose values are scattered
ATTENTION_AT = (450.0, 550.0, 650.0)  # nm


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot held-out structures and their predictions.

    Parameters
    ----------
    evaluated : EvaluationInput
        Structures with spectra, and predicted ones.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By title.
    """
    return {
        "spectra": spectra(evaluated),
        "error by wavelength": errors(evaluated),
        "best router": best_router(evaluated),
        "scatter": scatter(evaluated),
    }


def spectra(evaluated: EvaluationInput) -> Figure:
    """Plot pattern, true and predicted spectra of the structures with the median and with the largest error."""
    structures, transmittance = evaluated.records, evaluated.prediction.transmittance
    true = structures.spectra
    order = np.argsort(
        np.concatenate([np.abs(transmittance[some] - true[some]).mean((1, 2, 3)) for some in blocks(true)])
    )
    chosen = {"median error": order[len(order) // 2], "largest error": order[-1]}
    made, axes = figure(9, 5.4, 2, 2)
    for (left, right), (title, row) in zip(axes, chosen.items(), strict=True):
        draw_pattern(left, structures.patterns([row])[0], structures.pixel_order)
        left.set_title(f"{structures.names[row]}, {title}", fontsize=9)
        draw_spectra(right, structures.wavelength, structures.spectra[row], structures.pixel_order, transmittance[row])
    axes[0, 1].legend(frameon=False, fontsize=7, ncols=2)
    return made


def errors(evaluated: EvaluationInput) -> Figure:
    """Plot the mean absolute error at each wavelength, and that of these structures' own mean spectrum."""
    true, transmittance = evaluated.records.spectra, evaluated.prediction.transmittance
    made, axes = figure(6, 3.4)
    wavelength = evaluated.records.wavelength
    mean = np.broadcast_to(rows.mean(true, (0, 1, 2)).astype("float32"), true.shape)
    axes.plot(wavelength, error_by_wavelength(true, mean), color=GREY, label="mean spectrum")
    axes.plot(wavelength, error_by_wavelength(true, transmittance), color=BLUE, label="network")
    axes.set(xlabel="wavelength [nm]", ylabel="mean absolute error of the transmittance", ylim=(0, None))
    axes.legend(frameon=False)
    return made


def scatter(evaluated: EvaluationInput) -> Figure:
    """Plot predicted against true transmittance, some twenty thousand points."""
    made, axes = figure(4.6, 4.6)
    true, transmittance = evaluated.records.spectra, evaluated.prediction.transmittance
    some = np.unique(np.linspace(0, len(true) - 1, SCATTERED).astype(int))
    true, transmittance = true[some].ravel(), transmittance[some].ravel()
    step = max(1, len(true) // 20_000)
    axes.plot([0, true.max()], [0, true.max()], color=GREY, lw=1)
    axes.plot(true[::step], transmittance[::step], ".", color=BLUE, ms=1.5, alpha=0.3)
    axes.set(xlabel="true transmittance", ylabel="predicted transmittance")
    return made


def best_router(evaluated: EvaluationInput) -> Figure:
    """Plot the structure that routes colours best, by its true spectra."""
    structures, prediction = evaluated.records, evaluated.prediction
    light = structures.wavelength, structures.pixel_order, prediction.band
    true = structures.spectra
    scores = np.concatenate([efficiency(true[some], *light) for some in blocks(true)])
    row = int(np.argmax(scores))
    return router(
        structures.patterns([row])[0],
        structures.wavelength,
        structures.spectra[row],
        prediction.transmittance[row],
        structures.pixel_order,
        f"{structures.names[row]}: {scores[row]:.3f} of the light reaches pixels of its colour",
    )


def router(pattern, wavelength, true, predicted, pixel_order: str, title: str) -> Figure:
    """Plot a pattern, and the transmittance of the pixels of each colour together, the highest value marked.

    Parameters
    ----------
    pattern : ndarray
        (y, x).
    wavelength : ndarray
        (w,) [nm].
    true, predicted : ndarray
        (2, 2, w) transmittance.
    pixel_order : str
        Colours of the pixels.
    title : str
        Of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    made, (left, right) = figure(9, 3.4, 1, 2)
    draw_pattern(left, pattern, pixel_order)
    predicted = by_colour(predicted, pixel_order)
    for colour, values in by_colour(true, pixel_order).items():
        top = int(np.argmax(values))
        right.plot(wavelength, values, color=INK[colour], label=colour)
        right.plot(wavelength, predicted[colour], color=INK[colour], ls="--")
        right.plot(wavelength[top], values[top], "o", color=INK[colour])
        right.annotate(f"{values[top]:.2f}", (wavelength[top], values[top]), color=INK[colour], fontsize=8)
    right.set(xlabel="wavelength [nm]", ylabel="transmittance (dashed: network)", ylim=(0, None))
    right.legend(frameon=False)
    made.suptitle(title, fontsize=10)
    return made


def attention(pattern, scores, wavelength) -> Figure:
    """Plot the attention on the local tokens over the pattern, one panel for each of three wavelengths.

    Parameters
    ----------
    pattern : ndarray
        (y, x).
    scores : ndarray
        (w, side, side) means over the heads of the last block.
    wavelength : ndarray
        (w,) [nm].

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    made, axes = figure(9, 3.2, 1, len(ATTENTION_AT))
    chosen = [int(np.argmin(np.abs(wavelength - asked))) for asked in ATTENTION_AT]
    top = scores[chosen].max()
    for axis, k in zip(axes, chosen, strict=True):
        draw_pattern(axis, pattern)
        extent = (0, pattern.shape[1], pattern.shape[0], 0)
        image = axis.imshow(scores[k], cmap="inferno", alpha=0.65, extent=extent, vmin=0, vmax=top)
        axis.set_title(f"{wavelength[k]:.0f} nm", fontsize=9)
    made.colorbar(image, ax=axes, shrink=0.8, label="attention")
    return made
