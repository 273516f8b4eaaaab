"""Scores: merged, and set against others'."""

import numpy as np
import pytest

from kmodels.core.spec.task import Scores

DRAWN = np.linspace(1.0, 3.0, 401)


def test_a_quotient_of_paired_resamples_is_narrower_than_its_parts():
    """Resamples of both are the same runs: what makes all errors large cancels."""
    ours = Scores({"mse": 1.0}, resampled={"mse": 0.5 * DRAWN})
    theirs = Scores({"mse": 2.0}, resampled={"mse": DRAWN})
    found = ours.with_ratio("mse", theirs, "share")
    assert found.values["share"] == 0.5 and found.intervals["share"] == pytest.approx((0.5, 0.5))


def test_an_interval_by_hand():
    ours = Scores({"mse": 2.0}, resampled={"mse": DRAWN})
    theirs = Scores({"mse": 1.0}, resampled={"mse": np.ones(401)})
    assert ours.with_ratio("mse", theirs, "share").intervals["share"] == pytest.approx((1.05, 2.95))


@pytest.mark.parametrize("other", [None, Scores({"mse": None}), Scores({"mse": 0.0}), Scores({})])
def test_what_cannot_be_compared_is_not_measured(other):
    found = Scores({"mse": 1.0}).with_ratio("mse", other, "share")
    assert found.values["share"] is None and "share" not in found.intervals


def test_merging_prefixes_every_part():
    found = Scores({"a": 1.0}).merge(Scores({"a": 2.0}, {"a": (1.0, 3.0)}, {"a": DRAWN}), "far_")
    assert found.values == {"a": 1.0, "far_a": 2.0} and set(found.intervals) == set(found.resampled) == {"far_a"}
    only = found.only("far_a", "absent")
    assert only.values == {"far_a": 2.0} and only.intervals == {"far_a": (1.0, 3.0)}
