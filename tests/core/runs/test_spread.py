"""One training on many devices as people start it: killed, stopped and gone on with; in two processes that meet."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from helpers.checks import ROOT, only_run, run_python

from kmodels.core.runs.run import Run

pytestmark = pytest.mark.slow

# The address of another interface stands for another machine; macOS has but one that loops back.
OTHER = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
METRICS = 4  # variables, the last of a state: sum and count of the loss and of a metric, of each process its own
TINY = ("--model", "nand", "--smoke", "--data.n_sequences", "400", "--train.batch_size", "32", "--train.epochs", "3")
TINY += ("--model.bidirectional=false", "--model.operation_head=false", "--model.sequence_order=time")


def fit(*words, **kwargs) -> subprocess.Popen:
    command = [sys.executable, "-m", "kmodels.fit", *map(str, words)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **streams, **kwargs)


def same(one, other) -> None:
    """The weights of the last epoch, and what it was judged by, agree to 1e-5."""
    (ours, mine), (theirs, yours) = Run.open(one).load_state(), Run.open(other).load_state()
    for k in range(len(ours) - METRICS):
        np.testing.assert_allclose(ours[k], theirs[k], atol=1e-5, err_msg=str(k))
    assert mine["history"][-1]["val_loss"] == pytest.approx(yours["history"][-1]["val_loss"], abs=1e-5)


def when_saved(out, process) -> None:
    """Wait until the first epoch is saved."""
    until = time.monotonic() + 500
    while not list(out.glob("*/checkpoints/step-*/state.json")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(scope="module", params=["torch", "jax", "tensorflow"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def alone(backend, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    run_python("-m", "kmodels.fit", *TINY, "--backend", backend, "--out", out, check=0)
    return only_run(out)


def test_a_killed_process_ends_all_and_resume_goes_on_on_one_device(backend, alone, tmp_path):
    process = fit(*TINY, "--backend", backend, "--devices", 2, "--out", tmp_path)
    when_saved(tmp_path, process)
    children = [one for one in psutil.Process(process.pid).children() if "spread" in " ".join(one.cmdline())]
    assert len(children) == (2 if backend == "torch" else 1)
    children[-1].kill()
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 2 and "Traceback" not in said, said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "ended by signal 9" in line and "--resume" in line
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    run = only_run(tmp_path)
    assert not (run / "report.json").exists(), "killed too late to prove anything"
    run_python("-m", "kmodels.fit", "--resume", run, check=0)
    same(alone, run)


def test_ctrl_c_saves_and_resume_goes_on_on_two_devices(backend, alone, tmp_path):
    process = fit(*TINY, "--backend", backend, "--out", tmp_path, "--devices", 2)
    when_saved(tmp_path, process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 130 and "nothing is lost" in said and "Traceback" not in said, said
    run = only_run(tmp_path)
    run_python("-m", "kmodels.fit", "--resume", run, "--devices", "2", check=0)
    same(alone, run)


def test_two_processes_that_meet_give_the_weights_of_one(backend, alone, tmp_path):
    if backend == "tensorflow":
        done = run_python("-m", "kmodels.fit", *TINY, "--backend", backend, *meeting(0), "--out", tmp_path, check=2)
        assert "--backend jax or torch" in done.stderr
        return
    where = meeting(0, OTHER)
    first = fit(*TINY, "--backend", backend, *where, "--out", tmp_path)
    other = fit(*TINY, "--backend", backend, *where[:-1], 1, "--out", tmp_path / "nobody")
    said = [process.communicate(timeout=500)[0] for process in (first, other)]
    assert (first.returncode, other.returncode) == (0, 0), said
    assert "process 1 of 2: trained" in said[1] and not (tmp_path / "nobody").exists()
    same(alone, only_run(tmp_path))
    report = json.loads((only_run(tmp_path) / "report.json").read_text())
    assert len(report["history"]) == 3


def meeting(k: int, host: str = "127.0.0.1") -> list:
    """The words of process k of two that meet at a free port of this machine."""
    with socket.socket() as free:
        free.bind((host, 0))
        return ["--coordinator", f"{host}:{free.getsockname()[1]}", "--processes", 2, "--process-id", k]
