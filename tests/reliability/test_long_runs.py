"""Two hundred epochs take no more memory and no more open files than fifty."""

import gc

import psutil
import pytest
from helpers.record import record
from helpers.small_training import run, trained

from kmodels.core.runs import pipeline
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.training import backend
from kmodels.core.training.tensorboard import Monitor

EPOCHS, SETTLED = 200, 50
MIB = 16  # that memory may go up and down


class Watch:
    """Memory [MiB], open files and threads of this process, epoch by epoch."""

    def __init__(self):
        self.process, self.memory, self.opened, self.threads = psutil.Process(), [], [], []

    def look(self, *ignored):
        gc.collect()  # when Python collects cycles by itself is chance: tens of MiB
        self.memory.append(self.process.memory_info().rss / 2**20)
        self.opened.append(self.process.num_fds())
        self.threads.append(self.process.num_threads())

    def note(self, name):
        grown = self.memory[-1] - self.memory[SETTLED]
        faults = [f"memory grew by {grown:.1f} MiB"] if grown > MIB else []
        for what, count in (("open files", self.opened), ("threads", self.threads)):
            faults += [f"{count[-1]} {what}, {count[SETTLED]} before"] if count[-1] > count[SETTLED] else []
        figures = {"epochs": len(self.memory), "grown_mib": round(grown, 1)}
        figures |= {"open_files": self.opened[-1], "threads": self.threads[-1]}
        record("long runs", f"{name}, {backend.current()}", faults, **figures)


@pytest.mark.slow
def test_a_long_training_of_a_line(tmp_path):
    watch = Watch()
    trained(run(tmp_path, epochs=EPOCHS), after_epoch=watch.look)
    watch.note("a line")


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", registry.NAMES)
def test_a_long_training(name, tmp_path, monkeypatch):
    """All that `fit` does in an epoch: training, validation, diagnostics, curves, pictures, checkpoints."""
    watch, epoch = Watch(), Monitor.epoch

    def watched(*args):
        epoch(*args)
        watch.look()

    monkeypatch.setattr(Monitor, "epoch", watched)
    kind = registry.recipe_type(name)
    recipe = kind().with_changes(kind.SMOKE).with_changes({"train": {"epochs": EPOCHS, "patience": 0}})
    begun = Run.create(tmp_path, recipe, backend.current(), None, True)
    with begun.lock():
        pipeline.fit(begun)
    assert len(watch.memory) == EPOCHS
    watch.note(name)
