"""Jobs an hour with two one-thread workers against one: `python tests/helpers/jobs_an_hour.py`, on an idle machine.

Each worker has one core, and has done a job before the clock starts. Rooms of echo stand for simulations, trainings of
tests/tuning/tiny.py, each in a process of its own, for trials. `alone` is what the machine can: the same rooms in one
process and in two of them, on a core each, that know nothing of each other. One and two take turns; the medians go into
the report of helpers.scale.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
ROUNDS, ROOMS, TRIALS = 2, 100, 4  # rooms and trials of a worker, after its first one
TINY = str(ROOT / "tests" / "tuning" / "tiny.py")


def room(number: int) -> float:
    """Simulate a room of eight pairs; returns something of it."""
    import numpy as np

    from kmodels.echo.recipe import EchoRecipe
    from kmodels.echo.simulator.impulse_response import radiosity_exchange
    from kmodels.echo.simulator.recordings import simulate_pair
    from kmodels.echo.simulator.room import sample_room

    rng, data = np.random.default_rng(number), EchoRecipe().data
    made = sample_room(rng, data)
    exchange = radiosity_exchange(made)
    return float(sum(simulate_pair(rng, made, exchange, data)[1].mean() for _ in range(8)))


def trial(folder: str, number: int) -> dict:
    """Train a trial of the smallest study with a learning rate that no other one has."""
    from tuning.record import Asked
    from tuning.trial import measure

    values = {"data.n_sequences": 80, "model.hidden": 4, "train.learning_rate": 5e-3 + 1e-6 * number}
    asked = Asked("tiny", "grid", os.environ.get("KERAS_BACKEND", "tensorflow"), None, True)
    return measure(TINY, asked, str(Path(folder) / f"trial_{number:04d}"), values, 0.0)


def rate(n: int, cores: list[int], work, todo: list[tuple], apart: bool) -> float:
    """Jobs an hour of n workers on so many cores."""
    from kmodels.core.runs import jobs

    psutil.Process().cpu_affinity(cores[:n])
    with tempfile.TemporaryDirectory() as folder, jobs.workers(Path(folder), n=n):
        how = {"apart": apart, "ahead": 1 if apart else 2}  # as searches and simulations have it
        list(jobs.run(work, todo[:n], **how))
        began = time.monotonic()
        list(jobs.run(work, todo[n:], **how))
        return 3600 * len(todo[n:]) / (time.monotonic() - began)


def rooms(count: int) -> None:
    """Print how many rooms this process makes an hour, after a first one."""
    room(0)
    began = time.monotonic()
    for number in range(1, count + 1):
        room(number)
    print(3600 * count / (time.monotonic() - began))


def rate_alone(n: int, cores: list[int], count: int) -> float:
    """Rooms an hour of n processes on a core each, together."""
    started = [
        subprocess.Popen(
            ["taskset", "-c", str(core), sys.executable, __file__, "rooms", str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores[:n]
    ]
    return sum(float(process.communicate()[0]) for process in started)


def main() -> None:
    """Measure, print and record all three."""
    from helpers import jobs_an_hour as here  # workers import it by this name
    from helpers import scale
    from kmodels.core.runs import provenance

    cores = psutil.Process().cpu_affinity()
    with tempfile.TemporaryDirectory() as folder:
        trials = ((folder, number) for number in range(100_000))
        ways = {
            "alone": lambda n: rate_alone(n, cores, ROOMS),
            "simulation": lambda n: rate(n, cores, here.room, [(k,) for k in range(ROOMS * n + n)], False),
            "search": lambda n: rate(n, cores, here.trial, [next(trials) for _ in range(TRIALS * n + n)], True),
        }
        for name, way in ways.items():
            found = [[way(n) for n in (1, 2)] for _ in range(ROUNDS)]
            psutil.Process().cpu_affinity(cores)
            one, two = (statistics.median(rates) for rates in zip(*found, strict=True))
            figures = {"jobs_an_hour": [round(one), round(two)], "ratio": round(two / one, 2)}
            print(name, json.dumps(figures), [round(b / a, 2) for a, b in found], flush=True)
            scale.record(name, figures | provenance.here(), "jobs")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rooms(int(sys.argv[2])) if sys.argv[1:2] == ["rooms"] else main()
