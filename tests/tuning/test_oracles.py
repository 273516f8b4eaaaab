"""The search algorithms: killed after any step and read again, they go on as if nothing had been. No training."""

import dataclasses
import json

import pytest
from helpers.checks import ROOT

from kmodels.core.cli import parse
from kmodels.core.spec.errors import UserError
from kmodels.nand.ladder import LADDER
from kmodels.nand.recipe import NandRecipe
from kmodels.precip.recipe import PrecipRecipe
from tuning import oracles, study

TINY = study.load(str(ROOT / "tests" / "tuning" / "tiny.py"))
LONGER = {"train": {"epochs": 3}}  # long enough for Hyperband to halve
TINY = dataclasses.replace(
    TINY, base=TINY.base.with_changes(LONGER), space=lambda hp, space=TINY.space: space(hp).with_changes(LONGER)
)


def ended(oracle, trial, score=None):
    """As a worker would: report and end; with no score the trial has failed."""
    if score is None:
        trial.status = "FAILED"
    else:
        oracle.update_trial(trial.trial_id, {"val_accuracy": score})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def score_of(values) -> float:
    return values["model.hidden"] / 10 - values["train.learning_rate"]


def searched(tuner, limit, path, killed=False) -> list[tuple[str, dict]]:
    """The trials that are run, in order. killed: after every step the process is another one, and in every second
    trial it dies before the trial ends."""
    ran, oracle, dies = [], oracles.make(TINY, tuner, limit, path), True
    while (trial := oracle.create_trial("w")).status != "STOPPED":
        if killed:
            oracle = oracles.make(TINY, tuner, limit, path)
            dies = not dies
            if dies:
                continue
            assert oracle.create_trial("w").trial_id == trial.trial_id, "what was running is run again"
        ran.append((trial.trial_id, dict(trial.hyperparameters.values)))
        ended(oracle, oracle.trials[trial.trial_id], score_of(trial.hyperparameters.values))
        oracle = oracles.make(TINY, tuner, limit, path) if killed else oracle
    return ran


@pytest.mark.parametrize("tuner, limit", [("grid", None), ("random", 3), ("bayesian", 4), ("hyperband", 5)])
def test_a_search_that_dies_again_and_again_runs_every_trial_once(tuner, limit, tmp_path):
    undisturbed = searched(tuner, limit, tmp_path / "a.json")
    killed = searched(tuner, limit, tmp_path / "b.json", killed=True)
    assert len(undisturbed) == (limit or 4)
    assert [key for key, _ in killed] == [key for key, _ in undisturbed] == sorted({key for key, _ in killed})
    if tuner != "bayesian":  # whose proposals are drawn anew
        assert killed == undisturbed
    if tuner == "hyperband":
        assert [values["tuner/epochs"] for _, values in killed] == [1, 1, 1, 3, 3]
        assert score_of(killed[3][1]) == max(score_of(values) for _, values in killed[:3]), "the best one goes on"
    configurations = {json.dumps(values) for _, values in killed}
    assert tuner == "hyperband" or len(configurations) == len(killed), "nothing is tried twice"
    state = json.loads((tmp_path / "b.json").read_text())
    assert {trial["status"] for trial in state["trials"]} == {"COMPLETED"}
    assert all(trial["score"] is not None for trial in state["trials"])


def test_the_first_trial_is_the_base_and_a_grid_holds_every_combination(tmp_path):
    for tuner in ("random", "bayesian", "hyperband"):
        oracle = oracles.make(TINY, tuner, 3, tmp_path / f"{tuner}.json")
        trial = oracle.create_trial("w")
        made = TINY.recipe(trial.hyperparameters)
        assert made.with_changes({"train": {"epochs": TINY.base.train.epochs}}) == TINY.base
    grid = searched("grid", None, tmp_path / "grid.json")
    assert {(v["model.hidden"], v["train.learning_rate"]) for _, v in grid} == {
        (h, r) for h in (4, 6) for r in (5e-3, 1e-2)
    }


def test_the_state_on_disk_is_never_half_of_it(tmp_path, monkeypatch):
    """A crash in the middle of writing leaves the last whole state: the trial that had begun is the next one."""
    oracle = oracles.make(TINY, "random", 3, tmp_path / "state.json")
    ended(oracle, oracle.create_trial("w"), 0.5)
    trial = oracle.create_trial("w")
    monkeypatch.setattr(json, "dumps", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        ended(oracle, trial, 0.6)
    monkeypatch.undo()
    again = oracles.make(TINY, "random", 3, tmp_path / "state.json")
    assert [again.trials[key].status for key in ("0000", "0001")] == ["COMPLETED", "RUNNING"]
    assert again.create_trial("other").trial_id == "0001"


def test_three_failures_in_a_row_end_it_and_a_resumed_one_may_fail_anew(tmp_path):
    path = tmp_path / "state.json"
    oracle = oracles.make(TINY, "grid", None, path)
    for score in (None, None, 0.5):
        ended(oracle, oracle.create_trial("w"), score)
    assert not oracle.failures, "the last one was a success"
    again = oracles.make(TINY, "random", 9, tmp_path / "other.json")
    for _ in range(3):
        ended(again, again.create_trial("w"))
    assert again.create_trial("w").status == "STOPPED" and len(again.failures) == 3
    resumed = oracles.make(TINY, "random", 9, tmp_path / "other.json")
    assert resumed.create_trial("w").status == "RUNNING", "the cause may have been put right"


def test_a_trial_whose_worker_died_goes_to_another_and_fails_when_it_costs_too_many(tmp_path):
    oracle = oracles.make(TINY, "random", 1, tmp_path / "state.json")
    first = oracle.create_trial("a")
    assert oracle.create_trial("b").status == "IDLE", "it may come back: b waits"
    assert oracle.abandon("a") is oracle.trials[first.trial_id] and oracle.abandon("a") is None
    assert oracle.create_trial("b").trial_id == first.trial_id
    ended(oracle, oracle.trials[first.trial_id], 0.5)
    late = oracle.trials[first.trial_id]
    oracle.update_trial(first.trial_id, {"val_accuracy": 0.9})
    oracle.end_trial(late)  # a was not dead
    assert late.score == 0.5 and oracle.end_order == [first.trial_id]
    assert oracle.create_trial("b").status == "STOPPED"

    other = oracles.make(TINY, "random", 1, tmp_path / "other.json")
    for worker in ("a", "b", "c"):
        other.create_trial(worker)
        other.abandon(worker)
    assert other.trials["0000"].status == "FAILED" and "3 workers died" in other.trials["0000"].message
    assert other.create_trial("d").status == "STOPPED"


# -- studies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", study.NAMES)
def test_a_study_begins_with_its_base_and_is_judged_by_what_it_does_not_search(name):
    from kmodels.core.spec import registry

    found = study.load(name)
    space = found.declared()  # refuses names that are no keys, and defaults that are not the base's
    assert found.name == name and found.question.endswith("?") and len(space.space) >= 2
    assert found.recipe(space) == found.base
    metrics = registry.task(found.base.task).headline
    assert found.objective.removeprefix("val_") in metrics and "loss" not in found.objective
    assert set(found.held_out) <= set(metrics)


def test_the_best_of_the_search_is_a_step_of_the_ladder():
    best = parse.resolve(NandRecipe, [parse.read_yaml(ROOT / "configs" / "nand_step4.best.yaml")])
    assert best == LADDER.recipe(NandRecipe(), LADDER.index("searched"))


def test_smoke_makes_a_trial_small_but_for_what_is_searched():
    found = study.load("nand_step4")
    hp = found.declared()
    hp.values["model.hidden"] = 96
    small = found.recipe(hp, smoke=True)
    assert small.data.n_sequences == 800 and small.model.hidden == 96 and small.model.num_layers == 1


def test_the_precip_grid_is_four_by_four_and_the_weights_have_a_meaning_in_it(tmp_path):
    found = study.load("precip_weights")
    grid = list(oracles.make(found, "grid", None, tmp_path / "state.json").combinations())
    assert len(grid) == len({json.dumps(values) for values in grid}) == 16
    assert found.base.train.beta == "fixed", "with the other one beta_kl is not used"
    for variant in ("v1", "v2"):  # the seed's own versions are in it
        train = PrecipRecipe().with_changes(PrecipRecipe.VARIANTS[variant]).train
        assert {"train.w_max": train.w_max, "train.beta_kl": train.beta_kl} in grid


def test_what_has_no_meaning_is_not_searched(tmp_path):
    found = study.load("echo")
    for values in oracles.make(found, "grid", None, tmp_path / "state.json").combinations():
        taught_first = values["train.curriculum"] == "adaptive"
        assert ("train.warmup_epochs" in values) is taught_first
        assert "train.lambda_base" in values, "it has one with the curriculum, too: the base's weight at its beginning"


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("model.hidden", "model.hiden", "gives no recipe: model.hiden: Extra inputs are not permitted"),
        ('hp.Choice("model.hidden"', 'hp.Choice("hidden"', "hidden is no key of the recipe of nand"),
        ("[4, 6]", "[6, 4]", "do not give its base"),
        ("STUDY = Study(", "other = Study(", "defines STUDY"),
        ("hp.Choice", "hp.Chose", "Chose"),
    ],
)
def test_a_study_that_cannot_be_is_refused(tmp_path, old, new, said):
    path = tmp_path / "mine.py"
    path.write_text((ROOT / "tests" / "tuning" / "tiny.py").read_text().replace(old, new))
    with pytest.raises((UserError, AttributeError), match=said):
        study.load(str(path)).declared()
