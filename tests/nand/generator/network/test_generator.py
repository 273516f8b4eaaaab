"""The generator: steps that equal the pass, samples that are legal or not, the cost of the prototype's scheme."""

import time

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays
from helpers.plain_nand import assert_rule_checker_agrees

from kmodels.core.training import batching, inference
from kmodels.nand.data.load import load
from kmodels.nand.generator.data import encode
from kmodels.nand.generator.evaluation import sampling
from kmodels.nand.generator.network.generator import build
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.simulator import sequences

KINDS = [
    {"state": "blocks"},
    {"state": "blocks", "num_layers": 2, "dropout": 0.2, "memory": "none"},
    {"state": "joint", "num_layers": 2},
    {"state": "blocks", "max_hop": 3},
]


def small(order="strict", train=None, **model):
    changes = {"seq_len": 16, "program_order": order, "strategies": ["read_unwritten"]}
    model = {"hidden": 8, "embedding": 8, **model}
    return GeneratorRecipe().with_changes({"model": model, "data": changes, "train": train or {}})


def valid_sequences(recipe, n=32):
    trace = sequences.sample_pairs(np.random.default_rng(0), n, recipe.data)
    return trace.take(~trace.invalid)


def perturbed(model):
    """An untrained model none of whose weights, biases among them, is zero."""
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model


def sharpened(model):
    """An untrained model of extreme logits, most of them for illegal tokens."""
    for layer, factor in (("words", 30.0), ("tokens_embedded", 5.0)):
        model.get_layer(layer).set_weights([factor * w for w in model.get_layer(layer).get_weights()])
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_stepping_gives_the_logits_of_the_whole_pass(kind):
    recipe = small(**kind)
    model, examples = perturbed(build(recipe, 10)), encode.encode(valid_sequences(recipe, 8), recipe)
    whole = np.asarray(model.predict_on_batch(examples.inputs)["token"])
    steps, states = model.step_model(), model.initial_states(8)
    for t in range(whole.shape[1]):
        now = {name: values[:, t] for name, values in examples.inputs.items()}
        states = steps.predict_on_batch({**now, **states})
        np.testing.assert_allclose(np.asarray(states.pop("token")), whole[:, t], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_recipes_survive_saving_and_loading(kind, tmp_path):
    recipe = small(**kind)
    made, examples = perturbed(build(recipe, 10)), encode.encode(valid_sequences(recipe), recipe)
    sampling.generate(made, 4, 0)
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    equal_arrays(inference.predict(made, examples, 16), inference.predict(again, examples, 16), 1e-6)
    assert (again.rules, again.vocabulary, again.samples) == (made.rules, made.vocabulary, recipe.model.samples)
    for name in ("num_blocks", "seq_len", "read_offset_limit", "program_order", "geometry"):
        assert getattr(again.rules, name) == getattr(recipe.data, name)


@pytest.mark.parametrize("order", ["strict", "monotonic", "any"])
def test_constrained_samples_are_legal_for_adversarial_weights(order):
    recipe = small(order)
    model = sharpened(build(recipe, 10))
    made = sampling.generate(model, 100, 0)
    assert not made.invalid.any()
    assert_rule_checker_agrees(made, recipe.data)
    assert made.op.shape == (100, 16)


@pytest.mark.parametrize("initial", ["erased", "unknown"])
@pytest.mark.parametrize("order", ["strict", "any"])
def test_constrained_samples_begin_in_mid_life_and_on_erased_blocks(order, initial):
    recipe = small(order).with_changes({"data": {"initial_state": initial}})
    trace = valid_sequences(recipe)
    assert not trace.invalid.any() and encode.encode(trace, recipe).targets["token"].min() >= 0
    assert not sampling.generate(sharpened(build(recipe, 10)), 100, 0).invalid.any()
    # Sharpened, a network begins every sequence alike, and by chance with an erase; as built, it draws from all.
    made = sampling.generate(build(recipe, 10), 100, 0)
    assert not made.invalid.any() and (made.op[:, 0] != 0).any()


def test_free_samples_of_an_untrained_model_are_mostly_illegal():
    recipe = small()
    made = sampling.generate(build(recipe, 10), 100, 0, constrained=False)
    assert made.invalid.mean() > 0.9
    assert_rule_checker_agrees(made, recipe.data)


def test_words_begin_at_their_share_and_the_all_but_impossible_is_left_out():
    """Where a threshold is chosen, free samples hold nothing that surprises more."""
    recipe = small()
    model, trace = build(recipe, 10), valid_sequences(recipe)
    token = encode.tokens(trace, recipe.data, model.vocabulary)
    model.adapt(token)
    share = np.exp(np.asarray(keras.ops.convert_to_numpy(model.get_layer("words").bias)))
    counts = np.bincount(token[token >= 0] % model.vocabulary.words, minlength=model.vocabulary.words)
    np.testing.assert_allclose(share, (counts + 0.01) / (counts + 0.01).sum(), rtol=1e-4)
    model.threshold.assign(6.0)
    seen = {}
    for truncated in (True, False):
        made = sampling.generate(model, 200, 0, constrained=False, truncated=truncated)
        words = encode.tokens(made, recipe.data, model.vocabulary) % model.vocabulary.words
        seen[truncated] = set(words.ravel()) - set(np.flatnonzero(counts))
    assert len(seen[True]) < len(seen[False])


def test_equal_seeds_write_equal_sequences_and_the_loader_reads_them(tmp_path):
    recipe = small()
    model = build(recipe, 10)
    one, same, other = (sampling.generate(model, 20, seed) for seed in (3, 3, 4))
    assert one.frame().equals(same.frame()) and not one.frame().equals(other.frame())
    for suffix in (".csv", ".parquet"):
        one.write(tmp_path / f"new{suffix}")
        again = load(tmp_path / f"new{suffix}", recipe)
        for name in ("op", "die", "plane", "block", "page", "invalid"):
            np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
        np.testing.assert_array_equal(again.name.astype(str), one.name.astype(str))  # a CSV has texts alone


def test_many_are_written_in_batches(monkeypatch):
    recipe = small()
    monkeypatch.setattr(sampling, "BATCH", 8)
    made = sampling.generate(build(recipe, 10), 20, 0)
    assert made.name.tolist() == made.pair.tolist() == list(range(20)) and not made.invalid.any()


def test_padding_does_not_change_outputs():
    recipe = small()
    model, examples = build(recipe, 10), encode.encode(valid_sequences(recipe, 4), recipe)
    longer = {name: np.pad(v, [(0, 5 * (axis == 1)) for axis in range(v.ndim)]) for name, v in examples.inputs.items()}
    short, long = (np.asarray(model.predict_on_batch(x)["token"]) for x in (examples.inputs, longer))
    np.testing.assert_allclose(short, long[:, : short.shape[1]], atol=1e-5)


def test_training_overfits_a_small_set():
    """Some steps on 64 sequences: far fewer nats than ln(tokens), so the gradients point the right way."""
    recipe = small(hidden=24, train={"learning_rate": 0.02, "schedule": "constant"})
    model, examples = build(recipe, 100), encode.encode(valid_sequences(recipe, 64), recipe)
    model.fit(batching.batches(examples, 64, 0), steps_per_epoch=60, verbose=0, shuffle=False)
    _, terms = inference.predict_and_score(model, examples, 64)
    assert terms["loss"] < 2.2 < np.log(model.vocabulary.size) - 0.8


def seconds_an_epoch(recipe, trace) -> float:
    """Of one epoch, once the step is compiled."""
    examples = encode.training_examples(trace, recipe)
    size = recipe.train.batch_size
    per_epoch = batching.steps_per_epoch(len(examples), size)
    model = build(recipe, per_epoch)
    model.fit(batching.batches(examples, size, 0), steps_per_epoch=1, verbose=0, shuffle=False)
    started = time.process_time()
    model.fit(batching.batches(examples, size, 0), steps_per_epoch=per_epoch, verbose=0, shuffle=False)
    return time.process_time() - started


def test_an_epoch_costs_a_tenth_of_the_prototypes_scheme():
    """The prototype's scheme reads T times as many examples, each padded to the whole length: 1/T of it is the aim."""
    recipes = [
        small(train={"scheme": s, "batch_size": 32}).with_changes({"data": {"seq_len": 50}})
        for s in ("sequence", "prefix")
    ]
    trace = valid_sequences(recipes[0], 96)
    whole, prefix = (seconds_an_epoch(recipe, trace) for recipe in recipes)
    assert whole <= prefix / 10, f"{whole:.2f} s against {prefix:.2f} s"
