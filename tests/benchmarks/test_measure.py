"""Timing things in turn."""

import time

import numpy as np
import pytest

from kmodels.benchmarks import measure


def test_a_call_that_takes_twice_as_long_has_ratio_two():
    found = measure.time_interleaved({"one": lambda: time.sleep(0.02), "two": lambda: time.sleep(0.04)}, rounds=5)
    ratio = measure.spread(found["two"] / found["one"])
    assert ratio["rounds"] == 5 and ratio["low"] <= ratio["median"] <= ratio["high"]
    assert 1.5 < ratio["median"] < 2.5
    assert found["one"].min() >= 0.02


def test_it_goes_in_turn_after_one_of_each_and_keeps_the_time():
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}
    found = measure.time_interleaved(calls, rounds=9, seconds=0, block=0)
    assert len(found["a"]) == 1 and called == [*"aa", *"bb", *"ab"], "to warm up, to count; then in turn"


def test_short_calls_are_measured_many_at_a_time():
    called = []
    (seconds,) = measure.time_interleaved({"a": lambda: called.append(time.sleep(0.001))}, rounds=1, block=0.05)["a"]
    assert 10 < len(called) <= 52 and 0.001 <= seconds < 0.005


def test_spread_by_hand():
    assert measure.spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0, "rounds": 3}


def test_a_matrix_product_is_as_many_operations_as_it_says():
    product = measure.matrix_product()()
    rows, inner = product.shape
    assert inner * rows * 2 * rows == measure.MATRIX_OPERATIONS
    a = np.random.default_rng(0).random((rows, rows), "float32")
    assert product[3, 5] == pytest.approx(float(a[3].astype("float64") @ a[:, 5]), rel=1e-5)
