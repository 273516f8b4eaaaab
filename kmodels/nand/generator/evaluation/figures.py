"""Pictures of generated sequences: timelines, and what they hold beside what the data holds."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report import figures
from kmodels.core.report.figures import BLUE, GREY, ORANGE
from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.data.records import CODES, Trace
from kmodels.nand.evaluation.figures import operations
from kmodels.nand.generator.data.encode import tokens


def draw(evaluated: EvaluationInput) -> dict[str, Figure]:
    """All pictures of a report."""
    prediction = evaluated.prediction
    free, constrained = (prediction.samples(masked) for masked in (False, True))
    found = {"mix of operations": mix(evaluated.records, constrained, prediction.model, free)}
    for row in range(min(2, len(constrained))):
        found[f"constrained sequence {row + 1}"] = timeline(constrained, row)
    found["free sequence"] = timeline(free, 0)
    broken = np.flatnonzero(free.invalid)
    if len(broken):
        found["illegal free sequence"] = timeline(free, int(broken[0]))
    return found


def timeline(trace: Trace, row: int) -> Figure:
    """A written sequence as blocks by time, pages as numbers and colour; the first violation in red."""
    one = trace.take(slice(row, row + 1))
    made, axes = figures.figure(11, 1.4 + 0.45 * (one.slots().max() + 1))
    operations(axes, one)
    axes.set(xlabel="operation")
    verdict = CODES[one.code[0]].replace("_", " ") if one.invalid[0] else "legal"
    axes.set_title(f"by the rules: {verdict}", loc="left", fontsize=9)
    return made


def mix(data: Trace, constrained: Trace, model, free: Trace | None = None) -> Figure:
    """The share of every (operation, page offset) in the data and in written sequences."""
    shown = {"data": (data, GREY), "constrained": (constrained, BLUE)}
    if free is not None:
        shown["free"] = (free, ORANGE)
    names = model.known.names
    made, axes = figures.figure(max(6, 0.8 * len(names)), 3.6)
    width = 0.8 / len(shown)
    for k, (label, (trace, color)) in enumerate(shown.items()):
        token = tokens(trace, model.rules, model.known)
        counts = np.bincount(token[token >= 0] % model.known.words, minlength=len(names))
        axes.bar(np.arange(len(names)) + k * width, counts / counts.sum(), width, color=color, label=label)
    axes.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axes.set(ylabel="share of operations")
    axes.legend(frameon=False)
    return made
