"""Figures of predictions: confusion by strategy, precision and recall, and a sequence as a timeline."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from kmodels.core.report import figures
from kmodels.core.report.figures import BLUE, GREEN, GREY, ORANGE, RED
from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.data.records import CODES, ERASE, NONE, PAD, PROGRAM, READ, Trace
from kmodels.nand.evaluation.prediction import Prediction


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot all figures of a report, by title."""
    trace, prediction = evaluated.records, evaluated.prediction
    plots = {"confusion matrix": plot_confusion(trace, prediction)}
    if 0 < trace.invalid.sum() < len(trace):
        plots["precision and recall"] = plot_precision_recall(trace, prediction)
    plots["reliability"] = figures.reliability_curve(prediction.probability, trace.invalid)
    if prediction.violation_probability is not None:
        for kind, row in _examples(trace, prediction):
            plots[f"{kind} sequence"] = plot_timeline(trace, prediction, row)
    return plots


def _strategies(trace: Trace) -> list[int]:
    return sorted(set(trace.strategy[trace.invalid]) - {NONE})


def plot_confusion(trace: Trace, prediction: Prediction) -> Figure:
    """Plot how many valid sequences, and invalid ones of each strategy, were predicted valid and invalid."""
    rows = {"valid": ~trace.invalid}
    rows |= {CODES[code].replace("_", " "): trace.invalid & (trace.strategy == code) for code in _strategies(trace)}
    counts = np.array([[(m & ~prediction.invalid).sum(), (m & prediction.invalid).sum()] for m in rows.values()])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = figures.figure(5, 1.4 + 0.55 * len(rows))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (r, c), n in np.ndenumerate(counts):
        text = f"{n}  ({100 * share[r, c]:.1f}%)"
        axes.text(c, r, text, ha="center", va="center", color="white" if share[r, c] > 0.6 else "black")
    axes.set_xticks([0, 1], ["predicted valid", "predicted invalid"])
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylabel("truth")
    axes.spines[:].set_visible(False)
    return figure


def plot_precision_recall(trace: Trace, prediction: Prediction) -> Figure:
    """Plot precision against recall for each strategy's invalid sequences against all valid ones."""
    figure, axes = figures.figure(4.6, 4.0)
    for code, color in zip(_strategies(trace), (BLUE, ORANGE, GREEN, RED, GREY), strict=False):
        rows = ~trace.invalid | (trace.strategy == code)
        precision, recall, _ = precision_recall_curve(trace.invalid[rows], prediction.probability[rows])
        axes.plot(recall, precision, color=color, label=CODES[code].replace("_", " "))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower left")
    return figure


def _examples(trace: Trace, prediction: Prediction) -> Iterator[tuple[str, int]]:
    """Choose (kind, row): a correctly predicted sequence of each strategy, then a wrong prediction, if there is one."""
    right = prediction.invalid == trace.invalid
    for code in _strategies(trace):
        rows = np.flatnonzero(right & trace.invalid & (trace.strategy == code))
        if len(rows):
            yield CODES[code].replace("_", " "), int(rows[0])
    wrong = np.flatnonzero(~right)
    if len(wrong):
        yield "misclassified", int(wrong[0])


def plot_timeline(trace: Trace, prediction: Prediction, row: int) -> Figure:
    """Plot a sequence as blocks by time, with pages as numbers and colour and the violation probability below."""
    one = trace.read(slice(row, row + 1))
    length = int(one.length[0])
    figure, (upper, lower) = figures.figure(11, 1.9 + 0.45 * (one.slots().max() + 1), rows=2)
    figure.get_layout_engine().set(hspace=0.02)
    lower.set_box_aspect(0.07)
    plot_operations(upper, one)
    truth = CODES[one.violation_code[0]].replace("_", " ") if one.invalid[0] else "valid"
    predicted = "invalid" if prediction.invalid[row] else "valid"
    title = f"truth: {truth};  predicted: {predicted}, P(invalid) = {prediction.probability[row]:.3f}"
    upper.set_title(title, loc="left", fontsize=9)
    lower.bar(np.arange(length), prediction.violation_probability[row, :length], color=RED, width=0.8)
    lower.set(xlabel="operation", ylabel="P(violation)", ylim=(0, 1), xlim=(-1, length))
    return figure


def plot_operations(axes: Axes, one: Trace) -> None:
    """Plot a labelled trace of one sequence: blocks by time, pages as numbers and colour, the violation in red."""
    length = int(one.length[0])
    op, slot, page = one.op[0, :length], one.slots()[0, :length], one.page[0, :length]
    time = np.arange(length)
    for kind, marker, name in ((ERASE, "X", "erase"), (PROGRAM, "s", "program"), (READ, "o", "read")):
        at = op == kind
        style = {"c": GREY} if kind == ERASE else {"c": page[at], "cmap": "viridis", "vmin": 0, "vmax": page.max()}
        axes.scatter(time[at], slot[at], marker=marker, s=70, label=name, **style)
    for t in time[op != ERASE]:
        axes.annotate(page[t], (t, slot[t]), (0, 7), textcoords="offset points", ha="center", fontsize=7)
    if one.violation_index[0] >= 0:
        axes.axvline(one.violation_index[0], color=RED, lw=8, alpha=0.2, zorder=0)
    axes.set_yticks(range(slot.max() + 1), [_block_name(one, slot, s) for s in range(slot.max() + 1)])
    axes.set(ylim=(slot.max() + 0.5, -0.7), xlim=(-1, length))
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8)


def _block_name(one, slot, number):
    """die.plane.block of a slot."""
    t = int(np.argmax((slot == number) & (one.op[0, : len(slot)] != PAD)))
    return f"{one.die[0, t]}.{one.plane[0, t]}.{one.block[0, t]}"
