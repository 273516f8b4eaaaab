"""Jobs handed to Dask: a bounded number at a time, again when a worker dies, cancelled when the driver is stopped."""

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kmodels.core.cli import console
from kmodels.core.io import parallel
from kmodels.core.runs.jobs import cluster as of_workers
from kmodels.core.runs.jobs.apart import Died
from kmodels.core.runs.jobs.cluster import Cluster
from kmodels.core.spec.errors import Lost, UserError

WAIT = None  # what a source of jobs yields when it has none before another one has ended
MOST_DEATHS = 3  # processes that one job may cost
PATIENCE = 600.0  # seconds in which a process whose worker died has saved its state and left its run
TICK = 1.0  # seconds between two looks at the workers

_cluster: Cluster | None = None


def active() -> bool:
    """Tell whether jobs go to workers."""
    return _cluster is not None


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
    with of_workers.connected(Path(folder), n, address, resources or {}, dashboard) as made:
        _cluster, parallel.on_workers = made, _simulated  # simulators know nothing of workers, and run on them
        try:
            yield
        finally:
            _cluster = parallel.on_workers = None


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
    Lost
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
    problem = of_workers.refuse(*expected)
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
                if isinstance(answer, Died):
                    answer = Lost(f"a job ended {MOST_DEATHS} times, the last time because {answer}")
                found[number] = (arguments, answer)
        self._look_at_the_workers()
        return found

    def _answer(self, future) -> Any:
        import distributed

        if future.status == "finished":
            return future.result()
        if future.status != "error":
            raise Lost(f"{self.cluster.name}: the scheduler has gone; nothing is lost: the same command goes on")
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            return Lost(f"a job cost {error.allowed_failures + 1} workers; out of memory? what it did is kept")
        return error

    def _look_at_the_workers(self) -> None:
        """Say which workers have gone since the last look: Dask gives their jobs to others."""
        if time.monotonic() - self.looked < TICK:
            return
        self.looked = time.monotonic()
        if self.cluster.client.status not in ("running", "connecting"):
            raise Lost(f"{self.cluster.name}: the scheduler has gone; nothing is lost: the same command goes on")
        try:
            now = set(self.cluster.client.nthreads())  # an error where the scheduler is busy; its info would be empty
        except (OSError, TimeoutError):
            return
        for worker in sorted(self.known - now):
            console.say(f"worker {worker} has gone; its jobs are given to others")
        self.known = now
