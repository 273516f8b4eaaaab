"""Jobs on workers: each done once whatever dies, few in flight, and what is not fit is told before any begins."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from helpers import jobs_work
from helpers.checks import fails_cleanly

from kmodels.core.io import parallel
from kmodels.core.runs import cache, jobs
from kmodels.core.runs.jobs import cluster, engine
from kmodels.core.spec.errors import Lost, UserError
from kmodels.simulate import main as simulate

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workers of this machine, begun once for this file."""
    with jobs.workers(tmp_path_factory.mktemp("shared"), n=2):
        yield engine._cluster


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a scheduler with a worker, as somebody else would have started them."""
    with distributed.LocalCluster(1, 1, processes=False, protocol="tcp", dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


def killer(folder: Path, pattern: str, of) -> threading.Thread:
    """A thread that ends by SIGKILL the process `of(path)` of the first path that appears; its `dead` is that."""

    def kill():
        until = time.monotonic() + 120
        while not (found := sorted(folder.glob(pattern))):
            assert time.monotonic() < until
            time.sleep(0.05)
        thread.dead = of(found[0])
        os.kill(thread.dead, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_worker_is_killed_and_every_job_is_done_once(two, tmp_path, capsys):
    killed = killer(tmp_path, "begun-*", lambda path: int(path.name.split("-")[-1]))
    todo = [(str(tmp_path), k, 0.4) for k in range(6)]
    found = [answer for _, answer in jobs.run(jobs_work.noted, todo, in_order=True)]
    killed.join()
    assert found == [0, 10, 20, 30, 40, 50]
    assert sorted((tmp_path / "ended").read_text().split()) == list("012345"), "once each"
    begun = [path.name.split("-") for path in tmp_path.glob("begun-*")]
    again = [k for _, k, process in begun if int(process) == killed.dead]
    assert all(sum(k == other for _, other, _ in begun) == 2 or k in again[1:] for k in again), "begun again elsewhere"
    assert "has gone; its jobs are given to others" in capsys.readouterr().out


def test_few_are_in_flight_and_one_that_depends_is_asked_for_when_it_can_be(two, tmp_path):
    asked, ended = [], []

    def todo():
        for k in range(8):
            asked.append(k)
            assert len(asked) - len(ended) <= 4, "two workers, two ahead"
            yield str(tmp_path), k, 0.0
        while len(ended) < 8:
            yield jobs.WAIT
        yield str(tmp_path), 8, 0.0

    for _, answer in jobs.run(jobs_work.noted, todo()):
        ended.append(answer)
    assert sorted(ended) == [10 * k for k in range(9)] and ended[-1] == 80


def test_what_a_job_raises_is_raised_here_or_is_its_result(two):
    todo = [(k,) for k in range(3)]
    for apart in (False, True):
        found = dict(jobs.run(jobs_work.wrong, todo[: 3 - apart], apart=apart, keep_going=True))
        assert found[(0,)] == 0 and isinstance(found[(1,)], UserError)
    with pytest.raises(UserError, match="1: expected an even number"):
        list(jobs.run(jobs_work.wrong, todo))


@pytest.mark.slow
def test_a_process_of_its_own_may_die_twice_and_not_for_ever(two, tmp_path, capsys):
    (tmp_path / "a").mkdir()
    ((_, answer),) = jobs.run(jobs_work.suicide, [(str(tmp_path / "a"), 2)], apart=True)
    assert answer == "xxx" and "begun again: its process ended by signal 9" in capsys.readouterr().out
    with pytest.raises(Lost, match="a job ended 3 times, the last time because its process ended by signal 9"):
        list(jobs.run(jobs_work.suicide, [(str(tmp_path), 9)], apart=True))


def test_a_stop_reaches_a_process_of_its_own(two, tmp_path):
    def stop():
        while not list(tmp_path.glob("process")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Thread(target=stop).start()
    try:
        with pytest.raises(KeyboardInterrupt, match="nothing is lost"):
            list(jobs.run(jobs_work.waits, [(str(tmp_path), 60.0)], apart=True))
    finally:
        signal.signal(signal.SIGINT, before)
    process = int((tmp_path / "process").read_text())
    until = time.monotonic() + 20
    while psutil.pid_exists(process) and time.monotonic() < until:
        time.sleep(0.1)
    assert (tmp_path / "stopped").exists() and not psutil.pid_exists(process)


def test_only_this_machine_and_only_who_has_the_keys_reaches_the_workers(two):
    own = psutil.Process()
    listening = {
        connection.laddr.ip
        for process in [own, *own.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1"} and two.client.scheduler.address.startswith("tls://")


def test_without_workers_jobs_run_here_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_cluster", None)
    asked = []

    def todo():
        for k in range(3):
            asked.append(k)
            yield str(tmp_path), k, 0.0

    for (_, k, _), answer in jobs.run(jobs_work.noted, todo()):
        assert answer == 10 * k and asked[-1] == k
    assert {path.name.split("-")[-1] for path in tmp_path.glob("begun-*")} == {str(os.getpid())}


# -- what is not fit ------------------------------------------------------------------------------------------------


def refused(said, **where):
    with pytest.raises(UserError) as told, jobs.workers(**where):
        raise AssertionError("work has begun")
    assert said in str(told.value) and "\n" not in str(told.value)


REFUSE = cluster.refuse


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(engine, "_cluster", None)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1.0)


def test_a_scheduler_that_does_not_answer_is_told(alone, tmp_path, capsys):
    words = ["--model", "echo", "--smoke", "--out", str(tmp_path / "rooms")]
    fails_cleanly(capsys, simulate([*words, "--scheduler", "tcp://127.0.0.1:9"]), "tcp://127.0.0.1:9: does not answer")
    fails_cleanly(capsys, simulate([*words, "--scheduler", "tls://127.0.0.1:9"]), "tls://127.0.0.1:9: does not answer")
    assert not (tmp_path / "rooms").exists()


def test_workers_of_another_version_or_without_the_folder_are_told(alone, address, tmp_path, monkeypatch):
    where = {"folder": tmp_path, "address": address}
    with jobs.workers(**where):
        assert [answer for _, answer in jobs.run(jobs_work.wrong, [(2,)])] == [2]
    monkeypatch.setattr(cluster, "_mark", lambda folder: contextlib.nullcontext(folder / "elsewhere" / "mark"))
    refused("elsewhere, which the driver writes to: choose a folder that all machines share", **where)
    here = cluster.version()
    monkeypatch.setattr(cluster, "refuse", lambda python, wanted, mark: REFUSE(python, f"0.0 {wanted}", mark))
    refused(f"has kmodels {here}, and here is 0.0", **where)
    assert not list(tmp_path.glob(".aside*"))


def test_a_python_without_dask_is_told_how_to_get_it(alone, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused('need Dask: pip install "kmodels[scale]"', folder=tmp_path, n=2)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--workers", "0"], "at least 1"),
        (["--workers", "2", "--scheduler", "tcp://here:1"], "give one of them"),
        (["--workers", "2", "--resources", "GPU=1"], "what the workers of --scheduler offer"),
        (["--scheduler", "tcp://here:1", "--resources", "GPU"], "expected NAME=NUMBER"),
        (["--dashboard"], "of --workers"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(words, said, tmp_path, capsys):
    fails_cleanly(capsys, simulate(["--model", "echo", "--smoke", "--out", str(tmp_path / "new"), *words]), said)


# -- verbs ----------------------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != cache.MANIFEST
    }


def test_a_worker_is_killed_in_mid_simulation_and_the_data_are_the_same(two, tmp_path):
    words = ["--model", "metasurface", "--smoke", "--data.n_structures", "600"]  # six files
    two.client.wait_for_workers(2)  # another test has killed one, too
    pid = next(iter(two.client.run(os.getpid).values()))
    killed = killer(tmp_path, ".aside-made*/structures-*.h5", lambda path: pid)
    assert simulate([*words, "--out", str(tmp_path / "made")]) == 0
    killed.join()
    here = tmp_path / "here"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "on_workers", None)
        assert simulate([*words, "--out", str(here)]) == 0
    assert contents(here) == contents(tmp_path / "made")
