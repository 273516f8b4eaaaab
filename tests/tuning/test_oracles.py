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


def score_of(values) -> float:
    return values["model.hidden"] / 10 - values["train.learning_rate"]


def searched(tuner, limit, path, killed=False) -> list[tuple[str, dict]]:
    """The trials that are run, in order. killed: after every step the process is another one, and in every second
    trial it dies before the trial ends."""
    ran, oracle, dies = [], oracles.make(TINY, tuner, limit, path), True
    while (trial := next(oracle.ask(limit), None)) is not None:
        if killed:
            oracle = oracles.make(TINY, tuner, limit, path)
            dies = not dies
            if dies:
                continue
            again = next(oracle.ask(limit))
            assert again.trial_id == trial.trial_id, "what was running is run again"
            trial = again
        ran.append((trial.trial_id, dict(trial.hyperparameters.values)))
        oracle.tell(trial, {"val_accuracy": score_of(trial.hyperparameters.values)})
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
    trials = oracle.ask(3)
    oracle.tell(next(trials), {"val_accuracy": 0.5})
    trial = next(trials)
    monkeypatch.setattr(json, "dumps", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        oracle.tell(trial, {"val_accuracy": 0.6})
    monkeypatch.undo()
    again = oracles.make(TINY, "random", 3, tmp_path / "state.json")
    assert [again.trials[key].status for key in ("0000", "0001")] == ["COMPLETED", "RUNNING"]
    assert next(again.ask(3)).trial_id == "0001"


def test_three_failures_in_a_row_end_it_and_a_resumed_one_may_fail_anew(tmp_path):
    def fails(oracle, *scores):
        for trial, score in zip(oracle.ask(9), scores, strict=False):
            oracle.tell(trial, score and {"val_accuracy": score})

    oracle = oracles.make(TINY, "grid", None, tmp_path / "state.json")
    fails(oracle, None, None, 0.5)
    assert not oracle.failures, "the last one was a success"
    again = oracles.make(TINY, "random", 9, tmp_path / "other.json")
    fails(again, None, None, None)
    assert list(again.ask(9)) == [] and len(again.failures) == 3
    resumed = oracles.make(TINY, "random", 9, tmp_path / "other.json")
    assert next(resumed.ask(9)).status == "RUNNING", "the cause may have been put right"


def test_hyperband_waits_where_the_next_trial_depends_on_those_that_run(tmp_path):
    oracle = oracles.make(TINY, "hyperband", 9, tmp_path / "state.json")
    trials = oracle.ask(9)
    first = [next(trials) for _ in range(4)]  # every combination once
    assert next(trials) is None
    for trial in first:
        oracle.tell(trial, {"val_accuracy": score_of(trial.hyperparameters.values)})
    assert next(trials).hyperparameters.values["tuner/epochs"] == 3, "the best one goes on"


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda text: text[: len(text) // 2], "damaged: "),
        (lambda text: "[]", "damaged: "),
        (lambda text: text.replace('"COMPLETED"', "7"), "trials.0.status: Input should be a valid string"),
        (lambda text: text.replace('"end_order"', '"end"'), "damaged: 'end_order'"),
    ],
)
def test_a_damaged_state_is_told_in_a_line_with_a_way_on(change, said, tmp_path):
    path = tmp_path / "oracle.json"
    oracle = oracles.make(TINY, "random", 2, path)
    oracle.tell(next(oracle.ask(2)), {"val_accuracy": 0.5})
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError) as refused:
        oracles.make(TINY, "random", 2, path)
    assert said in str(refused.value) and "move it away, and --resume" in str(refused.value)
    assert "\n" not in str(refused.value)


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
