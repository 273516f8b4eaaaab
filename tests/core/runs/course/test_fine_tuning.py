"""Trainings that begin with the weights of a preset or of another run."""

import importlib
import json

import numpy as np
import pytest
from helpers.checks import fails_cleanly, only_run

from kmodels import presets
from kmodels.core.cli import parse
from kmodels.core.runs.course import fine_tuning
from kmodels.core.runs.predictor import load_network
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.simulate import main as simulate

fit = importlib.import_module("kmodels.fit").main  # kmodels.fit is a function, too


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A preset, which is opened like a run, and a user's traces."""
    mine = tmp_path_factory.mktemp("tuning") / "mine"
    words = ["--model", "nand", "--data.n_sequences=80", "--data.seq_len=20", "--seed", "7"]
    assert simulate([*words, "--out", str(mine)]) == 0
    return presets.path("nand"), mine


def tune(made, out, *more):
    return fit(["--from", str(made[0]), "--smoke", "--data", str(made[1]), "--out", str(out), *more])


@pytest.mark.slow
def test_a_tuning_begins_with_the_weights_and_says_what_it_gained(made, tmp_path, capsys, monkeypatch):
    begun = []

    def begin(model, run, really=fine_tuning.begin):
        model = really(model, run)
        if "from" in run.metadata:
            begun.append([layer.get_weights() for layer in model.layers if layer.weights])
        return model

    monkeypatch.setattr(fine_tuning, "begin", begin)
    assert tune(made, tmp_path, "--train.epochs=1") == 0
    source = load_network(made[0] / "model.keras")
    for ours, theirs in zip(begun[0], [one.get_weights() for one in source.layers if one.weights], strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    run = only_run(tmp_path)
    report = json.loads((run / "report.json").read_text())
    compared = report["tuning"]["metrics"]
    assert set(compared) == {"tuned", "before tuning", "trained from nothing"}
    assert compared["tuned"] == report["metrics"] and compared["before tuning"]["accuracy"] is not None
    assert report["recipe"]["train"]["learning_rate"] == pytest.approx(
        0.1 * Run.open(made[0]).recipe.train.learning_rate
    )
    said = capsys.readouterr().out
    assert "before tuning" in said and "trained from nothing" in said and "accuracy" in said


def test_frozen_layers_stay_as_they_are(made, eager):
    run = Run.open(made[0])
    registry.task("nand")  # its import registers the classes
    source = load_network(made[0] / "model.keras")
    first = next(layer for layer in source.layers if layer.trainable_weights)
    begun = fine_tuning.origin(run, [first.name])
    model = registry.task("nand").build(run.recipe, 10)
    model = fine_tuning.begin(model, Run(run.path, run.recipe, run.metadata | {"from": begun}))
    layer = model.get_layer(first.name)
    assert not layer.trainable_weights and model.trainable_weights
    kept, others = layer.get_weights(), model.get_weights()
    rng = np.random.default_rng(0)
    shape = (8, 20, source.input["tokens"].shape[-1])
    tokens = np.concatenate([rng.integers(1, 4, (*shape[:2], 1)), rng.integers(0, 2, (*shape[:2], shape[-1] - 1))], -1)
    targets = {"invalid": rng.integers(0, 2, 8).astype("float32"), "operation": np.zeros(shape[:2], "int32")}
    model.fit({"tokens": tokens.astype("int32")}, targets, verbose=0)
    for one, other in zip(layer.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(model.get_weights(), others, strict=True))


def test_another_network_or_a_changed_origin_is_refused(made, tmp_path, capsys):
    fails_cleanly(capsys, tune(made, tmp_path / "a", "--model.hidden=8"), "another shape")
    assert not [path for path in (tmp_path / "a").iterdir() if path.is_dir()], "nothing is left behind"
    run = Run.open(made[0])
    begun = fine_tuning.origin(run, []) | {"sha256": "0" * 64}
    with pytest.raises(UserError, match="not what the tuning was begun with"):
        fine_tuning.begin(
            load_network(made[0] / "model.keras"), Run(run.path, run.recipe, run.metadata | {"from": begun})
        )


def test_what_does_not_go_together_is_refused(made, tmp_path, capsys):
    fails_cleanly(capsys, fit(["--from", "nnad", "--data", str(made[1])]), "nnad", "nand")
    fails_cleanly(capsys, fit(["--from", "nand"]), "--data")
    fails_cleanly(capsys, fit(["--freeze", "gru", "--model", "nand"]), "--from")
    fails_cleanly(capsys, fit(["--from", str(made[0]), "--model", "echo", "--data", str(made[1])]), "not of echo")
    words = ["--train.epochs=1", "--freeze", "nothing_like_it"]
    fails_cleanly(capsys, tune(made, tmp_path / "b", *words), "nothing_like_it", "layers:")


def test_a_models_own_changes_count_for_a_tuning():
    for name in registry.NAMES:
        recipe = registry.recipe_type(name)()
        source = Run(None, recipe, {})
        tuned = fine_tuning.recipe_of(source, parse.RecipeSource({}, "command line"), smoke=False)
        assert tuned.train.learning_rate == pytest.approx(0.1 * recipe.train.learning_rate)
        assert tuned.model == recipe.model and tuned.data == recipe.data
        for key, value in type(recipe).TUNING.items():
            section, field = key.split(".")
            assert getattr(getattr(tuned, section), field) == value
