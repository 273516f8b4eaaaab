"""Verbs killed at random moments and started again, and what must be the same in the end."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import psutil

from helpers.checks import ROOT, equal_arrays, report_of
from kmodels.core.io import files
from kmodels.core.runs.run import Run

CLOCKS = {"seconds", "waiting_for_data", "milliseconds"}  # of a history's row and of metrics: no two runs have the same
FIRST = 0.2  # of a verb's time: before it, Python is still importing


def started(words) -> subprocess.Popen:
    """A verb in a process of its own."""
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def killed(words, after: float) -> bool:
    """Whether a verb was still running, and was killed, so many seconds after its start."""
    process = started(words)
    try:
        said, _ = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode in (0, 1) and "Traceback" not in said, said
    return False


def seconds_of(words) -> float:
    """How long a verb takes, undisturbed."""
    began = time.monotonic()
    assert not killed(words, after=3600)
    return time.monotonic() - began


def kill_often(words, out: Path, least: int, longest: float, rng, check, again=lambda: None) -> tuple[int, list[str]]:
    """Kill a verb at random moments, start it again until it ends, check, and begin anew until `least` kills are done.

    out: what it writes, removed before each beginning. longest: its time [s]. check(): raises AssertionError where
    the end is not the same. again() -> the words that go on with it; None where nothing is there to go on with, []
    where it was done when it was killed. Returns the number of kills and what was found wrong.
    """
    kills, faults = 0, []
    while kills < least:
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        next_words, began = words, time.monotonic()
        while next_words and killed(next_words, rng.uniform(FIRST, 1) * longest if kills < least else 3600):
            kills += 1
            found = again()
            next_words = words if found is None else found
            began = None
        if began is not None:  # what the first one compiled is kept: the later ones take less time
            longest = min(longest, time.monotonic() - began)
        try:
            check()
        except AssertionError as error:
            faults.append(str(error)[:300])
    return kills, faults


def resuming(out: Path):
    """again() of a fit whose runs go to `out`."""

    def again():
        runs = list(out.glob("*/run.json"))
        return ["kmodels.fit", "--resume", runs[0].parent] if runs else None

    return again


def suffix_of(name) -> str:
    return {"plume": ".nc", "precip": ".nc", "echo": ""}.get(name, ".csv")


def simulating(name, out) -> list:
    return ["kmodels.simulate", "--model", name, "--smoke", "--seed", "5", "--out", out]


def kill_simulations(name, tmp_path, kills, seed=0):
    """(kills, faults) of simulate."""
    whole, out = tmp_path / "whole", tmp_path / "killed" / "out"
    longest = seconds_of(simulating(name, whole))

    def check():
        same_files(out, whole)
        no_leftovers(out.parent)

    again = lambda: [] if out.exists() else None  # noqa: E731 - it was there, whole, before the kill
    return kill_often(simulating(name, out), out, kills, longest, random.Random(seed), check, again)


def kill_predictions(name, run, tmp_path, kills, seed=0):
    """(kills, faults) of predict."""
    data, whole, folder = tmp_path / "data", tmp_path / f"whole{suffix_of(name)}", tmp_path / "killed"
    out = folder / whole.name
    seconds_of(simulating(name, data))
    words = ["kmodels.predict", "--run", run, "--data", data, "--out"]
    longest = seconds_of([*words, whole])
    folder.mkdir()

    def check():
        same_files(out, whole)
        no_leftovers(folder)

    return kill_often([*words, out], out, kills, longest, random.Random(seed), check)


def kill_a_worker(out: Path, driver: subprocess.Popen, also: int | None = None, seconds: float = 600) -> None:
    """End by SIGKILL the worker that has begun to train a run below `out`, or the process `also` in its place."""
    until = time.monotonic() + seconds
    while not list(out.rglob("checkpoints/step-*")):
        assert driver.poll() is None, driver.stdout.read()
        assert time.monotonic() < until, "no training has begun"
        time.sleep(0.1)
    children = psutil.Process(driver.pid).children(recursive=True)
    (worker, *_) = [child.parent() for child in children if "kmodels.core.runs.jobs.apart" in child.cmdline()]
    os.kill(also or worker.pid, signal.SIGKILL)


# -- what must be the same -------------------------------------------------------------------------------------------


def no_leftovers(folder: Path) -> None:
    """No temporary file is left in a folder."""
    found = [str(p) for p in folder.rglob(".*")]
    assert not found, f"left over: {', '.join(found)}"


def same_files(one: Path, other: Path) -> None:
    """Two files, or all files of two folders, have the same names and bytes."""
    names = [sorted(p.relative_to(top) for p in top.rglob("*") if p.is_file()) for top in (one, other)]
    assert names[0] == names[1], f"other files: {names}"
    for name in names[0] or [""]:
        assert files.sha256(one / name) == files.sha256(other / name), name


def same_run(one: Path, other: Path) -> None:
    """Two finished runs have the same weights, optimizer, seeds, history, metrics, model and curves."""
    equal_arrays(saved_state(one), saved_state(other))
    equal_arrays(model_weights(one), model_weights(other))
    reports = report_of(one), report_of(other)
    for rows in zip(*([report["metrics"], *report["history"]] for report in reports), strict=True):
        differ = [key for key in rows[0] | rows[1] if key not in CLOCKS and rows[0].get(key) != rows[1].get(key)]
        assert not differ, f"other {', '.join(differ)}"
    assert curves(one) == curves(other), "other curves on TensorBoard"
    no_leftovers(one)


def saved_state(run: Path) -> dict:
    """The newest training state of a run."""
    variables, metadata = Run.open(run).load_state()
    return {f"{k:03d}": value for k, value in enumerate(variables)} | {"step": np.array(metadata["step"])}


def model_weights(run: Path) -> dict:
    """All arrays in a run's model.keras."""
    found = {}
    with zipfile.ZipFile(run / "model.keras") as archive, archive.open("model.weights.h5") as content:
        h5py.File(content).visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def curves(run: Path) -> str:
    """All scalars on TensorBoard, as (epoch or step, value), but for the clocks; each stands there once."""
    found = {
        f"{folder.name}: {tag}": [(event.step, event.value) for event in points]
        for folder in board_folders(run)
        for tag, points in sorted(scalars_of(folder).items())
        if tag.split("/")[-1] not in CLOCKS
    }
    epochs = [row["epoch"] for row in report_of(run)["history"]]
    for name in ("train", "validation"):
        points = found[f"{name}: loss/total"]
        assert [epoch for epoch, _ in points] == epochs, f"epochs of {name} missing or twice on TensorBoard"
    assert found["steps: step/loss"], "no losses of steps on TensorBoard"
    assert all(len(dict(points)) == len(points) for points in found.values()), "an epoch or step twice on TensorBoard"
    return json.dumps(found)


def board_folders(run: Path) -> list[Path]:
    """The folders that TensorBoard shows of a run."""
    return [run / "tensorboard", *(run / "tensorboard" / name for name in ("train", "validation", "steps", "held_out"))]


def scalars_of(folder: Path) -> dict:
    """{tag: events} of a folder, as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
