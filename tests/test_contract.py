"""What every Task must keep: these tests run over all models of the registry."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays, examples, report_of, run_python
from helpers.killing import board_folders, saved_state, scalars_of
from keras import ops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kmodels.core.cli import parse
from kmodels.core.runs import pipeline
from kmodels.core.runs.course import stopwatch
from kmodels.core.spec import gate, verdict
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import leaves
from kmodels.core.training import backend, batching, inference


def test_recipe_round_trip(task):
    recipe = task.recipe()
    assert task.recipe.model_validate_json(recipe.model_dump_json()) == recipe
    changed = recipe.with_changes({"train": {"epochs": 77}})
    assert changed.train.epochs == 77 and recipe.train.epochs != 77
    assert changed.digest() != recipe.digest() == task.recipe().digest()


def test_recipe_yaml_round_trip(task, tmp_path):
    recipe = task.recipe().with_changes({"train": {"learning_rate": 1e-5}})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert parse.resolve(task.recipe, [parse.read_yaml(path)]) == recipe


def test_every_field_says_what_it_is(task):
    for key, field in leaves(task.recipe).items():
        assert field.description, f"{key} has no description"


def test_variants_and_ladder_are_recipes(task):
    for changes in task.recipe.VARIANTS.values():
        task.recipe().with_changes(changes)
    if task.ladder is None:
        return
    rungs = [task.ladder.recipe(task.recipe(), k) for k in range(len(task.ladder.steps))]
    assert task.recipe() in rungs, "the default recipe is a rung of the ladder"
    assert len({rung.digest() for rung in rungs}) == len(rungs), "every rung changes something"


def test_the_levels_of_gates_lie_within_each_other(task):
    """What holds a better level holds every lower one; the bound of a prototype's own gate is one of them."""
    ladder = [one for step in task.ladder.steps for one in step.gates] if task.ladder else []
    for one in (*task.gates, *ladder):
        bounds = [bound for _, bound in one.levels]
        for low, high in itertools.pairwise(bounds):
            inner = high if one.direction == "within" else [high]
            assert all(replace(one, bound=low).holds(edge) for edge in inner) and low != high, one.name
        assert not bounds or one.source != "prototype" or one.bound in bounds, one.name


def test_unknown_key_is_refused(task):
    with pytest.raises(UserError, match=r"no such option: --train\.epoch; did you mean --train\.epochs\?"):
        parse.resolve(task.recipe, [parse.command_line(task.recipe, ["--train.epoch", "3"])])


def test_gates_judge_metrics_that_exist(task, smoke_run):
    report = report_of(smoke_run)
    for one in task.gates:
        assert one.metric in report["metrics"]
        assert one.judge({one.metric: float("nan")})["status"] == "failed"
        assert one.judge({})["status"] == "not_measured"
        assert one.metric.removeprefix("transfer_") in report["baselines"][gate.UNTRAINED] or "ratio" in one.metric
    assert sum(one.kind == "quality" for one in task.gates) >= verdict.ENOUGH
    assert set(task.references) <= {"rule_checker", "simulator", "exact_posterior"}
    assert {g["status"] for g in report["gates"]} == {"not_measured"}, "a smoke run is too small to judge"
    assert isinstance(task.gates[0], gate.Gate)


class Stepped(NamedTuple):
    """A network after a step on a batch that is filled up and one on a full batch."""

    model: keras.Model
    before: list  # values of its trainable weights
    traced: list  # an item for each call of compute_loss
    stream: Iterator  # the batches that come next
    calls: tuple[int, int]  # of compute_loss, after each of the two steps


class First:
    """The first n of some examples."""

    def __init__(self, some, n):
        self.n, self.take = n, some.take

    def __len__(self):
        return self.n


@pytest.fixture(scope="session")
def stepped(task, smoke_recipe):
    """One network for three tests: of the smoke run's shapes, so that jax compiles its step once for both."""
    training = pipeline.load_splits(task, smoke_recipe, None).part("train")
    some, size = task.training_examples(training, smoke_recipe), smoke_recipe.train.batch_size
    steps = batching.steps_per_epoch(len(some), size) * smoke_recipe.train.epochs
    model, traced = task.build(smoke_recipe, steps), []
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    compute_loss = model.compute_loss
    model.compute_loss = lambda *a, **k: traced.append(1) or compute_loss(*a, **k)
    few = First(some, min(len(some), size + size // 2))
    assert size < len(few) < 2 * size, "a full batch, and one that is filled up"
    stream = batching.batches(few, size, 0, first_step=1)
    calls = []
    for _ in range(2):
        model.fit(stream, steps_per_epoch=1, verbose=0, shuffle=False)
        calls.append(len(traced))
    return Stepped(model, before, traced, stream, tuple(calls))


def test_one_fit_step_and_finite_gradients(stepped):
    """Every trainable weight moves in a step: a finite gradient that is not zero reaches it."""
    for variable, old in zip(stepped.model.trainable_variables, stepped.before, strict=True):
        new = ops.convert_to_numpy(variable)
        assert np.isfinite(new).all(), variable.path
        assert not np.array_equal(new, old), f"{variable.path} did not move"
    assert 0 < float(stepped.model.optimizer.gradient_norm) < np.inf


def test_bfloat16_policy(task, smoke_recipe):
    recipe = smoke_recipe.with_changes({"train": {"dtype": "mixed_bfloat16"}})
    model = task.build(recipe, 10)
    model.run_eagerly = backend.current() == "tensorflow"  # two steps: quicker there than to trace them
    some = examples(task, recipe, 64)
    history = model.fit(batching.batches(some, 32, 0), steps_per_epoch=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert {keras.backend.standardize_dtype(v.dtype) for v in model.trainable_variables} == {"float32"}


def test_loss_is_the_weighted_sum_of_its_terms_and_padding_counts_nothing(task, smoke_recipe, stepped):
    model, size = stepped.model, smoke_recipe.train.batch_size  # as the smoke run predicts: compiled for both
    some = examples(task, smoke_recipe, 39)
    assert len(some) == 39 and 39 % size
    outputs, in_one = inference.predict_and_score(model, some, 39)
    _, padded = inference.predict_and_score(model, some, size)
    for name, value in in_one.items():
        assert value == pytest.approx(padded[name], rel=1e-4)
    weights = {name: float(w) for name, w in model.term_weights.items()}
    assert in_one["loss"] == pytest.approx(sum(weights[name] * in_one[name] for name in weights), rel=1e-6)
    rows = np.resize(np.arange(39), 64)
    filled = *some.take(rows), {name: value[rows] for name, value in outputs.items()}
    loss = model.compute_loss(*inference.as_tensors(filled), ops.cast(np.arange(64) < 39, "float32"))
    assert float(inference.as_numpy(loss)) == pytest.approx(in_one["loss"], rel=1e-4)


def test_a_term_weight_can_be_changed_between_steps(stepped):
    """What a schedule or a live edit does is seen by the next step, and nothing is compiled again on any backend; nor
    for a full batch after one that is filled up."""
    model, traced = stepped.model, len(stepped.traced)
    once, twice = stepped.calls
    assert twice - once == (1 if backend.current() == "torch" else 0)
    weights = {name: float(weight) for name, weight in model.term_weights.items()}
    for weight in model.term_weights.values():
        weight.assign(0.0)
    history = model.fit(stepped.stream, steps_per_epoch=3, verbose=0, shuffle=False)
    for name, weight in model.term_weights.items():
        weight.assign(weights[name])
    assert history.history["loss"][0] == 0.0
    assert len(stepped.traced) - traced == (3 if backend.current() == "torch" else 0), "torch compiles nothing"


SCRIPT = """
import sys, numpy, kmodels
run, data, there = sys.argv[1:]
numbers = kmodels.load(run).predict(data).frame().select_dtypes("number")
numpy.savez(there, **{name: numbers[name].to_numpy() for name in numbers})
import keras
print(keras.config.backend())
"""


def test_load_in_a_fresh_process_on_another_backend(task, smoke_recipe, smoke_run, tmp_path):
    """A process that imports kmodels alone gives the same numbers on the next of the installed backends.

    The suites of all backends together go round: each one's models are read by another.
    """
    import kmodels

    installed = backend.installed()
    other = installed[(installed.index(backend.current()) + 1) % len(installed)]
    data_folder, there, script = tmp_path / "data", tmp_path / "there.npz", tmp_path / "script.py"
    data_folder.mkdir()
    task.simulate(smoke_recipe.with_changes({"seed": 5}), data_folder, lambda done, total: None)
    here = kmodels.load(smoke_run).predict(data_folder).frame().select_dtypes("number")
    script.write_text(SCRIPT)
    done = run_python(script, smoke_run, data_folder, there, backend=other, check=0)
    assert done.stdout.split()[-1] == other
    with np.load(there) as found:
        equal_arrays({name: here[name].to_numpy() for name in here}, dict(found), 1e-5)


def test_report_holds_what_a_reader_needs(task, smoke_run):
    report = report_of(smoke_run)
    needed = "model recipe seed commit versions backend hardware data_hash duration_s metrics baselines gates"
    assert set(needed.split()) <= set(report)
    assert report["model"] == task.name and report["backend"] == backend.current()
    assert parse.from_stored(task.recipe, report["recipe"]).train.epochs == report["history"][-1]["epoch"]
    for one in report["gates"]:
        said = {"name", "metric", "value", "bound", "unit", "source", "status"}
        assert said | {"kind", "untrained", "best_baseline", "discriminates"} <= set(one)
    untrained = report["baselines"]["untrained"]
    assert set(untrained) == set(report["metrics"]) and untrained != report["metrics"]
    assert set(report["parts_s"]) == set(stopwatch.PARTS) and report["parts_s"]["training"] > 0
    assert set(task.headline) <= set(report["metrics"]) and report["headline"] == list(task.headline)
    assert set(report["units"]) <= set(report["metrics"])
    page = (smoke_run / "report.html").read_text()
    assert page.count("<img") >= 4 and 'src="data:image/png' in page and "http" not in page
    names = {path.name for path in smoke_run.iterdir()}
    expected = "recipe.yaml run.json report.json report.html model.keras untrained.keras log.txt"
    expected += " checkpoints tensorboard figures"
    assert names == set(expected.split())


def test_the_checkpoints_of_the_recipe_are_kept_and_no_others(task, smoke_run):
    """Beside the best epoch's and the newest."""
    report = report_of(smoke_run)
    done, train = len(report["history"]), parse.from_stored(task.recipe, report["recipe"]).train
    steps = sorted(int(path.name.removeprefix("step-")) for path in (smoke_run / "checkpoints").iterdir())
    epochs = {step * done // steps[-1] for step in steps}
    best = min(report["history"], key=lambda row: row[task.monitor])["epoch"]
    assert epochs == train.kept_epochs(done) | {best, done}


def test_tensorboard_has_every_diagnostic(task, smoke_run):
    report = report_of(smoke_run)
    history = report["history"]
    result, train, validation, steps, headline = map(scalars_of, board_folders(smoke_run))
    wanted = {"loss/total", "training/learning_rate", "training/gradient_norm", "training/clipped_steps"}
    assert wanted <= set(train)
    epochs = [row["epoch"] for row in history]
    for tag, points in {**train, **validation}.items():
        found = [event.step for event in points]
        # Some figures exist only after epochs that left something to mine_hard_negatives, or every few epochs.
        sometimes = tag.startswith(("hard_negatives/", "rollout/"))
        assert set(found) <= set(epochs) if sometimes else found == epochs, tag
    for tags, name in ((train, "loss"), (validation, "val_loss")):
        assert tags["loss/total"][-1].value == pytest.approx(history[-1][name], rel=1e-6)
    assert all(0 <= row["clipped_steps"] <= 1 for row in history)
    assert [event.step for event in steps["step/loss"]][-1] == int(saved_state(smoke_run)["step"])
    for name, value in report["metrics"].items():
        (point,) = (headline if name in task.headline else result).get(f"held_out/{name}", [None])
        assert (point is None) == (value is None) and (value is None or point.value == pytest.approx(value)), name


def test_tensorboard_has_pictures_and_gates(task, smoke_run):
    events = EventAccumulator(str(smoke_run / "tensorboard" / "validation"))
    events.Reload()
    assert all(tag.startswith("pictures/") for tag in events.Tags()["images"]) and events.Tags()["images"]
    events = EventAccumulator(str(smoke_run / "tensorboard"))
    events.Reload()
    (table,) = events.Tensors("gates/text_summary")
    text = table.tensor_proto.string_val[0].decode().replace("&#124;", "|")
    assert all(gate["name"] in text for gate in report_of(smoke_run)["gates"])
