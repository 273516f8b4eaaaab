"""Pictures: depth images with their parts, error by distance, predicted against true depth."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.io.rows import Chosen
from kmodels.core.report.figures import BLUE, GREY, ORANGE, figure
from kmodels.core.spec.task import EvaluationInput
from kmodels.echo.data.statistics import chunks

SHOWN = 4  # pairs
STEP = 0.5  # m, of the histograms


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot a prediction of held-out pairs: {title: Figure}."""
    truth = Chosen(evaluated.records.depths, evaluated.records.index)
    return {
        "depth images": examples(evaluated),
        "error by distance": by_distance(truth, evaluated.prediction),
        "predicted against true": density(truth, evaluated.prediction.depth, evaluated.records.max_depth),
    }


def examples(evaluated: EvaluationInput) -> Figure:
    """Plot a few pairs, spread over the data: base, residual, depth, truth and error [m]; unknown truth is white."""
    pairs, prediction = evaluated.records, evaluated.prediction
    rows = np.unique(np.linspace(0, len(pairs) - 1, SHOWN).astype(int))
    truth = pairs.depth(rows)
    known = np.where(truth > 0, truth, np.nan)
    panels = {"depth": prediction.depth[rows], "truth": known, "depth - truth": prediction.depth[rows] - known}
    if prediction.base is not None:
        panels = {"base": prediction.base[rows], "residual": prediction.residual[rows]} | panels
    far = np.nanquantile(known, 0.99) if np.isfinite(known).any() else pairs.max_depth
    styles = {True: {"vmin": -far / 2, "vmax": far / 2, "cmap": "RdBu"}, False: {"vmin": 0, "vmax": far}}
    made, axes = figure(2.1 * len(panels), 1.9 * len(rows), len(rows), len(panels))
    axes = np.reshape(axes, (len(rows), len(panels)))
    for column, (name, images) in enumerate(panels.items()):
        for row, image in enumerate(images):
            shown = axes[row, column].imshow(image, **styles[name in ("residual", "depth - truth")])
            axes[row, column].set(xticks=[], yticks=[], title=name if row == 0 else "")
        made.colorbar(shown, ax=axes[:, column], orientation="horizontal", shrink=0.8, label="m")
    return made


def by_distance(truth: np.ndarray, prediction) -> Figure:
    """Plot the mean absolute error of depth and base by true depth, and how often each distance occurs."""
    made, (upper, lower) = figure(5, 4.4, rows=2)
    lower.set_box_aspect(0.2)
    count, errors = _by_distance(truth, {"depth": prediction.depth, "base": prediction.base})
    distance = (np.arange(len(count)) + 0.5) * STEP
    for name, colour in (("depth", BLUE), ("base", ORANGE)):
        if name in errors:
            error = errors[name] / np.maximum(count, 1)
            upper.plot(distance[count > 0], error[count > 0], "o-", ms=3, color=colour, label=name)
    upper.set(ylabel="mean absolute error [m]", ylim=(0, None))
    upper.legend(frameon=False)
    lower.bar(distance, count / count.sum(), width=0.9 * STEP, color=GREY)
    lower.set(xlabel="true depth [m]", ylabel="share")
    return made


def _by_distance(truth: np.ndarray, images: dict) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Count known pixels by true depth in steps of STEP, (steps,), and add up the errors of images by name there."""
    steps = 1 + max((int(truth[rows].max(initial=0) / STEP) for rows in chunks(len(truth))), default=0)
    count, errors = np.zeros(steps), {name: np.zeros(steps) for name, of in images.items() if of is not None}
    for rows in chunks(len(truth)):
        some = truth[rows]
        known = some > 0
        bins = (some[known] / STEP).astype(int)
        count += np.bincount(bins, minlength=steps)
        for name, error in errors.items():
            error += np.bincount(bins, np.abs(images[name][rows][known] - some[known]), steps)
    return count, errors


def density(truth: np.ndarray, depth: np.ndarray, max_depth: float) -> Figure:
    """Plot how often each pair of true and predicted depth occurs; between the lines a factor of 1.25."""
    made, axes = figure(4.6, 4.2)
    edges = np.linspace(0, max_depth, 61)
    count = np.zeros((len(edges) - 1, len(edges) - 1))
    for rows in chunks(len(truth)):
        known = truth[rows] > 0
        count += np.histogram2d(truth[rows][known], depth[rows][known], bins=(edges, edges))[0]
    shown = axes.pcolormesh(edges, edges, np.log10(np.maximum(count.T, 1)), cmap="Blues")
    line = np.array([0, max_depth])
    axes.plot(line, line, color=GREY, lw=1)
    for factor in (1.25, 1 / 1.25):
        axes.plot(line, factor * line, color=GREY, lw=1, ls="--")
    axes.set(xlabel="true depth [m]", ylabel="predicted depth [m]", xlim=line, ylim=line)
    made.colorbar(shown, ax=axes, label="log10 of the number of pixels")
    return made
