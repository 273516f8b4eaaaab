"""The chief over gRPC: workers that fall silent, a deadline, a fault; it always ends. No training."""

import os
import threading
import time
from signal import SIGTERM

import pytest
from helpers.checks import ROOT

from kmodels.core.spec.errors import UserError
from tuning import oracles, study, worker
from tuning.chief import Chief
from tuning.worker import Client

TINY = study.load(str(ROOT / "tests" / "tuning" / "tiny.py"))


@pytest.fixture
def led(tmp_path):
    """led(limit, ...) -> (chief, address, what its thread will have found): a chief that serves in a thread."""
    threads = []

    def made(limit=1, lost=lambda: [], **times):
        oracle = oracles.make(TINY, "random", limit, tmp_path / "oracle.json")
        chief = Chief(oracle, **({"deadline": 60.0} | times))
        address, found = chief.listen("127.0.0.1:0"), {}

        def serve():
            try:
                found["reason"] = chief.serve(lost)
            except Exception as error:  # noqa: BLE001 - looked at by the test
                found["error"] = error

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return chief, address, found

    yield made
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "the chief has not ended"


def run(client, worker, score=0.5) -> list[str]:
    """A worker without a training: the trials that it was given."""
    given = []
    while (trial := client.create_trial(worker)).status != "STOPPED":
        given.append(trial.trial_id)
        client.update_trial(trial.trial_id, {"val_accuracy": score})
        trial.status = "COMPLETED"
        client.end_trial(trial)
    return given


def ended(found) -> dict:
    """What the chief's thread found, once it has ended."""
    until = time.monotonic() + 30
    while not found and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_the_trial_of_a_silent_worker_is_given_to_another(led, capsys):
    chief, address, found = led(limit=2, patience=2.0)
    silent, busy = Client(address), Client(address)
    lost = silent.create_trial("silent").trial_id
    given = run(busy, "busy")
    assert sorted(given) == ["0000", "0001"] and lost in given
    assert {trial.status for trial in chief.oracle.trials.values()} == {"COMPLETED"}
    assert "worker silent was silent for 2 s; trial 0000 is given to another" in capsys.readouterr().out
    assert ended(found) == {"reason": None}


def test_a_worker_that_gives_signs_of_life_keeps_its_trial(led):
    _, address, found = led(limit=1, patience=2.0)
    slow, other = Client(address, beat=0.1), Client(address)
    trial = slow.create_trial("slow")
    waiting = threading.Thread(target=run, args=(other, "other"))
    with slow.living(trial.trial_id):
        waiting.start()
        time.sleep(3.5)
        assert waiting.is_alive(), "the other one waits, and has been given nothing"
    slow.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    slow.end_trial(trial)
    waiting.join(10)
    assert slow.create_trial("slow").status == "STOPPED"
    assert ended(found) == {"reason": None}


def test_values_come_over_the_wire_as_they_are(led):
    chief, address, _ = led(limit=3)
    client = Client(address)
    while (trial := client.create_trial("w")).status != "STOPPED":
        here = chief.oracle.trials[trial.trial_id].hyperparameters.values
        assert trial.hyperparameters.values == here and TINY.recipe(trial.hyperparameters)
        client.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        client.end_trial(trial)


def test_it_ends_when_the_deadline_is_over_and_when_nobody_is_left(led):
    chief, address, found = led(deadline=0.6)
    Client(address).create_trial("for ever at it")
    assert "deadline" in ended(found)["reason"] and chief.oracle.trials["0000"].status == "RUNNING"


def test_it_ends_when_no_worker_process_is_left(led):
    _, _, found = led(lost=lambda: ["w", None])
    assert ended(found) == {"reason": "no worker is left"}


def test_a_fault_of_the_machine_ends_it_instead_of_standing_still(led, monkeypatch):
    chief, address, found = led()

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chief.oracle, "save", full)
    with pytest.raises(UserError, match="does not answer"):
        Client(address, wait=5).create_trial("w")
    assert ended(found)["error"].errno == 28


def test_a_worker_without_a_chief_and_a_chief_without_a_port(led):
    with pytest.raises(UserError, match="does not answer"):
        Client("127.0.0.1:9", wait=0.5).create_trial("w")
    _, address, _ = led(deadline=1.0)
    with pytest.raises(UserError, match="cannot listen there"):
        Chief(None, 1.0).listen(address)
    Client(address).create_trial("w")


def test_a_worker_whose_chief_has_gone_saves_its_state_and_stops(monkeypatch):
    """By SIGTERM, which a training answers by saving (tests/core/test_training.py)."""
    sent = threading.Event()
    monkeypatch.setattr(worker.os, "kill", lambda pid, signum: (pid, signum) == (os.getpid(), SIGTERM) and sent.set())
    with Client("127.0.0.1:9", beat=0.05, patience=0.2).living("0000"):
        assert sent.wait(20)
