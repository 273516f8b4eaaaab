"""Baselines on held-out and on transfer data, and the network's error as a share of theirs."""

import pytest

from kmodels.core.spec.task import Scores
from kmodels.plume.data.load import load
from kmodels.plume.evaluation.baselines import evaluate_baselines, with_error_ratios
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator import simulate
from kmodels.plume.task import transfer


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


def test_transfer_is_of_the_other_engine_and_of_other_weather():
    recipe = PlumeRecipe()
    there = transfer(recipe)
    assert (there.data.engine, there.data.n_runs) == ("puff", 24) and there.seed != recipe.seed
    assert there.data.grid == recipe.data.grid and there.model == recipe.model
    assert transfer(there).data.engine == "finite_volume"
    assert transfer(recipe.with_changes({"seed": 2**31 - 1})).seed < 2**31


def test_baselines_are_scored_on_transfer_data_too(tmp_path):
    recipe = PlumeRecipe().with_changes(PlumeRecipe.SMOKE).with_changes({"data": {"n_runs": 3, "frames": 6}})
    parts = {}
    for name, of in (("test", recipe), ("transfer", transfer(recipe))):
        (tmp_path / name).mkdir()
        simulate(of, tmp_path / name, lambda done, total: None)
        parts[name] = load(tmp_path / name, of)
    alone = evaluate_baselines(recipe, {"test": parts["test"]})
    found = evaluate_baselines(recipe, parts)
    there = evaluate_baselines(recipe, {"test": parts["transfer"]})
    assert found.keys() == alone.keys() >= {"persistence", "class_d_solver", "refitted_solver"}
    for name, one in found.items():
        assert one.values["mse"] == alone[name].values["mse"]
        assert one.values["transfer_pearson"] == there[name].values["pearson"]
    assert with_error_ratios(found["persistence"], found).values["transfer_mse_ratio_best"] >= 1
