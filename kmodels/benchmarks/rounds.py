"""Our networks on every backend against plain PyTorch: each contestant in a fresh process, in turn, several rounds.

In one process with TensorFlow the thread pools of both collide, and PyTorch takes twice as long; here each runs alone.
What is compared with is the faster of PyTorch as it is and of `torch.compile`, for each figure.
"""

from collections.abc import Callable
from statistics import median

from kmodels.benchmarks import reference
from kmodels.benchmarks.contestant import PLAIN, Contestant, in_a_process, time_all

LIMIT = 600.0  # seconds that one contestant may take
NOISY = 1.25  # highest by lowest median of one contestant, above which the machine is too noisy to tell
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
        if row["model"] == model:
            value = row["median_ms"] if figure == "step" else row["predict_ms"][figure]
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
    for model in models_of(rows):
        found = medians(rows, model, figure)
        ours = [found.get(("ours", backend)) for backend in backends]
        plain = [found.get((who, "torch")) for who in PLAIN]
        theirs = min((value for value in plain if value is not None), default=None)
        known = [value for value in ours if value is not None]
        ratios = [f"{of(known) / theirs:.2f}" if known and theirs else "-" for of in (min, max)]
        every = _each(rows, model, figure).values()
        apart = max((max(v) - min(v)) / (max(v) + min(v)) for v in every)
        cells.append([model, *("-" if value is None else f"{value:g}" for value in (*ours, *plain)), *ratios])
        cells[-1].append(f"±{apart:.0%}")
    return cells
