"""Verbs killed at random moments end as if nothing had been; two kills of `fit` and `predict`: core/test_training."""

import random
import time

import pytest
from helpers.checks import only_run
from helpers.killing import kill_often, kill_predictions, kill_simulations, resuming, same_run, seconds_of
from helpers.record import record

from kmodels.core.spec import registry
from kmodels.core.training import backend

KILLS = 20  # of a model and verb
A_BACKEND = 7  # of those on each of three
MANY_STEPS = ("--train.checkpoint_seconds", "1e-9")  # a state a step


def test_a_killed_simulation_ends_as_an_undisturbed_one(tmp_path):
    kills, faults = kill_simulations("nand", tmp_path, 2, seed=time.time_ns())
    assert kills == 2 and not faults, faults


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
