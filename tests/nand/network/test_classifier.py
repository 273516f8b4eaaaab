"""The classifier: losses by hand, masks that mask, every kind of recipe."""

import gc
import weakref

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays, forward
from keras import ops
from sklearn.metrics import log_loss

from kmodels.core.training import backend, batching, inference
from kmodels.nand.data import encode
from kmodels.nand.network import losses
from kmodels.nand.network.classifier import GRU, build
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences


def small(**model):
    model = {"hidden": 8, "embedding": 8, "num_layers": 1, **model}
    return NandRecipe().with_changes({"model": model, "data": {"seq_len": 20}})


def some(recipe, n=40):
    return encode.encode(sequences.sample_pairs(np.random.default_rng(0), n // 2, recipe.data), recipe)


def test_binary_cross_entropy_is_scikit_learns():
    rng = np.random.default_rng(0)
    y, logit = (rng.random(50) < 0.5).astype("float32"), rng.normal(size=50).astype("float32") * 3
    ours = ops.convert_to_numpy(losses.binary_cross_entropy(y, logit))
    assert ours.mean() == pytest.approx(log_loss(y, 1 / (1 + np.exp(-logit))), rel=1e-5)
    far = ops.convert_to_numpy(losses.binary_cross_entropy(np.ones(2, "float32"), np.array([-1e4, 1e4], "float32")))
    np.testing.assert_allclose(far, [1e4, 0.0])


def test_focal_loss_by_hand():
    y, p = np.array([1.0, 0.0], "float32"), np.array([0.9, 0.9])
    logit = np.log(p / (1 - p)).astype("float32")
    y, logit = ops.convert_to_tensor(y), ops.convert_to_tensor(logit)
    expected = [-0.7 * 0.1**2 * np.log(0.9), -0.3 * 0.9**2 * np.log(0.1)]
    np.testing.assert_allclose(ops.convert_to_numpy(losses.focal(y, logit, 0.7, 2.0)), expected, rtol=1e-4)
    half = ops.convert_to_numpy(losses.focal(y, logit, 0.5, 0.0))
    np.testing.assert_allclose(half, 0.5 * ops.convert_to_numpy(losses.binary_cross_entropy(y, logit)), rtol=1e-5)


def test_operation_loss_counts_what_counts():
    logits = np.log(np.array([[[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]]], "float32"))
    target = np.array([[0, 1, -1]], "int32")
    found = ops.convert_to_numpy(losses.operation_cross_entropy(target, logits))
    np.testing.assert_allclose(found, [-(np.log(0.7) + np.log(0.8)) / 2], rtol=1e-5)
    nothing = ops.convert_to_numpy(losses.operation_cross_entropy(target * 0 - 1, logits))
    np.testing.assert_array_equal(nothing, [0.0])


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"bidirectional": False},
        {"encoding": "normalized", "features": "none", "sequence_order": "time"},
        {"pooling": "attention", "operation_head": False},
        {"ensemble_size": 2},
        {"features": "rule_flags", "num_layers": 2},
        {"operation_head": False},
    ],
)
def test_recipes_survive_saving_and_loading(model, tmp_path):
    recipe = small(**model)
    made, examples = build(recipe, 10), some(recipe)
    made.run_eagerly = backend.current() == "tensorflow"  # one step: quicker there than to trace it
    if backend.current() == "jax":  # which compiles each for some 13 s
        made.optimizer.build(made.trainable_variables)
    else:
        made.fit(batching.batches(examples, 20, 0), steps_per_epoch=1, verbose=0, shuffle=False)
    made.threshold.assign(0.25)
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    outputs = forward(made, examples.inputs)
    equal_arrays(outputs, forward(again, examples.inputs))
    assert float(again.threshold) == 0.25
    assert ("operation" in outputs) == recipe.model.operation_head


def test_padding_does_not_change_outputs():
    """Behind the end of a sequence nothing is seen: the same sequence padded further gives the same logits."""
    recipe = small()
    model, examples = build(recipe, 10), some(recipe, 6)
    tokens = examples.inputs["tokens"]
    longer = np.pad(tokens, ((0, 0), (0, 7), (0, 0)))
    short, long = model.predict_on_batch({"tokens": tokens}), model.predict_on_batch({"tokens": longer})
    np.testing.assert_allclose(short["invalid"], long["invalid"], atol=1e-5)
    np.testing.assert_allclose(short["operation"], long["operation"][:, :20], atol=1e-5)


def test_only_a_bidirectional_network_sees_the_future():
    changes = {}
    for both in (False, True):
        recipe = small(bidirectional=both, sequence_order="time")
        model, examples = build(recipe, 10), some(recipe, 6)
        tokens = examples.inputs["tokens"]
        other = tokens.copy()
        other[:, 15:, 0] = 1 + other[:, 15:, 0] % 3
        one, two = (model.predict_on_batch({"tokens": t})["operation"][:, :15] for t in (tokens, other))
        changes[both] = np.abs(np.asarray(one) - np.asarray(two)).max()
    assert changes[False] == 0.0 < changes[True]


def test_layers_that_keras_tells_by_id_are_kept_until_all_are_built(monkeypatch):
    """Before, Bidirectional took its two directions for one in 2 of 60 loads of an ensemble on torch."""
    made = []

    def watched(*args, **kwargs):
        gc.collect()
        assert all(earlier() for earlier in made), "its id is free"
        layer = GRU(*args, **kwargs)
        made.append(weakref.ref(layer))
        return layer

    monkeypatch.setattr("kmodels.nand.network.classifier.GRU", watched)
    build(small(ensemble_size=2, num_layers=2), 10)
    assert len(made) == 4


def test_an_ensemble_averages_probabilities_and_trains_each_network_by_its_own_loss():
    recipe = small(ensemble_size=3)
    model, examples = build(recipe, 10), some(recipe, 8)
    outputs = inference.predict(model, examples, 8)
    p = 1 / (1 + np.exp(-outputs["each_invalid"]))
    assert p.shape == (8, 3) and p.std(axis=1).min() > 0, "members differ"
    np.testing.assert_allclose(1 / (1 + np.exp(-outputs["invalid"])), p.mean(axis=1), atol=1e-5)
    _, terms = inference.predict_and_score(model, examples, 8)
    alone = [
        ops.convert_to_numpy(losses.binary_cross_entropy(examples.targets["invalid"], outputs["each_invalid"][:, k]))
        for k in range(3)
    ]
    assert terms["verdict"] == pytest.approx(np.mean(alone), rel=1e-4)


def test_a_fixed_threshold_is_not_calibrated():
    from kmodels.nand.evaluation.prediction import calibrate

    recipe = small(threshold="half")
    trace = sequences.sample_pairs(np.random.default_rng(0), 10, recipe.data)
    model = build(recipe, 10)
    calibrate(model, trace, inference.predict(model, encode.encode(trace, recipe), 20))
    assert float(model.threshold) == 0.5


def test_transfer_data_is_longer_on_more_blocks_at_unseen_addresses():
    from kmodels.nand.task import transfer

    recipe = transfer(NandRecipe())
    trace = sequences.sample_pairs(np.random.default_rng(0), 20, recipe.data)
    assert trace.op.shape == (40, 200) and trace.slots().max() == 7
    assert trace.block.min() >= NandRecipe().data.geometry.blocks


def test_training_overfits_a_small_set():
    """Some steps on 64 sequences: memorised, so the gradients point the right way."""
    recipe = small(dropout=0.0, hidden=16).with_changes({"train": {"learning_rate": 0.02, "schedule": "constant"}})
    model, examples = build(recipe, 200), some(recipe, 64)
    model.fit(batching.batches(examples, 64, 0), steps_per_epoch=100, verbose=0, shuffle=False)
    outputs, terms = inference.predict_and_score(model, examples, 64)
    assert terms["loss"] < 0.2
    assert ((outputs["invalid"] > 0) == examples.targets["invalid"]).mean() > 0.95


def test_outputs_do_not_depend_on_the_numbers_of_blocks():
    """Sequences of more blocks than any trained on are read like others."""
    recipe = small()
    model = build(recipe, 1)
    tokens = some(recipe).inputs["tokens"]
    slot = list(encode.columns(recipe)).index("slot")
    renumbered = tokens.copy()
    renumbered[..., slot] = np.where(tokens[..., 0] == 0, 0, 3 * tokens[..., slot] + 5)
    one, other = (inference.predict(model, batching.ArrayExamples({"tokens": x}, {}), 32) for x in (tokens, renumbered))
    equal_arrays(one, other, 1e-6)
    tokens[..., slot] = 0
    mixed = inference.predict(model, batching.ArrayExamples({"tokens": tokens}, {}), 32)
    assert np.abs(mixed["invalid"] - one["invalid"]).max() > 1e-3
