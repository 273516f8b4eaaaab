"""Training rows a second on two one-thread devices against one: `python tests/helpers/rows_a_second.py [model ...]`.

On an idle machine of two cores. Every model's default network, on its fastest backend that goes on two devices, trains
for a few epochs of little data on one device with one core, and on two with two and batches twice as large, in turn;
the last epoch counts, its validation on a few rows included. The report is that of helpers.scale.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
ROUNDS, EPOCHS = 2, 3
# Little data, a few seconds an epoch, in whole batches of both sizes; and the backend.
WORK = {
    "nand": ("jax", {"data.n_sequences": 2560, "train.hard_negatives": False}),
    "nand.generator": ("tensorflow", {"data.n_sequences": 5120}),
    "plume": ("jax", {"data.n_runs": 20}),
    "precip": ("tensorflow", {"data.n_days": 400}),
    "metasurface": ("tensorflow", {"data.n_structures": 640}),
    "echo": ("tensorflow", {"data.n_rooms": 60}),
}


def train(name: str, folder: str, changes: str) -> None:
    """Train without judging: the process that is timed."""
    import kmodels
    from kmodels.core.runs import pipeline

    pipeline.evaluate = lambda *arguments: sys.exit()
    kmodels.fit(name, out=folder, **json.loads(changes))


def rate(name: str, devices: int, cache: Path) -> float:
    """Rows a second of the last epoch of a training in a process of its own, on so many cores."""
    from kmodels.core.spec import registry

    backend, small = WORK[name]
    batch = registry.recipe_type(name)().train.batch_size * devices
    changes = {"backend": backend, "devices": devices, "train.epochs": EPOCHS, "train.batch_size": batch} | small
    environment = os.environ | {"KMODELS_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    if devices == 1:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    cores = psutil.Process().cpu_affinity()[:devices]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "train", name, folder, json.dumps(changes)]
        done = subprocess.run(
            ["taskset", "-c", ",".join(map(str, cores)), *command], env=environment, capture_output=True, text=True
        )
        (log,) = Path(folder).glob("*/log.txt")
        said = log.read_text()
    rows = re.search(r"train (\d+)", said)
    seconds = re.findall(r"epoch .* ([\d.]+) s$", said, re.M)
    assert rows and len(seconds) == EPOCHS, said + done.stderr
    return int(rows[1]) / float(seconds[-1])


def main() -> None:
    """Measure, print and record the models that are named, all by default."""
    from helpers import scale
    from kmodels.core.runs import provenance

    with tempfile.TemporaryDirectory() as cache:
        for name in sys.argv[1:] or WORK:
            rate(name, 1, Path(cache))  # the data is made
            found = {devices: [] for devices in (1, 2)}
            for _ in range(ROUNDS):
                for devices, rates in found.items():
                    rates.append(rate(name, devices, Path(cache)))
            one, two = (statistics.median(rates) for rates in found.values())
            figures = {"backend": WORK[name][0], "rows_a_second": [round(one, 2), round(two, 2)]}
            figures |= {"ratio": round(two / one, 2)} | provenance.here()
            print(name, figures["rows_a_second"], figures["ratio"], found, flush=True)
            scale.record(name, figures, "devices")


if __name__ == "__main__":
    train(*sys.argv[2:]) if sys.argv[1:2] == ["train"] else main()
