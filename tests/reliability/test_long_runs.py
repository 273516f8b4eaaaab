"""Two hundred epochs take no more memory and no more open files than ten."""

import psutil
import pytest
from record import record
from small_training import run, trained

from kmodels.core import backend

EPOCHS, SETTLED = 200, 50
MIB = 16  # that memory may go up and down


@pytest.mark.slow
def test_memory_and_open_files_stay_flat(tmp_path):
    process, memory, opened, threads = psutil.Process(), [], [], []

    def measure(model, row):
        memory.append(process.memory_info().rss / 2**20)
        opened.append(process.num_fds())
        threads.append(process.num_threads())

    trained(run(tmp_path, epochs=EPOCHS), after_epoch=measure)
    grown = memory[-1] - memory[SETTLED]
    faults = [f"memory grew by {grown:.1f} MiB"] if grown > MIB else []
    faults += [f"{max(opened)} open files, {opened[SETTLED]} before"] if opened[-1] > opened[SETTLED] else []
    faults += [f"{threads[-1]} threads, {threads[SETTLED]} before"] if threads[-1] > threads[SETTLED] else []
    figures = {"epochs": EPOCHS, "grown_mib": round(grown, 1), "open_files": opened[-1], "threads": threads[-1]}
    record("long runs", f"a line, {backend.current()}", faults, **figures)
