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


def test_threshold_lies_in_the_widest_gap_between_the_classes():
    p, y = np.array([0.1, 0.2, 0.7, 0.9]), np.array([False, False, True, True])
    assert verification.best_threshold(p, y) == pytest.approx(0.45)


def test_threshold_with_overlap_has_the_best_balanced_accuracy():
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.3
    p = np.clip(0.3 * y + rng.random(400) * 0.6, 0, 1)
    chosen = verification.best_threshold(p, y)

    def score(t):
        return ((p >= t)[y].mean() + (p < t)[~y].mean()) / 2

    assert score(chosen) >= max(score(t) for t in np.linspace(0, 1, 1001)) - 1e-12


def test_threshold_with_one_class_or_ties():
    assert verification.best_threshold(np.array([0.2, 0.3]), np.array([True, True])) == 0.5
    tied = verification.best_threshold(np.array([0.5, 0.5, 0.5]), np.array([True, False, True]))
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


def test_no_failure_seen_is_not_no_failure():
    assert verification.interval(np.ones(1000), 300) == (0.99, 1.0)
    assert verification.interval(np.zeros(1000), 300) == (0.0, 0.01)
