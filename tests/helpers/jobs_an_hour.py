"""Jobs an hour with two one-thread workers against one: `python tests/helpers/jobs_an_hour.py`, on an idle machine.

Each worker has one core, and has done a job before the clock starts. Rooms of echo stand for simulations, trainings of
tests/tuning/tiny.py, each in a process of its own, for trials.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
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
        list(jobs.run(work, todo[:n], apart=apart, ahead=1))
        began = time.monotonic()
        list(jobs.run(work, todo[n:], apart=apart, ahead=1))
        return 3600 * len(todo[n:]) / (time.monotonic() - began)


def main() -> None:
    """Measure and print both."""
    from helpers import jobs_an_hour as here  # workers import it by this name

    cores, count = psutil.Process().cpu_affinity(), int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"load of the machine: {os.getloadavg()[0]:.1f}, cores {len(cores)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, work, apart in (("simulation", here.room, False), ("search", here.trial, True)):
            one, two = (
                rate(
                    n,
                    cores,
                    work,
                    [(k,) if work is here.room else (folder, 1000 * n + k) for k in range(count + n)],
                    apart,
                )
                for n in (1, 2)
            )
            print(f"{name}: one worker {one:.0f} jobs an hour, two {two:.0f}: {two / one:.2f} times", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
