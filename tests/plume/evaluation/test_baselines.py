"""The network's error as a share of the baselines'."""

import pytest

from kmodels.core.spec.task import Scores
from kmodels.plume.evaluation.baselines import with_error_ratios


def test_the_best_baseline_is_that_of_the_least_error_by_metric():
    baselines = {
        "persistence": Scores({"mse": 4.0, "rollout_mse": 10.0}),
        "class_d_solver": Scores({"mse": 8.0, "rollout_mse": 5.0}),
        "untrained": Scores({"mse": 5.0}),
    }
    found = with_error_ratios(Scores({"mse": 1.0, "rollout_mse": 1.0}), baselines).values
    assert found["mse_ratio_best"] == found["mse_ratio_persistence"] == pytest.approx(0.25)
    assert found["rollout_mse_ratio_best"] == found["rollout_mse_ratio_class_d_solver"] == pytest.approx(0.2)
    assert found["rollout_mse_ratio_untrained"] is None


def test_no_baseline_has_half_of_the_best_ones_error():
    """What the gates ask of the network."""
    baselines = {"one": Scores({"mse": 4.0}), "other": Scores({"mse": 8.0})}
    assert all(with_error_ratios(of, baselines).values["mse_ratio_best"] >= 1 for of in baselines.values())
    assert with_error_ratios(Scores({"mse": 1.0}), {}).values["mse_ratio_best"] is None
