"""A bench: what is measured, each part in a process of its own, since Keras holds one backend."""

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodels.benchmarks import measure
from kmodels.core.runs import jobs as jobs_of
from kmodels.core.spec import registry

if TYPE_CHECKING:
    from kmodels.benchmarks.speed import Bench

PARTS = ("data", "speed", "growth")
# The stated spread of a ratio goes from the lowest to the highest of its processes, and this far beyond. Of the ratios
# of three benches 162 of 171 lay so near to those of the two others, 19 of 20: each process has its threads and memory
# elsewhere.
BETWEEN = 0.15
OUTSIDE = 0.05  # share of the ratios that may


@dataclass(frozen=True)
class Job:
    """One part of a bench.

    Attributes
    ----------
    model : str
        As the registry has it.
    backend : str
        That the part runs on.
    part : str
        One of PARTS.
    """

    model: str
    backend: str
    part: str

    def __str__(self):
        return f"{self.part} of {self.model} on {self.backend}"

    def command(self, effort: str, out: Path) -> list[str]:
        """Compose the call of the verb that does this job alone.

        Parameters
        ----------
        effort : {"smoke", "normal", "full"}
            How long is measured.
        out : pathlib.Path
            Where the report goes.
        """
        words = ["--model", self.model, "--backend", self.backend, "--part", self.part, "--out", str(out)]
        return [sys.executable, "-m", "kmodels.bench", *words, *([] if effort == "normal" else [f"--{effort}"])]


def jobs(models: list[str], backends: list[str], parts: list[str], effort: str, processes: int = 1) -> list[Job]:
    """List what there is to do, model by model, then all speeds again and again.

    Data has no backend, and growth is seen on one; with effort "full" on each.

    Parameters
    ----------
    models, backends, parts : list of str
        What is measured.
    effort : {"smoke", "normal", "full"}
        How long is measured.
    processes : int
        That measure each speed.
    """
    every = {"data": backends[:1], "speed": backends, "growth": backends if effort == "full" else backends[:1]}
    once = [Job(model, backend, part) for model in models for part in parts for backend in every[part]]
    return once + [job for job in once if job.part == "speed"] * (processes - 1)


def measured(todo: list[Job], effort: str, report: Callable[[int, int, str], None]) -> dict:
    """Run jobs and report: one in this process, whose backend is chosen; several, or any on workers, each in its own.

    Parameters
    ----------
    todo : list of Job
        What to run, in order.
    effort : {"smoke", "normal", "full"}
        How long is measured.
    report : callable
        ``report(done, total, text)`` shows how far it is.

    Returns
    -------
    dict
        The bench's report. A process that failed is named under `failed`; the others go on.
    """
    if len(todo) == 1 and not jobs_of.active():
        report(0, 1, str(todo[0]))
        return _here(todo[0], effort)

    def told():
        for done, job in enumerate(todo):
            report(done, len(todo), str(job))
            yield job, effort

    work = _on_worker if jobs_of.active() else _child
    found = {"failed": []}
    for (job, _), part in jobs_of.run(work, told(), in_order=True, apart=True, ahead=1, keep_going=True):
        if isinstance(part, Exception):
            part = {"failed": [f"{job}: {part}"]}
        found = joined(found, part) | {"failed": found["failed"] + part["failed"]}
    return found


def joined(before: dict, now: dict) -> dict:
    """Join two reports: what both have is the later one's, but ratios are those of all processes.

    Parameters
    ----------
    before, now : dict
        The earlier and the later one, whole or in parts.
    """
    if "values" in before and "values" in now:
        return measure.of_processes(before["values"] + now["values"])
    both = {key: joined(before[key], now[key]) for key in before.keys() & now.keys() if isinstance(now[key], dict)}
    return before | now | both


def case(model: str) -> "Bench":
    """Import the Bench of a model. It imports Keras: choose the backend first."""
    return importlib.import_module(f"kmodels.benchmarks.cases.{model.replace('.', '_')}").BENCH


def _here(job: Job, effort: str) -> dict:
    from kmodels.benchmarks import reference, speed
    from kmodels.core.runs import provenance

    task, bench = registry.task(job.model), case(job.model)
    recipe = speed.recipe_of(task, bench, effort == "smoke")
    measure = {"data": speed.rates, "speed": speed.speed, "growth": speed.growth}[job.part]
    found = measure(task, bench, recipe, speed.EFFORTS[effort])
    metadata = {name: value for name, value in provenance.here().items() if name != "backend"}
    metadata |= {"effort": effort, "compared": reference.missing() or "with PyTorch", "failed": []}
    return metadata | {"models": {job.model: {job.part: found if job.part == "data" else {job.backend: found}}}}


def _child(job: Job, effort: str) -> dict:
    """Run one job in a process of its own and return its report, or only that it failed and why."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        done = subprocess.run(job.command(effort, out), capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(out.read_text())
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return {"failed": [f"{job}: {said[-1]}"]}


def _on_worker(job: Job, effort: str) -> dict:
    """Run one job in this process, which a worker has begun for it."""
    from kmodels.core.training import backend

    backend.start(job.backend, registry.recipe_type(job.model).SMALL_OPERATIONS)
    return _here(job, effort)


def fastest(speeds: dict[str, dict]) -> list[str]:
    """Order the backends by the time that a whole training takes.

    Parameters
    ----------
    speeds : dict of str to dict
        {backend: what `speed.speed` measured}.
    """
    return sorted(speeds, key=lambda backend: speeds[backend]["training"])


# -- against an earlier bench ---------------------------------------------------------------------------------


def ratios(report: dict) -> dict[str, dict]:
    """Collect every ratio of a report with its spread, by a name for people: `nand on jax: training step`."""
    found = {}
    for model, backend, speed in _speeds(report):
        where = f"{model} on {backend}: "
        parts = {"training step": speed["train"]}
        parts |= {f"prediction of {n}": part for n, part in speed["predict"].items()}
        for name, part in parts.items():
            found |= {f"{where}{name} / {other}": spread for other, spread in part["ratio"].items()}
        for name, part in {**speed["alternatives"], **speed["layers"]}.items():
            found[f"{where}{name}"] = part["ratio"]
    return found


def _speeds(report):
    for model, parts in report["models"].items():
        for backend, speed in parts.get("speed", {}).items():
            yield model, backend, speed


def disagreements(report: dict, earlier: dict) -> list[str]:
    """Find the ratios whose medians lie outside an earlier bench's spread, of those that both have.

    Parameters
    ----------
    report, earlier : dict
        As `measured` returns them.

    Returns
    -------
    list of str
        A sentence each.
    """
    now, then = ratios(report), ratios(earlier)
    return [
        f"{name}: {now[name]['median']:.2f}, and {old['median']:.2f} ({old['low']:.2f}-{old['high']:.2f}) before"
        for name, old in then.items()
        if name in now and not old["low"] / (1 + BETWEEN) <= now[name]["median"] <= old["high"] * (1 + BETWEEN)
    ]


def agrees(report: dict, earlier: dict) -> bool:
    """Tell whether no more ratios lie outside the earlier spread than may; arguments as for `disagreements`."""
    return len(disagreements(report, earlier)) <= OUTSIDE * shared(report, earlier)


def shared(report: dict, earlier: dict) -> int:
    """Count the ratios that both reports have."""
    return len(ratios(report).keys() & ratios(earlier).keys())
