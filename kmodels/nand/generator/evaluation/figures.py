"""Figures of generated sequences: timelines, and the mix of their operations beside the data's."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report import figures
from kmodels.core.report.figures import BLUE, GREY, ORANGE
from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.data.records import CODES, Trace
from kmodels.nand.evaluation.figures import plot_operations
from kmodels.nand.generator.data.encode import tokens


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot all figures of a report, by title."""
    prediction = evaluated.prediction
    free, constrained = (prediction.generate(masked) for masked in (False, True))
    plots = {"mix of operations": plot_mix(evaluated.records, constrained, prediction.model, free)}
    for row in range(min(2, len(constrained))):
        plots[f"constrained sequence {row + 1}"] = plot_timeline(constrained, row)
    plots["free sequence"] = plot_timeline(free, 0)
    invalid = np.flatnonzero(free.invalid)
    if len(invalid):
        plots["illegal free sequence"] = plot_timeline(free, int(invalid[0]))
    return plots


def plot_timeline(trace: Trace, row: int) -> Figure:
    """Plot a sequence as blocks by time, with pages as numbers and colour; the first violation in red."""
    one = trace.take(slice(row, row + 1))
    figure, axes = figures.figure(11, 1.4 + 0.45 * (one.slots().max() + 1))
    plot_operations(axes, one)
    axes.set(xlabel="operation")
    validity = CODES[one.violation_code[0]].replace("_", " ") if one.invalid[0] else "legal"
    axes.set_title(f"by the rules: {validity}", loc="left", fontsize=9)
    return figure


def plot_mix(data: Trace, constrained: Trace, model, free: Trace | None = None) -> Figure:
    """Plot the share of every (operation, page offset) in the data and in generated sequences."""
    shown = {"data": (data, GREY), "constrained": (constrained, BLUE)}
    if free is not None:
        shown["free"] = (free, ORANGE)
    names = model.vocabulary.names
    figure, axes = figures.figure(max(6, 0.8 * len(names)), 3.6)
    width = 0.8 / len(shown)
    for k, (label, (trace, color)) in enumerate(shown.items()):
        token = tokens(trace, model.rules, model.vocabulary)
        counts = np.bincount(token[token >= 0] % model.vocabulary.words, minlength=len(names))
        axes.bar(np.arange(len(names)) + k * width, counts / counts.sum(), width, color=color, label=label)
    axes.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axes.set(ylabel="share of operations")
    axes.legend(frameon=False)
    return figure
