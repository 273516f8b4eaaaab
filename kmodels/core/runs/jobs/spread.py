"""One training on many devices: its processes are begun together, watched, and ended together.

The verb starts a process that trains, on torch one for each device, and waits. What it trained is in the run's saved
states; from the last of them the verb goes on by itself, on one device: it takes the best epoch and evaluates it. So a
training on many devices is gone on with like any other, on any number of them.

python -m kmodels.core.runs.jobs.spread FOLDER is a process that trains; FOLDER holds its job, and gets its answer.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodels.core.io import files, system
from kmodels.core.spec.errors import Lost, UserError

if TYPE_CHECKING:
    from kmodels.core.runs.run import Run

POLL = 0.1  # seconds between two looks at the processes
ANSWER_SECONDS = 3.0  # seconds for the others to say why they end, too, when one has ended
SAVE_SECONDS = 60.0  # seconds that a stopped process has to save its state
# What the backends say when another process is gone.
GONE = re.compile(
    r"connection|peer|socket|gloo|coordinat|heartbeat|barrier|deadline|unavailable|timed? ?out|rendezvous|store", re.I
)


@dataclass(frozen=True)
class Spread:
    """Where one training runs.

    Attributes
    ----------
    devices : int or None
        Of this machine, or of this process where there are several; None: all.
    address : str or None
        HOST:PORT of the first process, or "env://", as torchrun says it; None: this machine alone.
    processes, rank : int
        That were begun together, and which one of them this is.
    local_rank : int
        Which one of its machine this is.
    """

    devices: int | None
    address: str | None = None
    processes: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Tell whether the run's folder is this process's."""
        return self.rank == 0


def check(spread: Spread, backend: str, batch_size: int) -> None:
    """Refuse what the backend cannot do, before anything is begun.

    Raises
    ------
    UserError
        That names what can.
    """
    if backend == "tensorflow" and spread.address:
        raise UserError(
            "tensorflow trains on the devices of one machine, --devices N; over machines: --backend jax or torch"
        )
    if backend == "torch" and spread.address and spread.devices != 1:
        raise UserError("on torch a process has one device: begin more processes in place of --devices")
    if backend == "jax" and spread.address == "env://":
        raise UserError("torchrun holds the port that jax would meet at: --coordinator HOST:PORT or slurm, or torch")
    if spread.devices and (backend != "jax" or not spread.address):
        from kmodels.core.training.devices.distribution import refuse_indivisible

        refuse_indivisible(batch_size, spread.devices * spread.processes)


def train(run: "Run", spread: Spread) -> None:
    """Train a run on many devices, to its end; `pipeline.fit` then has nothing left to train.

    Parameters
    ----------
    run : Run
        New, or stopped. Of a process that is not the first: a copy of its own.
    spread : Spread
        Where.

    Raises
    ------
    UserError
        For what a process of the training refused.
    Lost
        Where one of them has died.
    kmodels.core.training.callbacks.Stopped
        On Ctrl-C or SIGTERM, once the state is saved.
    """
    with tempfile.TemporaryDirectory(prefix="kmodels-devices-", ignore_cleanup_errors=True) as folder:
        jobs = _jobs(run, spread, Path(folder))
        with _children(jobs, Path(folder)) as children:
            _wait(children, run, spread)
    if spread.first:
        run.metadata.update(json.loads((run.path / "run.json").read_text(encoding="utf-8")))


def _jobs(run: "Run", spread: Spread, folder: Path) -> list[dict]:
    """List the processes to begin, each as a job; on torch a process of this machine for each device."""
    name = run.metadata["backend"]
    job = {"run": str(run.path), "backend": name, "devices": spread.devices}
    job |= {"environment": {}, "rank": spread.rank, "join": None}
    if spread.address:
        address = f"tcp://{spread.address}" if name == "torch" and spread.address != "env://" else spread.address
        job["join"] = {"address": address, "processes": spread.processes, "rank": spread.rank}
        job["environment"] = _gpu(spread.local_rank) if name == "torch" else {}
        return [job]
    if name != "torch":
        return [job]
    from kmodels.core.training import backend
    from kmodels.core.training.devices import distribution

    gpus, cores = len(backend.accelerators()), len(system.cores())
    there, kind = (gpus, "GPUs") if gpus else (cores, "cores")
    n = spread.devices or there
    if n > there:
        raise UserError(f"--devices {n}: torch has {there} here ({kind})")
    distribution.refuse_indivisible(run.recipe.train.batch_size, n)
    shared = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}  # nobody else is to reach them
    shared |= {} if gpus else {"OMP_NUM_THREADS": str(max(1, cores // n))}
    address = (folder / "meeting").as_uri()
    return [
        job
        | {"rank": k, "join": {"address": address, "processes": n, "rank": k}}
        | {"environment": {**shared, **{key: os.environ[key] for key in shared if key in os.environ}, **_gpu(k)}}
        for k in range(n)
    ]


def _gpu(k: int) -> dict[str, str]:
    """Let a process see one GPU, the k-th of those that this one sees."""
    from kmodels.core.training import backend

    count = len(backend.accelerators())
    if not count:
        return {}
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    visible = visible or [str(n) for n in range(count)]
    return {"CUDA_VISIBLE_DEVICES": visible[k % len(visible)]}


class _Child:
    """A process that trains, and what it answers."""

    def __init__(self, job: dict, folder: Path):
        self.rank, self.folder = job["rank"], folder
        folder.mkdir()
        files.write_json(folder / "job", job)
        paths = os.pathsep.join(path for path in sys.path if path)  # what this process can import it can, too
        words = [sys.executable, "-m", "kmodels.core.runs.jobs.spread", str(folder)]
        self._said = (folder / "said").open("wb")
        self.process = subprocess.Popen(
            words,
            env=os.environ | {"PYTHONPATH": paths} | job["environment"],
            stdin=subprocess.PIPE,
            stdout=None if self.rank == 0 else self._said,  # the first one tells
            stderr=self._said,
            start_new_session=True,  # signals of a terminal are for the verb
        )

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self.process.poll()

    @property
    def answer(self) -> dict:
        """What it answered; nothing where it died."""
        path = self.folder / "answer"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @property
    def last_words(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace").strip()

    def end(self) -> None:
        """End it at once."""
        if self.status is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._said.close()


@contextmanager
def _children(jobs: list[dict], folder: Path) -> Iterator[list[_Child]]:
    """Begin the processes, and end those behind the block that have not ended."""
    children: list[_Child] = []
    try:
        for job in jobs:
            children.append(_Child(job, folder / f"process-{job['rank']}"))
        yield children
    finally:
        for child in children:
            child.end()


def _wait(children: list[_Child], run: "Run", spread: Spread) -> None:
    """Wait until all have trained; raise what ended one of them."""
    try:
        while any(child.status is None for child in children) and not any(child.status for child in children):
            time.sleep(POLL)
        _until_ended(children, ANSWER_SECONDS)
    except KeyboardInterrupt as stopped:
        _stop(children, stopped)
    if any(child.status != 0 for child in children):
        _raise(children, run, spread)


def _until_ended(children: list[_Child], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(child.status is None for child in children) and time.monotonic() < until:
        time.sleep(POLL)


def _stop(children: list[_Child], stopped: KeyboardInterrupt) -> None:
    """Let the first process save its state, if it is one of these; raise that the training was stopped."""
    from kmodels.core.training.callbacks import Stopped

    first = [child for child in children if child.rank == 0 and child.status is None]
    for child in first:
        child.process.send_signal(signal.SIGTERM)
    _until_ended(first, SAVE_SECONDS)
    for child in first:
        if "stopped" in child.answer:
            signum = signal.SIGINT if type(stopped) is KeyboardInterrupt else signal.SIGTERM
            raise Stopped(signum, child.answer["stopped"]) from None
    raise stopped


def _raise(children: list[_Child], run: "Run", spread: Spread) -> None:
    """Raise why the training ended: what a process refused before what it could not help."""
    answers = [child.answer for child in children]
    for answer in answers:
        if "stopped" in answer:
            from kmodels.core.training.callbacks import Stopped

            raise Stopped(signal.SIGTERM, answer["stopped"])
    for answer in answers:
        if "refused" in answer:
            raise UserError(answer["refused"])
    for answer in answers:
        if "failed" in answer:
            raise RuntimeError(f"a process of the training failed\n{answer['failed']}")
    went_on = spread.first and run.tensorboard.exists()
    hint = f"; go on from its last saved state with {_command(run)}" if went_on else ""
    dead = [child for child in children if child.status not in (0, None) and not child.answer]
    if dead and not (spread.address and GONE.search(dead[0].last_words)):
        signum = -dead[0].status
        why = f"signal {signum}" if signum > 0 else f"exit status {dead[0].status}"
        raise Lost(f"process {dead[0].rank} of this training ended by {why}: all of it ends{hint}")
    said = next((answer["lost"] for answer in answers if "lost" in answer), "")
    reason = f" ({said})" if said else ""
    raise Lost(f"another process of this training has ended, or cannot be reached{reason}: all of it ends{hint}")


def _command(run: "Run") -> str:
    from kmodels.core.cli import console

    return console.command("kmodels.fit", "--resume", run.path)


def main(folder: str) -> int:
    """Be a process that trains; returns its exit status."""
    place = Path(folder)
    job = json.loads((place / "job").read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_the_verb, args=(job["rank"],), daemon=True).start()
    answer = _answered(job, place)
    aside = place / "answer.aside"
    aside.write_text(json.dumps(answer), encoding="utf-8")
    aside.rename(place / "answer")
    return 0 if answer == {"trained": True} else 3


def _answered(job: dict, place: Path) -> dict:
    """Train, and say what came of it."""
    try:
        _train(job, place)
        return {"trained": True}
    except UserError as error:
        return {"refused": str(error)}
    except Exception as error:  # noqa: BLE001 - backends raise errors of any class
        if hasattr(error, "signum"):
            return {"stopped": str(error)}
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if job["join"] and GONE.search(f"{type(error).__name__} {error}"):
            return {"lost": reason[:200]}
        return {"failed": traceback.format_exc()}


def _train(job: dict, place: Path) -> None:
    """Join the others, and train the run that all of them know."""
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    run = Run.open(job["run"])
    backend.start(job["backend"], run.recipe.SMALL_OPERATIONS)
    from kmodels.core.cli import console
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.jobs.shared_run import SharedRun
    from kmodels.core.training.devices import distribution

    with _quiet():
        devices = distribution.begin(job["devices"], run.recipe.train.batch_size, job["join"])
        shared = SharedRun.of(run, place / "run")
    if devices.rank:
        with devices.scope():
            pipeline.train_only(shared)
    else:
        with console.logging_to(run.path / "log.txt"), devices.scope():
            console.say(f"devices: {devices.devices} of {backend.current()}, processes: {devices.processes}")
            pipeline.train_only(shared)
    devices.leave()


@contextmanager
def _quiet() -> Iterator[None]:
    """Let what libraries written in C print as they find each other go where this process's errors go."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _end_with_the_verb(rank: int) -> None:
    """End when the verb does, however that ends; the first process saves its state."""
    sys.stdin.buffer.read()
    if rank == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SAVE_SECONDS)
    os._exit(4)


if __name__ == "__main__":
    status = main(sys.argv[1])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # what a backend does at its end may wait for processes that are gone
