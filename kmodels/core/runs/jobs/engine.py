"""Jobs handed to Dask: a bounded number at a time, again when a worker dies, cancelled when the driver is stopped."""

import contextlib
import functools
import glob
import itertools
import logging
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kmodels
from kmodels.core.cli import console
from kmodels.core.io import files, parallel, system
from kmodels.core.runs.jobs.apart import Died
from kmodels.core.spec.errors import UserError

INSTALL = 'pip install "kmodels[scale]"'
WAIT = None  # what a source of jobs yields when it has none before another one has ended
MOST_DEATHS = 3  # processes that one job may cost
ANSWER_SECONDS = 10.0  # in which a scheduler answers
PATIENCE = 90.0  # seconds in which a process whose worker died has saved its state and left its run
TICK = 1.0  # seconds between two looks at the workers
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


_cluster: Cluster | None = None


def active() -> bool:
    """Tell whether jobs go to workers."""
    return _cluster is not None


# -- the workers ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def workers(
    folder: Path,
    n: int | None = None,
    address: str | None = None,
    resources: dict[str, float] | None = None,
    dashboard: bool = False,
) -> Iterator[None]:
    """Let the jobs inside run on workers.

    Parameters
    ----------
    folder : pathlib.Path
        That jobs write into; it is made.
    n : int, optional
        Worker processes to start on this machine, each with one thread and its share of memory and cores.
    address : str, optional
        Of a scheduler that runs, in place of `n`.
    resources : dict of str to float, optional
        What a job takes of a worker.
    dashboard : bool
        Whether the cluster of `n` workers has one.

    Raises
    ------
    UserError
        Where Dask is missing, the scheduler does not answer, or a worker has another kmodels or not this folder.
    """
    global _cluster
    try:
        import distributed
    except ImportError:
        raise UserError(f"--workers and --scheduler need Dask: {INSTALL}") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what there is to say is said here, once
    with contextlib.ExitStack() as stack:
        if address is None:
            local = stack.enter_context(_local(distributed, n, dashboard))
            client = stack.enter_context(distributed.Client(local))
        else:
            client = stack.enter_context(_connected(distributed, address))
        mark = stack.enter_context(_mark(Path(folder)))
        name = f"--workers {n}" if address is None else f"--scheduler {address}"
        expected = (_python(), version(), str(mark))
        _cluster = Cluster(client, name, resources or {}, 0 if n is None else n, expected)
        try:
            _wait_for_fit_workers(_cluster)
            parallel.on_workers = _simulated  # simulators know nothing of workers, and run on them
            yield
        finally:
            parallel.on_workers = _cluster = None


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


def _connected(distributed, address: str):
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
            from kmodels.core.runs.jobs import engine
        except ImportError as error:
            return f"{error}; install there what is installed here, kmodels {version}"
        return engine.refuse(python, version, mark)

    return look


def refuse(python: str, wanted: str, mark: str) -> str | None:
    """Say why this process is not fit to run jobs; None where it is."""
    if version() != wanted:
        return f"has kmodels {version()}, and here is {wanted}: install the same there, and restart it"
    if not Path(mark).exists():
        folder = Path(mark).parent
        return f"does not see {folder}, which the driver writes to: choose a folder that all machines share"
    return None


# -- the jobs -------------------------------------------------------------------------------------------------------


def run(
    work: Callable,
    todo: Iterable[tuple | None],
    *,
    in_order: bool = False,
    apart: bool = False,
    ahead: int = 2,
    keep_going: bool = False,
    what: str = "",
    total: int | None = None,
) -> Iterator[tuple[tuple, Any]]:
    """Call `work(*arguments)` for all of them and yield (arguments, what it returned).

    Parameters
    ----------
    work : callable
        A function of a module that every worker can import, without Keras at its head.
    todo : iterable of tuple or WAIT
        The arguments of each call. It is asked for the next one only when that can begin soon; where it has none before
        another one has ended, it yields WAIT.
    in_order : bool
        Whether results come in the order of `todo`, else as they are done.
    apart : bool
        Whether a worker runs each in a process of its own: needed for what imports Keras.
    ahead : int
        Jobs in flight for each that runs; 1 where the next one depends on the last result.
    keep_going : bool
        Whether what a job raised is yielded as its result.
    what : str
        What is being done, for a bar with the time left; none where it is empty, or jobs run in this process.
    total : int, optional
        How many there are.

    Raises
    ------
    UserError
        Where a job cost too many workers, or the scheduler has gone.
    Exception
        What a job raised.
    """
    if _cluster is None:
        yield from _here(work, todo, keep_going)
        return
    flight = _Flight(_cluster, work, apart)
    bar = console.progress(what, total) if what else contextlib.nullcontext()
    with bar as report:
        try:
            for done, (arguments, answer) in enumerate(flight.results(iter(todo), ahead, in_order), 1):
                if report:
                    report(done, total)
                if isinstance(answer, Exception) and not keep_going:
                    raise answer
                yield arguments, answer
        except KeyboardInterrupt as stopped:
            raise type(stopped)("stopped; nothing is lost: the same command goes on from what is done") from None
        finally:
            flight.cancel()


def _simulated(work: Callable, todo: Iterable[tuple], in_order: bool) -> Iterator:
    """Run the pieces of a simulation, as `io.parallel.run` does."""
    return (answer for _, answer in run(work, todo, in_order=in_order))


def _here(work, todo, keep_going):
    for arguments in todo:
        if arguments is WAIT:
            return  # nothing runs beside it that could end
        try:
            answer = work(*arguments)
        except Exception as error:
            if not keep_going:
                raise
            answer = error
        yield arguments, answer


def on_worker(work: Callable, arguments: tuple, apart: bool, among: int, expected: tuple[str, str, str]) -> Any:
    """Run a job on a worker; one that came later may not be fit."""
    problem = refuse(*expected)
    if problem is not None:
        import distributed

        raise UserError(f"worker {distributed.get_worker().address}: {problem}")
    if apart:
        from kmodels.core.runs.jobs import apart as process

        return process.run(work, arguments, among)
    return work(*arguments)


def _unpacker() -> Callable:
    """Make a function that travels whole, with a job in bytes: the scheduler looks at both, and need not know us."""

    def job(content: bytes) -> Any:
        import pickle

        from kmodels.core.runs.jobs import engine

        return engine.on_worker(*pickle.loads(content))

    return job


class _Flight:
    """The jobs that were submitted and have not been answered.

    Parameters
    ----------
    cluster : Cluster
        Where they are.
    work : callable
        What each calls.
    apart : bool
        Whether each has a process of its own.
    """

    def __init__(self, cluster: Cluster, work: Callable, apart: bool):
        self.cluster, self.work, self.apart = cluster, work, apart
        self.waiting: dict[Any, list] = {}  # future -> [number, arguments, deaths]
        self.known = set(cluster.workers())
        self.looked = time.monotonic()

    def results(self, todo: Iterator, ahead: int, in_order: bool) -> Iterator[tuple[tuple, Any]]:
        """Yield (arguments, answer or exception), with so many jobs in flight for each that runs."""
        ready: dict[int, tuple] = {}
        numbers, following = itertools.count(), 0
        while True:
            limit = max(1, ahead * self.cluster.slots())
            for arguments in itertools.islice(todo, max(0, limit - len(self.waiting) - len(ready))):
                if arguments is WAIT:
                    break
                self._submit(next(numbers), arguments, 0)
            if not self.waiting and not ready:
                return
            ready |= self._answered()
            for number in sorted(ready):
                if in_order and number != following:
                    break
                following += 1
                yield ready.pop(number)

    def cancel(self) -> None:
        """Give up what is in flight; a process of its own saves its state."""
        if self.waiting:
            with contextlib.suppress(Exception):  # the scheduler may be what has gone
                self.cluster.client.cancel(list(self.waiting), force=True)
            time.sleep(TICK if self.apart else 0)  # workers look that often whether they are wanted
            self.waiting.clear()

    def _submit(self, number: int, arguments: tuple, deaths: int) -> None:
        import cloudpickle

        job = (self.work, arguments, self.apart, self.cluster.among, self.cluster.expected)
        future = self.cluster.client.submit(
            _unpacker(),
            cloudpickle.dumps(job),
            key=f"kmodels-{uuid.uuid4().hex}",
            resources=self.cluster.resources or None,
            pure=False,
        )
        self.waiting[future] = [number, arguments, deaths]

    def _answered(self) -> dict[int, tuple]:
        """Wait a while for answers: {number: (arguments, answer or exception)}."""
        import distributed

        found = {}
        try:
            done = distributed.wait(list(self.waiting), timeout=TICK, return_when="FIRST_COMPLETED").done
        except (distributed.TimeoutError, TimeoutError):
            done = ()
        except (distributed.CancelledError, OSError):
            done = [future for future in self.waiting if future.done()]
        for future in done:
            number, arguments, deaths = self.waiting.pop(future)
            answer = self._answer(future)
            if isinstance(answer, Died) and deaths + 1 < MOST_DEATHS:
                console.say(f"a job is begun again: {answer}")
                self._submit(number, arguments, deaths + 1)
            else:
                found[number] = (arguments, answer)
        self._look_at_the_workers()
        return found

    def _answer(self, future) -> Any:
        import distributed

        if future.status == "finished":
            return future.result()
        if future.status != "error":
            raise UserError(f"{self.cluster.name}: the scheduler has gone; nothing is lost: the same command goes on")
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            return UserError(f"a job cost {error.allowed_failures + 1} workers; out of memory? what it did is kept")
        return error

    def _look_at_the_workers(self) -> None:
        """Say which workers have gone since the last look: Dask gives their jobs to others."""
        if time.monotonic() - self.looked < TICK:
            return
        self.looked = time.monotonic()
        if self.cluster.client.status not in ("running", "connecting"):
            raise UserError(f"{self.cluster.name}: the scheduler has gone; nothing is lost: the same command goes on")
        now = set(self.cluster.workers())
        for worker in sorted(self.known - now):
            console.say(f"worker {worker} has gone; its jobs are given to others")
        self.known = now
