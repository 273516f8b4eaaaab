"""What was understood of a user's trace: a table, and a picture."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report import figures
from kmodels.nand.data.records import CODES, OPERATIONS, PAD, Trace
from kmodels.nand.evaluation.figures import plot_operations

SHOWN = 2  # sequences in the picture


def describe(trace: Trace) -> dict[str, str]:
    """Tabulate sequences, operations, addresses and labels."""
    trace = trace.read()
    real, length = trace.op != PAD, trace.length
    counts = {name: int((trace.op == code).sum()) for code, name in enumerate(OPERATIONS)}
    shares = ", ".join(f"{count / real.sum():.0%} {name}" for name, count in counts.items())
    blocks = np.unique(np.stack([trace.die[real], trace.plane[real], trace.block[real]]), axis=1).shape[1]
    found = {
        "sequences": f"{len(trace)} of {length.min()} to {length.max()} operations, median {np.median(length):g}",
        "operations": f"{int(real.sum())}: {shares}",
        "addresses": f"{blocks} blocks; die 0 to {trace.die.max()}, plane 0 to {trace.plane.max()}, block "
        f"{trace.block[real].min()} to {trace.block.max()}, page up to {trace.page.max()}",
        "a sequence": f"works on {np.median(trace.slots().max(1) + 1):g} blocks (median)",
        "pairs": f"{len(np.unique(trace.pair))}, each in one part only",
    }
    if trace.invalid is not None:
        found["invalid"] = f"{trace.invalid.mean():.1%}{_rules(trace)}"
    return found


def _rules(trace: Trace) -> str:
    """List how many sequences break each rule first."""
    codes, counts = np.unique(trace.violation_code[trace.invalid], return_counts=True)
    each = [f"{count} {CODES[code].replace('_', ' ')}" for code, count in zip(codes, counts, strict=True)]
    return ": " + ", ".join(each) if each else ""


def picture(trace: Trace) -> Figure:
    """Draw the first sequences, an invalid one among them where there is one: blocks by time, pages as numbers."""
    rows = list(range(min(SHOWN, len(trace))))
    if trace.invalid is not None and trace.invalid.any():
        rows[-1] = int(np.argmax(trace.invalid))
    heights = [1.2 + 0.45 * (trace.read([row]).slots().max() + 1) for row in rows]
    made, axes = figures.figure(11, sum(heights), len(rows), 1)
    for axis, row in zip(np.atleast_1d(axes), rows, strict=True):
        one = trace.read([row])
        if one.violation_index is None:
            one = Trace(**{**vars(one), "violation_index": np.array([-1])})
        plot_operations(axis, one)
        axis.set_title(f"sequence {trace.name[row]}", loc="left", fontsize=9)
    return made
