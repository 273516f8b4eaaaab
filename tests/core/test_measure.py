"""Timing two things in turn."""

import time

from kmodels.core import measure


def test_a_call_that_takes_twice_as_long_has_ratio_two():
    found = measure.in_turn(lambda: time.sleep(0.02), lambda: time.sleep(0.04), pairs=5)
    assert found["pairs"] == 5 and found["low"] <= found["ratio"] <= found["high"]
    assert 1.5 < found["ratio"] < 2.5
    assert 0.02 <= found["ours"] < found["theirs"]


def test_it_goes_in_turn_after_one_of_each_and_keeps_the_time():
    called = []
    found = measure.in_turn(lambda: called.append("a"), lambda: called.append("b"), pairs=9, seconds=0)
    assert found["pairs"] == 1 and called == ["a", "b", "a", "b"]
