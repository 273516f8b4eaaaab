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

from kmodels.core.runs import jobs as jobs_of
from kmodels.core.spec import registry

if TYPE_CHECKING:
    from kmodels.benchmarks.parts import Bench

PARTS = ("data", "pairs", "growth")


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


def jobs(models: list[str], backends: list[str], parts: list[str]) -> list[Job]:
    """List what there is to do, model by model, on every backend; data has none.

    Parameters
    ----------
    models, backends, parts : list of str
        What is measured.
    """
    every = {part: backends[:1] if part == "data" else backends for part in PARTS}
    return [Job(model, backend, part) for model in models for part in parts for backend in every[part]]


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
    """Join two reports: what both have is the later one's.

    Parameters
    ----------
    before, now : dict
        The earlier and the later one, whole or in parts.
    """
    both = {key: joined(before[key], now[key]) for key in before.keys() & now.keys() if isinstance(now[key], dict)}
    return before | now | both


def case(model: str) -> "Bench":
    """Import the Bench of a model. It imports Keras: choose the backend first."""
    return importlib.import_module(f"kmodels.benchmarks.cases.{model.replace('.', '_')}").BENCH


def _here(job: Job, effort: str) -> dict:
    from kmodels.benchmarks import parts, reference
    from kmodels.core.runs import provenance

    task, bench = registry.task(job.model), case(job.model)
    recipe = parts.recipe_of(task, bench, effort == "smoke")
    measure = {"data": parts.rates, "pairs": parts.pairs, "growth": parts.growth}[job.part]
    found = measure(task, bench, recipe, parts.EFFORTS[effort])
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
