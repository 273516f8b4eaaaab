"""The workers: begun on this machine, or those of a cluster that runs; and whether they are fit."""

import contextlib
import functools
import glob
import logging
import os
import platform
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kmodels
from kmodels.core.cli import console
from kmodels.core.io import files, system
from kmodels.core.spec.errors import UserError

INSTALL = 'pip install "kmodels[scale]"'
ANSWER_SECONDS = 10.0  # in which a scheduler answers
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes
    ----------
    client : distributed.Client
        Of the scheduler.
    name : str
        Of the scheduler, for people.
    resources : dict of str to float
        What a job takes of a worker.
    among : int
        How many workers share this machine's cores; 0 on a cluster that somebody else started.
    expected : tuple
        What `refuse` finds on a worker that is fit.
    """

    client: Any
    name: str
    resources: dict[str, float]
    among: int
    expected: tuple[str, str, str]

    def workers(self) -> dict[str, dict]:
        """Ask the scheduler for the workers that it has now, by address."""
        return self.client.scheduler_info(n_workers=-1)["workers"]

    def slots(self) -> int:
        """Count the jobs that run at the same time."""
        count = 0
        for worker in self.workers().values():
            offered = [worker.get("resources", {}).get(name, 0) // number for name, number in self.resources.items()]
            count += int(min([worker["nthreads"], *offered]))
        return count


@contextlib.contextmanager
def connected(
    folder: Path, n: int | None, address: str | None, resources: dict[str, float], dashboard: bool
) -> Iterator[Cluster]:
    """Begin workers, or connect to those that run; the arguments, and what is raised, are those of `engine.workers`."""
    try:
        import distributed
    except ImportError:
        raise UserError(f"--workers and --scheduler need Dask: {INSTALL}") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what there is to say is said here, once
    with contextlib.ExitStack() as stack:
        if address is None:
            local = stack.enter_context(_local(distributed, n, dashboard))
            client = stack.enter_context(distributed.Client(local))
        else:
            client = stack.enter_context(_client(distributed, address))
        mark = stack.enter_context(_mark(folder))
        name = f"--workers {n}" if address is None else f"--scheduler {address}"
        made = Cluster(client, name, resources, n or 0, (_python(), version(), str(mark)))
        _wait_for_fit_workers(made)
        yield made


def _local(distributed, n: int, dashboard: bool):
    """Start workers here. Only this process and they can talk to each other: by TLS, with keys made for this once."""
    share = str(max(1, len(system.cores()) // n))
    threads = {name: os.environ.get(name, share) for name in THREADS}
    made = distributed.LocalCluster(
        n_workers=n,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": dashboard},
        silence_logs=logging.CRITICAL,
        env=threads,
    )
    if dashboard:
        console.say(f"dashboard    {made.dashboard_link}")
    return made


def _client(distributed, address: str):
    try:
        return distributed.Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = "does it run there, and is the port open? keys of tls:// are in Dask's own configuration"
        raise UserError(f"--scheduler {address}: does not answer: {reason}; {hint}") from None


@contextlib.contextmanager
def _mark(folder: Path) -> Iterator[Path]:
    """Put a file into the folder that workers look for."""
    folder.mkdir(parents=True, exist_ok=True)
    start = f"{files.ASIDE}shared-{platform.node()}-"
    for left in folder.glob(glob.escape(start) + "*"):
        if files.is_gone(left.name.removeprefix(start).split("-")[0]):  # a driver that was killed
            left.unlink(missing_ok=True)
    mark = folder.resolve() / f"{start}{os.getpid()}-{uuid.uuid4().hex}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


@functools.cache  # a worker that runs on keeps the code that it has loaded, whatever is installed behind it
def version() -> str:
    """Name this kmodels by its version and a hash of its code."""
    from kmodels.core.runs import provenance

    return f"{kmodels.__version__} ({provenance.code()[:8]})"


def _python() -> str:
    return "{}.{}".format(*sys.version_info)


def _wait_for_fit_workers(cluster: Cluster) -> None:
    """Wait for a worker, and refuse the cluster where one is not fit."""
    if not cluster.workers():
        console.say(f"{cluster.name}: no worker yet; waiting for one")
        cluster.client.wait_for_workers(1)
    pythons = cluster.client.get_versions()["workers"]
    for worker, found in pythons.items():
        _compare(worker, "Python", found["host"]["python"].split(".")[:2], cluster.expected[0].split("."))
    for worker, problem in cluster.client.run(_of_worker(), *cluster.expected, on_error="return").items():
        if problem is not None:
            raise UserError(f"{cluster.name}: worker {worker}: {problem}")


def _compare(worker: str, what: str, found: list[str], wanted: list[str]) -> None:
    if found != wanted:
        raise UserError(f"worker {worker} runs {what} {'.'.join(found)}, and here is {'.'.join(wanted)}")


def _of_worker() -> Callable:
    """Make a function that travels whole: a worker without this package can call it."""

    def look(python: str, version: str, mark: str) -> str | None:
        try:
            from kmodels.core.runs.jobs import cluster
        except ImportError as error:
            return f"{error}; install there what is installed here, kmodels {version}"
        return cluster.refuse(python, version, mark)

    return look


def refuse(python: str, wanted: str, mark: str) -> str | None:
    """Say why this process is not fit to run jobs; None where it is."""
    if version() != wanted:
        return f"has kmodels {version()}, and here is {wanted}: install the same there, and restart it"
    if not Path(mark).exists():
        folder = Path(mark).parent
        return f"does not see {folder}, which the driver writes to: choose a folder that all machines share"
    return None
