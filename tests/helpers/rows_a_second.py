"""Training rows a second on two one-thread devices against one.

`python tests/helpers/rows_a_second.py [model[:backend] ...]`, on an idle machine of two cores. Every model's default
network trains for a few epochs of little data on one core, and with `--devices 2` on two with batches twice as large;
the last epoch counts, its validation included. The report is that of helpers.scale.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
EPOCHS = 3
# Little data, some seconds an epoch, in whole batches of both sizes; and the backend where none is said.
WORK = {
    "nand": ("jax", {"data.n_sequences": 12800, "train.hard_negatives": "false"}),
    "nand.generator": ("jax", {"data.n_sequences": 5120}),
    "plume": ("jax", {"data.n_runs": 40}),
    "precip": ("torch", {"data.n_days": 320}),
    "metasurface": ("tensorflow", {"data.n_structures": 1280}),
    "echo": ("tensorflow", {"data.n_rooms": 120}),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


def train(words: list[str]) -> None:
    """Train without judging: a process that is timed."""
    from kmodels.core.runs import pipeline
    from kmodels.fit import main as fit

    pipeline.evaluate = lambda *arguments: sys.exit()
    sys.exit(fit(words))


def rate(name: str, backend: str, devices: int, cache: Path) -> float:
    """Rows a second of the last epoch of a training on so many devices, each with a core."""
    from kmodels.core.spec import registry

    _, small = WORK[name]
    batch = registry.recipe_type(name)().train.batch_size * devices
    cores = map(str, psutil.Process().cpu_affinity()[:devices])
    environment = os.environ | {"KMODELS_CACHE": str(cache), "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    environment |= ONE_THREAD if devices == 1 else {}
    with tempfile.TemporaryDirectory() as folder:
        words = ["--model", name, "--out", folder, f"--train.epochs={EPOCHS}", f"--train.batch_size={batch}"]
        words += [f"--devices={devices}", *(f"--{key}={value}" for key, value in small.items())]
        command = ["taskset", "-c", ",".join(cores), sys.executable, __file__, "train", *words]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = done.stdout
    rows = re.search(r"train (\d+)", said)
    seconds = re.findall(r"epoch .* ([\d.]+) s$", said, re.M)
    assert rows and len(seconds) == EPOCHS, said
    return int(rows[1]) / float(seconds[-1])


def main() -> None:
    """Measure, print and record the models that are named, all by default."""
    from helpers import scale
    from kmodels.core.runs import provenance

    with tempfile.TemporaryDirectory() as cache:
        for asked in sys.argv[1:] or WORK:
            name, _, backend = asked.partition(":")
            backend = backend or WORK[name][0]
            one, two = (rate(name, backend, devices, Path(cache)) for devices in (1, 2))
            figures = {"rows_a_second": [round(one, 2), round(two, 2)], "ratio": round(two / one, 2)}
            print(name, backend, json.dumps(figures), flush=True)
            scale.record(f"{name}, {backend}", figures | provenance.here() | {"backend": backend}, "devices")


if __name__ == "__main__":
    train(sys.argv[2:]) if sys.argv[1:2] == ["train"] else main()
