"""Our networks on every backend against plain PyTorch: each contestant in a fresh process, in turn, several rounds.

In one process with TensorFlow the thread pools of both collide, and PyTorch takes twice as long; here each runs alone.
What is compared with is the faster of PyTorch as it is and of `torch.compile`, for each figure.
"""

from collections.abc import Callable
from statistics import median

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from kmodels.benchmarks import reference
from kmodels.benchmarks.contestant import PLAIN, Contestant, in_a_process, time_all
from kmodels.core.report import figures

LIMIT = 600.0  # seconds that one contestant may take
NOISY = 1.25  # highest by lowest median of one contestant, above which the machine is too noisy to tell
OUTSIDE = 0.05  # share of the ratios of two reports that may lie further apart than their spread
FIGURES = {"step": "training step", "1": "one prediction", "64": "64 predictions"}


def contestants(models: list[str], backends: list[str], steps: int, smoke: bool) -> list[list[Contestant]]:
    """List who runs against whom, a list a model."""
    size = "smoke" if smoke else "default"
    every = [("ours", backend) for backend in backends]
    every += [(who, "torch") for who in PLAIN] if reference.missing() is None else []
    return [[Contestant(model, *one, steps=steps, size=size) for one in every] for model in models]


def measured(todo: list[list[Contestant]], rounds: int, before: dict, keep: Callable, report: Callable) -> dict:
    """Let the contestants of each model run in turn, every other round from the last to the first.

    Parameters
    ----------
    todo : list of list of Contestant
        As `contestants` returns it.
    rounds : int
        How often each runs.
    before, keep, report
        As for `time_all`.

    Returns
    -------
    dict
        As `time_all` returns it; each row has its `round`.
    """
    every = [
        (entry, {"round": k})
        for of_model in todo
        for k in range(rounds)
        for entry in (of_model if k % 2 == 0 else of_model[::-1])
    ]
    return time_all(every, lambda entry: in_a_process(entry, LIMIT), before, keep, report)


def medians(rows: list[dict], model: str, figure: str) -> dict[tuple[str, str], float]:
    """Compute the median over rounds of a figure [ms], to three digits, for each (contestant, backend) of a model."""
    return {key: float(f"{median(values):.3g}") for key, values in _each(rows, model, figure).items()}


def _each(rows, model, figure) -> dict[tuple[str, str], list[float]]:
    """Collect a figure [ms] of every round, for each (contestant, backend) of a model."""
    found = {}
    for row in rows:
        value = row["median_ms"] if figure == "step" else row.get("predict_ms", {}).get(figure)
        if row["model"] == model and value is not None:
            found.setdefault((row["contestant"], row["backend"]), []).append(value)
    return found


def noisy(rows: list[dict]) -> list[str]:
    """Name the contestants whose training steps differ so much from round to round that nothing can be told."""
    return [
        f"{model}, {who} on {backend}"
        for model in models_of(rows)
        for (who, backend), values in _each(rows, model, "step").items()
        if max(values) > NOISY * min(values)
    ]


def models_of(rows: list[dict]) -> list[str]:
    """List the models in their order."""
    return list(dict.fromkeys(row["model"] for row in rows))


def table(rows: list[dict], figure: str) -> list[list[str]]:
    """Make the cells of a table of all contestants' medians, with ratios that divide out.

    Behind the times: our best and our worst backend by the faster of PyTorch's two, and how far rounds of a contestant
    lie apart: half the difference of its slowest and fastest as a share of their mean, the most of all contestants.

    Parameters
    ----------
    rows : list of dict
        Of a report.
    figure : {"step", "1", "64"}
        Training step, or predictions of so many examples.
    """
    backends = list(dict.fromkeys(row["backend"] for row in rows if row["contestant"] == "ours"))
    names = [f"ours on {backend} [ms]" for backend in backends] + ["PyTorch [ms]", "compiled [ms]"]
    cells = [[FIGURES[figure], *names, "best / PyTorch's", "worst", "rounds"]]
    contestants = [("ours", backend) for backend in backends] + [(who, "torch") for who in PLAIN]
    for model in models_of(rows):
        found = medians(rows, model, figure)
        times = [f"{found[one]:g}" if one in found else "-" for one in contestants]
        both = ratios(rows, model, figure)
        cells.append([model, *times, *(f"{ratio:.2f}" for ratio in both.values()), *["-"] * (2 - len(both))])
        cells[-1].append(f"±{spread(rows, model, figure):.0%}")
    return cells


def ratios(rows: list[dict], model: str, figure: str) -> dict[str, float]:
    """Divide the medians of our `best` and our `worst` backend by the faster of PyTorch's two; {} without either."""
    ours, theirs = _sides(rows, model, figure)
    return {"best": min(ours) / min(theirs), "worst": max(ours) / min(theirs)} if ours and theirs else {}


def _sides(rows, model, figure) -> tuple[list[float], list[float]]:
    """Part the medians of a figure [ms] into those of our backends and those of PyTorch."""
    sides = [], []
    for (who, _), value in medians(rows, model, figure).items():
        sides[who != "ours"].append(value)
    return sides


def spread(rows: list[dict], model: str, figure: str) -> float:
    """Say how far rounds of a contestant lie apart, the most of all: half their range as a share of its middle."""
    every = _each(rows, model, figure).values()
    return max((max(values) - min(values)) / (max(values) + min(values)) for values in every)


def disagreements(rows: list[dict], earlier: list[dict]) -> tuple[list[str], int]:
    """Find the ratios of two reports that lie further apart than their spread, and count those that both have.

    Of a ratio either time may be off by the spread s, the larger one of both reports: (1 + s) / (1 - s) are allowed.
    """
    outside, count = [], 0
    for model in models_of(rows):
        for figure, what in FIGURES.items():
            now, then = ratios(rows, model, figure), ratios(earlier, model, figure)
            if not now or not then:
                continue
            s = max(spread(each, model, figure) for each in (rows, earlier))
            for name, ratio in now.items():
                count += 1
                if abs(np.log(ratio / then[name])) > np.log((1 + s) / (1 - s)):
                    outside.append(f"{model}, {what}, {name}: {ratio:.2f}, and {then[name]:.2f} before, ±{s:.0%}")
    return outside, count


def trainings(rows: list[dict], model: str) -> dict[str, float]:
    """Compute the seconds that a training by the default recipe takes on each backend, the median of all rounds."""
    taken = {}
    for row in rows:
        if row["model"] == model and row["contestant"] == "ours":
            taken.setdefault(row["backend"], []).append(training_s(row))
    return {backend: median(seconds) for backend, seconds in taken.items()}


def training_s(row: dict) -> float:
    """Compute the seconds of a training by the default recipe from those of a step, and of the first."""
    return row["first_s"] + row["steps_of_training"] * row["median_ms"] / 1e3


def limits(rows: list[dict]) -> list[dict]:
    """Compare training steps with what the processor could do: the roofline.

    A step of I operations a byte can do min(P, I B) operations a second, P and B those of a matrix product and of a
    copy, the best of all rounds. Williams, Waterman and Patterson 2009, Commun. ACM 52, 65-76.

    Returns
    -------
    list of dict
        A model each, of those that both have timed: `model`; `operations` of a step; `intensity` I; `peaks` P and B;
        `ours` and `theirs`, operations a second of our best backend and of the faster PyTorch.
    """
    counted = {row["model"]: row for row in rows if "operations" in row}
    peaks = [row["peaks"] for row in counted.values()]
    best = {name: max(one[name] for one in peaks) for name in ("operations_s", "bytes_s")} if peaks else {}
    found = []
    for model, row in counted.items():
        ours, theirs = _sides(rows, model, "step")
        if not ours or not theirs:  # failed, or interrupted
            continue
        rates = {who: 1e3 * row["operations"] / min(of) for who, of in (("ours", ours), ("theirs", theirs))}
        intensity = row["operations"] / row["bytes"]
        found.append({"model": model, "operations": row["operations"], "intensity": intensity, "peaks": best} | rates)
    return found


def limit_table(rows: list[dict]) -> list[list[str]]:
    """Make the cells of a table of `limits`, in shares of what the processor could do."""
    head = ["training step", "operations [10^9]", "operations a byte", "bound [10^9/s]", "ours", "PyTorch's"]
    cells = [head]
    for one in limits(rows):
        bound = min(one["peaks"]["operations_s"], one["intensity"] * one["peaks"]["bytes_s"])
        shares = [f"{one[who] / bound:.0%}" for who in ("ours", "theirs")]
        amounts = [f"{one['operations'] / 1e9:.3g}", f"{one['intensity']:.3g}", f"{bound / 1e9:.3g}"]
        cells.append([one["model"], *amounts, *shares])
    return cells


def roofline(rows: list[dict]) -> Figure:
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
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("operations a byte that eager PyTorch moves")
    axes.set_ylabel("10⁹ operations a second")
    axes.set_title("Training steps below what the processor can do; blue: ours, orange: PyTorch", fontsize=9)
    return made
