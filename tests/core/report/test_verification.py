"""Thresholds, calibration and intervals against hand-worked cases."""

import numpy as np
import pytest

from kmodels.core.report import verification


def test_ratios_over_seeds_by_hand():
    """ln 2 and ln 8, mean ln 4, standard error ln 2; t with one degree of freedom is 12.706."""
    mean, low, high = verification.ratio_interval([2.0, 16.0], [1.0, 2.0])
    assert mean == pytest.approx(4.0)
    assert np.log([low, high]) == pytest.approx(np.log(4) + 12.7062 * np.log(2) * np.array([-1, 1]), rel=1e-4)
    assert verification.ratio_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize("shift, chosen", [(0.0, 0.5), (0.3, 0.75)])
def test_threshold_between_the_classes_is_half_or_the_middle(shift, chosen):
    p, y = shift + np.array([0.1, 0.2, 0.7, 0.9]), np.array([False, False, True, True])
    p = np.repeat(np.clip(p, 0, 1), 500)
    assert verification.choose_threshold(p, np.repeat(y, 500)) == pytest.approx(chosen)


def test_one_example_does_not_move_the_threshold_and_many_do():
    p, y = np.repeat([0.02, 0.97], 1000), np.repeat([False, True], 1000)
    for moved, chosen in ((1, 0.5), (20, 0.07)):
        p[-moved:] = 0.12
        assert verification.choose_threshold(p, y) == pytest.approx(chosen)


def test_threshold_with_overlap_is_within_a_standard_error_of_the_best():
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.3
    p = np.clip(0.3 * y + rng.random(400) * 0.6, 0, 1)
    chosen = verification.choose_threshold(p, y)

    def score(t):
        return ((p >= t)[y].mean() + (p < t)[~y].mean()) / 2

    best = max(np.linspace(0, 1, 1001), key=score)
    error = (
        np.sqrt(sum(share * (1 - share) / n for share, n in ((score(best), y.sum()), (score(best), (~y).sum())))) / 2
    )
    assert score(best) - 1.1 * error <= score(chosen) <= score(best)
    assert abs(chosen - 0.5) <= abs(best - 0.5)


def test_threshold_with_one_class_or_ties():
    assert verification.choose_threshold(np.array([0.2, 0.3]), np.array([True, True])) == 0.5
    tied = verification.choose_threshold(np.array([0.5, 0.5, 0.5]), np.array([True, False, True]))
    assert 0 <= tied <= 1


def test_calibration_error_by_hand():
    p = np.array([0.95, 0.95, 0.05, 0.05])
    assert verification.expected_calibration_error(p, np.array([1, 1, 0, 0])) == pytest.approx(0.05)
    assert verification.expected_calibration_error(p, np.array([0, 0, 1, 1])) == pytest.approx(0.95)


def test_bootstrap_draws_groups_whole_and_its_interval_covers():
    groups = np.repeat(np.arange(200), 2)
    weights = verification.bootstrap_weights(groups, 0)
    assert (weights[:, ::2] == weights[:, 1::2]).all() and (weights.sum(axis=1) == 400).all()
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        hits = np.repeat(rng.random(200) < 0.8, 2)
        low, high = verification.interval(weights @ hits / 400, 200)
        covered += low <= 0.8 <= high
    assert 0.90 <= covered / 200 <= 0.99
    assert verification.interval(np.full(10, np.nan), 200) is None


def test_a_bootstrap_in_blocks_is_that_of_all_resamples(monkeypatch):
    groups, hits = np.repeat(np.arange(40), 3), np.random.default_rng(1).random(120)
    monkeypatch.setattr(verification, "WEIGHTS", 7 * 120)
    rows = []

    def shares(weights):
        rows.append(len(weights))
        return {"share": weights @ hits / weights.sum(1)}

    found = verification.resample(groups, 5, shares, dtype="float64")["share"]
    weights = verification.bootstrap_weights(groups, 5).astype("float64")
    np.testing.assert_allclose(found, weights @ hits / weights.sum(1), rtol=1e-12)
    assert max(rows) == 7 and sum(rows) == 1000


def test_no_failure_seen_is_not_no_failure():
    assert verification.interval(np.ones(1000), 300) == (0.99, 1.0)
    assert verification.interval(np.zeros(1000), 300) == (0.0, 0.01)
