"""What is timed on an accelerator: ConvLSTM3D against Keras' and plain PyTorch, and every full recipe."""

from collections.abc import Callable
from pathlib import Path

from kmodels.benchmarks.contestant import PLAIN, PRECISIONS, Contestant, in_a_process, time_all

MODELS = ("nand", "plume", "precip", "metasurface", "echo")
LAYER = "plume"  # the model whose layer is timed alone
LIMIT = 300  # seconds that one contestant may take; who compiles longer is reported as failed


def config_of(model: str) -> Path:
    """Find the full recipe of a model, in a clone."""
    return Path("configs") / f"{model}_full.yaml"


def contestants(backends: list[str], full: bool) -> list[Contestant]:
    """List what is timed: the layer on every backend in every precision, then the recipes.

    Parameters
    ----------
    backends : list of str
        Those that are installed.
    full : bool
        Else all in smoke size, a few steps each.
    """
    size, steps = ("full", 15) if full else ("smoke", 2)
    entries = {backend: ["ours", "keras", *(PLAIN if backend == "torch" else ())] for backend in backends}
    layers = [
        Contestant(LAYER, who, backend, True, precision, steps, size)
        for backend in backends
        for who in entries[backend]
        for precision in PRECISIONS
    ]
    return layers + [
        Contestant(model, "ours", backend, False, "tf32", steps, size) for model in MODELS for backend in backends
    ]


def measured(todo: list[Contestant], before: dict, keep: Callable[[dict], None], report: Callable) -> dict:
    """Time contestants one after another, each in a process of its own; arguments and result as for `time_all`."""
    return time_all([(entry, {}) for entry in todo], _child, before, keep, report)


def _child(entry: Contestant) -> dict:
    """Time one contestant in a new process, a network by its full recipe."""
    full = entry.size == "full" and not entry.layer
    return in_a_process(entry, LIMIT, ("--config", str(config_of(entry.model))) if full else ())


def tables(report: dict) -> tuple[list[list[str]], list[list[str]]]:
    """Make the cells of two tables: the layer by backend and precision, and the recipes by model and backend."""
    rows = report["rows"]
    layer = {(row["backend"], row["precision"], row["contestant"]): row for row in rows if row["layer"]}
    names = {"ours": "ours", "keras": "Keras'", "eager": "PyTorch, eager", "compiled": "PyTorch, compiled"}
    first = [["backend", "precision", *(f"{name} [ms]" for name in names.values()), "ours / Keras'"]]
    for backend, precision in dict.fromkeys(key[:2] for key in layer):
        found = [layer.get((backend, precision, who)) for who in names]
        cells = [f"{row['median_ms']:.1f}" if row else "-" for row in found]
        ratio = f"{found[0]['median_ms'] / found[1]['median_ms']:.2f}" if found[0] and found[1] else "-"
        first.append([backend, precision, *cells, ratio])
    second = [["model", "backend", "parameters", "batch", "step [ms]", "memory [GB]", "waiting for input"]]
    for row in (row for row in rows if not row["layer"]):
        size = [f"{row['parameters']:,}", str(row["batch"]), f"{row['median_ms']:.1f}", f"{row['memory_gb']:.2f}"]
        second.append([row["model"], row["backend"], *size, f"{row['waiting']:.1%}"])
    return first, second
