"""Where the time of a run goes."""

import pytest

from kmodels.core.runs.course import stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(stopwatch, "_begun", [])
    return now


def test_each_part_has_its_time_and_a_command_its_start(clock):
    stopwatch.begin()
    clock[0] += 5.0
    watch = stopwatch.Stopwatch()
    clock[0] += 2.0
    watch.lap("data")
    clock[0] += 30.0
    watch.trained([12.0, 6.0, 5.0, 7.0])
    clock[0] += 1.5
    watch.lap("pictures")
    assert watch.seconds == {
        "start-up": 5.0,
        "data": 2.0,
        "compilation": 6.0,
        "training": 24.0,
        "judging": 0.0,
        "pictures": 1.5,
    }
    assert stopwatch.told(watch.seconds).startswith("start-up 5.0 s, data 2.0 s") and "judging" not in stopwatch.told(
        watch.seconds
    )
    assert stopwatch.Stopwatch().seconds["start-up"] == 0.0, "another run of the same command"


def test_what_one_epoch_compiles_nobody_knows(clock):
    watch = stopwatch.Stopwatch()
    clock[0] += 8.0
    watch.trained([8.0])
    assert watch.seconds["training"] == 8.0 and watch.seconds["compilation"] == 0.0


def test_a_process_began_before_its_command(clock):
    stopwatch.begin(process=True)
    assert stopwatch.Stopwatch().seconds["start-up"] > 0.1
