"""A process of a training of helpers.small_training on many devices: spread_line.py FOLDER, which holds its job.

The job: `run`, `devices`, `join`, and `stop`, a step at which the process kills itself. Behind it FOLDER holds `seen`:
how often all had trained on each row behind the last epoch.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from helpers import small_training
from kmodels.core.runs.jobs.shared_run import SharedRun
from kmodels.core.runs.run import Run
from kmodels.core.training import inference
from kmodels.core.training.devices import distribution, layers


class Dropping(small_training.Line):
    """A line that also draws random numbers, as many as it has rows, and normalises its batch."""

    def __init__(self):
        super().__init__()
        self.dropout, self.norm = layers.Dropout(0.1, seed=3), layers.BatchNormalization()
        self.norm.build((None, 1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        dropped = self.dropout(y_pred["y"][:, None], training=training)
        y_pred = {"y": y_pred["y"] + 0.1 * self.norm(dropped, training=training)[:, 0]}
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def main(folder: Path) -> None:
    """Be one of the processes."""
    job = json.loads((folder / "job").read_text())
    run, seen = Run.open(job["run"]), []
    devices = distribution.begin(job["devices"], run.recipe.train.batch_size, job["join"])

    def after_epoch(model, row):
        seen.append(inference.as_numpy(model.seen))

    class Dying(small_training.Adam):
        """Dies at a step."""

        def apply(self, grads, trainable_variables=None):
            super().apply(grads, trainable_variables)
            if int(inference.as_numpy(self.iterations)) == job["stop"]:
                os.kill(os.getpid(), signal.SIGKILL)

    optimizer = Dying if job["stop"] else small_training.Adam
    with devices.scope():
        shared = SharedRun.of(run, folder / "run")
        small_training.trained(shared, kind=Dropping, optimizer=optimizer, after_epoch=after_epoch)
    np.save(folder / "seen.npy", seen[-1])
    devices.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
