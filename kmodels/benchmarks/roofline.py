"""How near training steps come to what the processor can do, as a table and a picture."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.benchmarks.rounds import medians
from kmodels.core.report import figures


def limits(rows: list[dict]) -> list[dict]:
    """Compare training steps with what the processor could do: the roofline.

    A step of I operations a byte can do min(P, I B) operations a second, P and B those of a matrix product and of a
    copy, the best of all rounds. Williams, Waterman and Patterson 2009, Commun. ACM 52, 65-76.

    Returns
    -------
    list of dict
        A model each: `model`; `operations` of a step; `intensity` I; `peaks` P and B; `ours` and `theirs`, operations a
        second of our best backend and of the faster PyTorch; empty without a reference.
    """
    counted = {row["model"]: row for row in rows if "operations" in row}
    peaks = [row["peaks"] for row in counted.values()]
    best = {name: max(one[name] for one in peaks) for name in ("operations_s", "bytes_s")} if peaks else {}
    found = []
    for model, row in counted.items():
        steps = medians(rows, model, "step")
        ours, theirs = (
            min(value for (who, _), value in steps.items() if (who == "ours") == own) for own in (True, False)
        )
        rates = {"ours": 1e3 * row["operations"] / ours, "theirs": 1e3 * row["operations"] / theirs}
        intensity = row["operations"] / row["bytes"]
        found.append({"model": model, "operations": row["operations"], "intensity": intensity, "peaks": best} | rates)
    return found


def table(rows: list[dict]) -> list[list[str]]:
    """Make the cells of a table of `limits`, in shares of what the processor could do."""
    head = ["training step", "operations [10^9]", "operations a byte", "bound [10^9/s]", "ours", "PyTorch's"]
    cells = [head]
    for one in limits(rows):
        bound = min(one["peaks"]["operations_s"], one["intensity"] * one["peaks"]["bytes_s"])
        shares = [f"{one[who] / bound:.0%}" for who in ("ours", "theirs")]
        amounts = [f"{one['operations'] / 1e9:.3g}", f"{one['intensity']:.3g}", f"{bound / 1e9:.3g}"]
        cells.append([one["model"], *amounts, *shares])
    return cells


def draw(rows: list[dict]) -> Figure:
    """Draw `limits`: operations a second over operations a byte, ours filled, PyTorch's hollow."""
    found = limits(rows)
    made, axes = figures.figure(7.0, 4.5)
    peaks = found[0]["peaks"]
    x = np.geomspace(min(one["intensity"] for one in found) / 3, max(one["intensity"] for one in found) * 3, 200)
    axes.loglog(x, np.minimum(peaks["operations_s"], x * peaks["bytes_s"]) / 1e9, color=figures.GREY)
    for one in found:
        at = one["intensity"]
        axes.plot([at, at], [one["ours"] / 1e9, one["theirs"] / 1e9], color=figures.GREY, linewidth=0.8)
        axes.plot(at, one["theirs"] / 1e9, "o", markerfacecolor="white", color=figures.ORANGE)
        axes.plot(at, one["ours"] / 1e9, "o", color=figures.BLUE)
        highest = max(one["ours"], one["theirs"]) / 1e9
        axes.annotate(one["model"], (at, highest), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xlabel("operations a byte that eager PyTorch moves")
    axes.set_ylabel("10⁹ operations a second")
    axes.set_title("Training steps below what the processor can do; blue: ours, orange: PyTorch", fontsize=9)
    return made
