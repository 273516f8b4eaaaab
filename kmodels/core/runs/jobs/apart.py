"""A job in a process of its own, which a worker starts and ends.

Keras has one backend a process, and a stop reaches a training by a signal, which only a main thread takes. The child
ends with its worker, however that ends: it reads a pipe that the worker holds open, and takes its end for SIGTERM,
upon which a training saves its state.

python -m kmodels.core.runs.jobs.apart FOLDER is that child; FOLDER holds the pickled job, and gets what it returns.
"""

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from kmodels.core.io import system

POLL = 0.2  # seconds between two looks at a child
SAVE_SECONDS = 60.0  # seconds that a stopped child has to save its state
UNWANTED = ("cancelled", "released", "forgotten")  # states of a task of which nobody awaits the result


class Died(Exception):  # noqa: N818 - it may be tried again
    """The process of a job ended before the job did."""


def run(work: Callable, arguments: tuple, among: int) -> Any:
    """Call `work(*arguments)` in a process of its own, from a task of a Dask worker, and return what it returns.

    Parameters
    ----------
    work : callable
        What to call.
    arguments : tuple
        Of the call.
    among : int
        How many workers share the cores of this machine; 0 where somebody else shares them out.

    Raises
    ------
    Died
        Where the process ended too early: it was killed, it took more memory than the worker has, or nobody wants its
        result any more.
    """
    import cloudpickle
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    with tempfile.TemporaryDirectory(prefix="kmodels-job-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "job").write_bytes(cloudpickle.dumps((work, arguments)))
        with (Path(folder) / "said").open("wb") as said, _child(folder, said) as child:
            if among and isinstance(worker.name, int):
                cores = system.cores()
                system.keep_to(child.pid, cores[worker.name % len(cores) :: among])
            while child.poll() is None:
                time.sleep(POLL)
                task = worker.state.tasks.get(key)
                if task is None or task.state in UNWANTED:
                    raise Died("nobody waits for it any more")
                _refuse_too_much(child, worker.memory_manager.memory_limit)
        return _answer(Path(folder), child.returncode)


@contextlib.contextmanager
def _child(folder: str, said):
    """Start the process, and end it behind the block if it has not ended."""
    # What this process can import the other one can, too; signals of a terminal are for the driver.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-m", "kmodels.core.runs.jobs.apart", folder]
    streams = {"stdin": subprocess.PIPE, "stdout": said, "stderr": subprocess.STDOUT}
    child = subprocess.Popen(words, env=environment, start_new_session=True, **streams)
    try:
        yield child
    finally:
        child.stdin.close()
        try:
            child.wait(SAVE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _refuse_too_much(child: subprocess.Popen, limit: int | None) -> None:
    """Raise Died where the process takes more memory than its worker may, before the machine has none left."""
    with contextlib.suppress(psutil.Error):
        taken = psutil.Process(child.pid).memory_info().rss
        if limit and taken > limit:
            child.kill()
            raise Died(
                f"it took {taken / 1e9:.3g} GB of memory, and a worker has {limit / 1e9:.3g} GB; fewer --workers"
            )


def _answer(folder: Path, status: int) -> Any:
    """Return what the job returned, or raise what it raised."""
    try:
        fine, answer = pickle.loads((folder / "answer").read_bytes())
    except FileNotFoundError:
        lines = (folder / "said").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = f"signal {-status}" if status < 0 else f"exit status {status}"
        raise Died(f"its process ended by {why}{f': {lines[-1]}' if lines else ''}") from None
    if not fine:
        raise answer
    return answer


def main(folder: str) -> None:
    """Be the child: call, and write what came of it."""
    threading.Thread(target=_end_with_the_worker, args=(folder,), daemon=True).start()
    work, arguments = pickle.loads((Path(folder) / "job").read_bytes())
    try:
        answer = True, work(*arguments)
    except Exception as error:  # noqa: BLE001 - it is raised again in the driver
        stopped = hasattr(error, "signum")  # a training that saved its state: it is gone on with
        answer = False, Died(f"stopped in {error}") if stopped else error
    aside = Path(folder) / "answer.aside"
    aside.write_bytes(_pickled(answer))
    aside.rename(Path(folder) / "answer")


def _end_with_the_worker(folder: str) -> None:
    sys.stdin.buffer.read()  # ends with the worker, or when that closes the pipe
    shutil.rmtree(folder, ignore_errors=True)  # a killed worker cannot
    os.kill(os.getpid(), signal.SIGTERM)


def _pickled(answer: tuple) -> bytes:
    import cloudpickle

    try:
        content = cloudpickle.dumps(answer)
        pickle.loads(content)
        return content
    except Exception:  # noqa: BLE001 - errors of backends often cannot be pickled
        return cloudpickle.dumps((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))


if __name__ == "__main__":
    from kmodels.core.runs.jobs import apart

    apart.main(sys.argv[1])  # not this module's, whose classes are those of __main__
