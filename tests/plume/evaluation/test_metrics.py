"""Scores of Chang and Hanna: perfect passes, biased fails, hand-worked values agree."""

import numpy as np
import pytest

from kmodels.plume.evaluation.metrics import FLOOR, pooled_scores, scores_from_sums, window_sums
from kmodels.plume.gates import GATES

AIR = np.ones((2, 1, 1, 4), bool)
TRUTH = np.array([[1.0, 2.0, 4.0, 8.0], [100.0, 200.0, 50.0, 0.0]]).reshape(2, 1, 1, 4) * 1e-8


def of(o, p, air=AIR):
    return pooled_scores(window_sums(o, p, air), np.arange(len(o)), 0).values


def failed(values) -> set:
    rows = [gate.judge(values) for gate in GATES if gate.metric in values]
    return {row["metric"] for row in rows if row["status"] == "failed"}


def test_perfect():
    values = of(TRUTH, TRUTH)
    expected = {"mse": 0, "pearson": 1, "fb": 0, "mg": 1, "vg": 1, "nmse": 0, "nad": 0, "fac2": 1, "fms": 1}
    for name, value in (expected | {"mass_residual": 0, "abs_fb": 0}).items():
        assert values[name] == pytest.approx(value, abs=1e-12), name
    assert not failed(values)


def test_three_times_too_much():
    """p = 3 o: FB = 2 (1 - 3) / 4 = -1, MG = 1/3, VG = exp(ln(3)^2), no cell within a factor of two."""
    values = of(TRUTH, 3 * TRUTH)
    assert values["fb"] == pytest.approx(-1.0) and values["abs_fb"] == pytest.approx(1.0)
    assert values["mg"] == pytest.approx(1 / 3) and values["vg"] == pytest.approx(np.exp(np.log(3) ** 2))
    assert values["fac2"] == 0.0 and values["pearson"] == pytest.approx(1.0)
    assert values["nad"] == pytest.approx(0.5) and values["mass_residual"] == pytest.approx(2.0)
    assert {"fac2", "abs_fb", "mass_residual", "vg"} <= failed(values)


def test_by_hand():
    """o = 12, 20, 0, 0 and p = 20, 5, 0, 1.5 ug m-3: the third cell is below the floor in both."""
    o, p = (np.array(x, float).reshape(1, 1, 1, 4) * 1e-9 for x in ([12, 20, 0, 0], [20, 5, 0, 1.5]))
    values = scores_from_sums(window_sums(o, p, AIR[:1]).sum(0, keepdims=True))
    values = {name: value[0] for name, value in values.items()}
    assert pytest.approx(1e-9) == FLOOR
    assert values["mse"] == pytest.approx((64 + 225 + 0 + 2.25) / 4)
    assert values["fac2"] == pytest.approx(2 / 3), "12 to 20, and 1.5 against the floor; not 20 to 5"
    assert values["fb"] == pytest.approx(2 * (32 - 26.5) / (32 + 26.5))
    assert values["mg"] == pytest.approx(np.exp((np.log(12 / 20) + np.log(20 / 5) + np.log(1 / 1.5)) / 3))
    assert values["nmse"] == pytest.approx((291.25 / 4) / (32 / 4 * 26.5 / 4))
    assert values["fms"] == pytest.approx(1 / 2), "above 10 ug m-3: cells 1 and 2 in truth, cell 1 in the forecast"
    assert values["mass_residual"] == pytest.approx(5.5 / 32)


def test_a_window_too_much_and_one_too_little_do_not_cancel_in_mass():
    p = TRUTH * np.array([1.5, 0.5]).reshape(2, 1, 1, 1)
    off = 0.5 * TRUTH.sum()
    assert of(TRUTH, p)["mass_residual"] == pytest.approx(off / TRUTH.sum())


def test_the_ground_counts_nothing():
    air = AIR.copy()
    air[..., 3] = False
    p = TRUTH.copy()
    p[..., 3] = 1.0
    assert of(TRUTH, p, air)["mse"] == 0.0


def test_unrelated_clouds_fail():
    rng = np.random.default_rng(0)
    o, p = rng.lognormal(-18, 2, (2, 4, 3, 8, 8))
    values = of(o, p, np.ones(o.shape, bool))
    assert abs(values["pearson"]) < 0.3 and {"pearson", "fac2", "fms", "nmse", "vg"} <= failed(values)


def test_intervals_resample_runs():
    rng = np.random.default_rng(0)
    o = rng.lognormal(-18, 1, (40, 2, 3, 3))
    p = o * rng.lognormal(0, 0.5, (40, 1, 1, 1))
    sums, air = window_sums(o, p, np.ones(o.shape, bool)), np.repeat(np.arange(4), 10)
    narrow, wide = pooled_scores(sums, np.arange(40), 0), pooled_scores(sums, air, 0)
    low, high = narrow.intervals["fac2"]
    assert low <= narrow.values["fac2"] <= high and low < high
    assert pooled_scores(sums, np.zeros(40), 0).intervals == {}, "one run says nothing about the spread of runs"
    assert wide.values == narrow.values
