"""Verbs that are killed, and started again, end as if nothing had been; `fit`, twice: core/training/test_loop."""

import random
import signal
import time

import pytest
from helpers.checks import only_run, run_python
from helpers.killing import (
    kill_often,
    kill_predictions,
    kill_simulations,
    no_leftovers,
    resuming,
    same_files,
    same_run,
    seconds_of,
)
from helpers.record import record

from kmodels.__main__ import main
from kmodels.core.spec import registry
from kmodels.core.training import backend

KILLS = 20  # of a model and verb
A_BACKEND = 7  # of those on each of three
MANY_STEPS = ("--train.checkpoint_seconds", "1e-9")  # a state a step


KILLED = """
import os, pathlib, signal, sys
pathlib.Path.replace = pathlib.Path.rename = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
from kmodels.__main__ import main
main(sys.argv[1:])
"""  # when all is written and has yet to take its place


@pytest.mark.parametrize("verb", ["simulate", "predict"])
def test_a_verb_killed_while_it_writes_ends_as_an_undisturbed_one(verb, tmp_path, smoke_runs):
    """At one moment of each; at random ones, and for every model, in the slow tests below."""
    data, folder = tmp_path / "data", tmp_path / "killed"
    words = ["simulate", "--model", "nand", "--smoke", "--seed", "5", "--out"]
    assert main([*words, str(data)]) == 0
    whole, out = data, folder / "data"
    if verb == "predict":
        words = ["predict", "--run", str(smoke_runs("nand")), "--data", str(data), "--out"]
        whole, out = tmp_path / "whole.csv", folder / "whole.csv"
        assert main([*words, str(whole)]) == 0
    run_python("-c", KILLED, *words, out, check=-signal.SIGKILL)
    assert not out.exists() and list(folder.glob(".*")), "killed while it wrote"
    assert main([*words, str(out)]) == 0
    same_files(out, whole)
    no_leftovers(folder)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", registry.NAMES)
def test_simulations_killed_often(name, tmp_path):
    began = time.monotonic()
    kills, faults = kill_simulations(name, tmp_path, KILLS)
    record("kills", f"{name} simulate", faults, kills=kills, seconds=round(time.monotonic() - began))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", registry.NAMES)
def test_predictions_killed_often(name, tmp_path, smoke_runs):
    run, began = smoke_runs(name), time.monotonic()
    kills, faults = kill_predictions(name, run, tmp_path, A_BACKEND)
    seconds = round(time.monotonic() - began)
    record("kills", f"{name} predict {backend.current()}", faults, kills=kills, seconds=seconds)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", registry.NAMES)
def test_trainings_killed_often(name, tmp_path):
    began, out, whole = time.monotonic(), tmp_path / "killed", tmp_path / "whole"
    words = ["kmodels.fit", "--model", name, "--smoke", *MANY_STEPS, "--out"]
    longest = seconds_of([*words, whole])
    rng = random.Random(backend.current())  # other moments on other backends
    check = lambda: same_run(only_run(out), only_run(whole))  # noqa: E731
    kills, faults = kill_often([*words, out], out, A_BACKEND, longest, rng, check, resuming(out))
    seconds = round(time.monotonic() - began)
    record("kills", f"{name} fit {backend.current()}", faults, kills=kills, seconds=seconds)
