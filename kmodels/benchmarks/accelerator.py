"""What is timed on an accelerator: ConvLSTM3D against Keras' and plain PyTorch, and every full recipe."""

from collections.abc import Callable
from pathlib import Path

from kmodels.benchmarks.contestant import PLAIN, PRECISIONS, Contestant, in_a_process, time_all

MODELS = ("nand", "plume", "precip", "metasurface", "echo")
LAYER = "plume"  # the model whose layer is timed alone
MAIN = "tf32"  # the precision that recipes are timed in
# Where a layer's input lies as its step begins; what was measured with one on the host is timed again.
INPUT = {"input": "device"}
KEYS = ("backend", "precision", "input")  # of a row of the table of layers
# So that no contestant spends its time on data: a run of plume's takes 24 s for 40 frames, of which a window needs 31.
LITTLE = {"plume": ("--data.frames", "36")}
LIMIT = 300  # seconds that one contestant may take; who compiles longer is reported as failed


def config_of(model: str) -> Path:
    """Find the full recipe of a model, in a clone."""
    return Path("configs") / f"{model}_full.yaml"


def contestants(backends: list[str], full: bool) -> list[Contestant]:
    """List what is timed, what matters most first: the layer, the recipes, and the layer in the other precisions.

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
    recipes = [Contestant(model, "ours", backend, False, MAIN, steps, size) for model in MODELS for backend in backends]
    first, rest = ([entry for entry in layers if (entry.precision == MAIN) is main] for main in (True, False))
    return first + recipes + rest


def measured(todo: list[Contestant], before: dict, keep: Callable[[dict], None], report: Callable) -> dict:
    """Time contestants one after another, each in a process of its own; arguments and result as for `time_all`."""
    return time_all([(entry, INPUT if entry.layer else {}) for entry in todo], _child, before, keep, report)


def _child(entry: Contestant) -> dict:
    """Time one contestant in a new process, a network by its full recipe."""
    recipe = ("--config", str(config_of(entry.model)), *LITTLE.get(entry.model, ()))
    return in_a_process(entry, LIMIT, recipe if entry.size == "full" and not entry.layer else ())


def tables(report: dict) -> tuple[list[list[str]], list[list[str]]]:
    """Make the cells of two tables: the layer by backend, precision and place of the input, and the recipes.

    What had its input elsewhere is in a row of its own, for its times hold the copying.
    """
    rows = report["rows"]
    layer = {(*(row[name] for name in KEYS), row["contestant"]): row for row in rows if row["layer"]}
    names = {"ours": "ours", "keras": "Keras'", "eager": "PyTorch, eager", "compiled": "PyTorch, compiled"}
    first = [["backend", "precision", "input on", *(f"{name} [ms]" for name in names.values()), "ours / Keras'"]]
    for key in dict.fromkeys(key[:-1] for key in layer):
        found = [layer.get((*key, who)) for who in names]
        cells = [f"{row['median_ms']:.1f}" if row else "-" for row in found]
        ratio = f"{found[0]['median_ms'] / found[1]['median_ms']:.2f}" if found[0] and found[1] else "-"
        first.append([*key, *cells, ratio])
    second = [["model", "backend", "parameters", "batch", "step [ms]", "memory [GB]", "waiting for input"]]
    for row in (row for row in rows if not row["layer"]):
        size = [f"{row['parameters']:,}", str(row["batch"]), f"{row['median_ms']:.1f}", f"{row['memory_gb']:.2f}"]
        second.append([row["model"], row["backend"], *size, f"{row['waiting']:.1%}"])
    return first, second
