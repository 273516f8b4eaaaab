"""The network's sizes and parts, what it is trained on, the curriculum, and a freeze that freezes."""

import keras
import numpy as np
import pytest
from helpers.checks import ROOT
from keras import ops

from kmodels.core.cli import parse
from kmodels.core.training import backend, batching, inference
from kmodels.core.training.inference import gradient
from kmodels.echo.data.encode import QUIET, MirroredExamples, lowpass_depth, scale_magnitude
from kmodels.echo.ladder import LADDER
from kmodels.echo.network import curriculum, losses, sizes
from kmodels.echo.network.build import build
from kmodels.echo.network.normalization import FreezableNormalization, FusedNormalization
from kmodels.echo.recipe import SPECTROGRAM, EchoRecipe

SIZE = 16
TINY = (
    EchoRecipe()
    .with_changes(SPECTROGRAM)
    .with_changes(
        {
            "data": {"image_size": SIZE},
            "model": {"width": 2, "base_width": 1},
            "train": {"curriculum": "adaptive", "lambda_base": 2.0, "warmup_epochs": 10},
        }
    )
)
FULL = parse.resolve(EchoRecipe, [parse.read_yaml(ROOT / "configs" / "echo_full.yaml")])


def noise(n=8, seed=0):
    """Random examples: there is nothing to learn in them."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 8.0, (n, SIZE, SIZE)).astype("float32")
    inputs = {"spectrogram": rng.uniform(0, 6, (n, SIZE, 3 * SIZE, 2)).astype("float32")}
    return batching.ArrayExamples(inputs, {"depth": depth, "coarse_depth": lowpass_depth(depth, 4)})


def numpy_of(variables) -> dict:
    return {v.path: inference.as_numpy(v) for v in variables}


def test_numbers_of_weights_are_the_prototypes():
    """Millions: base 0.4, residual 6.8, in all 19.5; with two equal decoders 25.9. The encoder has what is left."""
    small, flawed = FULL, FULL.with_changes({"model": {"base_width": 64}})
    for recipe, wanted in (
        (small, {"base": 0.4, "residual": 6.8, "total": 19.5}),
        (flawed, {"base": 6.8, "residual": 6.8, "total": 25.9}),
    ):
        found = sizes.weights(recipe)
        for name, millions in wanted.items():
            assert found[name] == pytest.approx(millions * 1e6, rel=0.05), name
    assert 15 < sizes.weights(small)["residual"] / sizes.weights(small)["base"] < 18
    single = small.with_changes({"model": {"architecture": "single"}})
    assert sizes.weights(single)["total"] == pytest.approx(sizes.weights(small)["total"], rel=0.01)


@pytest.mark.parametrize("architecture", ["base_residual", "single"])
def test_the_network_has_the_weights_that_are_counted(architecture):
    recipe = TINY.with_changes({"model": {"architecture": architecture, "base_width": 2, "width": 3}})
    model = build(recipe, 1)
    counted = sizes.weights(recipe)
    found = dict.fromkeys(counted, 0)
    for variable in model.trainable_variables:
        part = variable.path.split("_")[0]
        found[part if part in found else "encoder"] += int(np.prod(variable.shape))
        found["total"] += int(np.prod(variable.shape))
    assert found == counted


def test_the_parts_add_up_and_stay_in_their_range():
    recipe = TINY.with_changes({"data": {"max_depth": 6.0}, "model": {"residual_range": 0.5}})
    model = build(recipe, 1)
    for variable in model.trainable_variables:
        if variable.path.endswith(("base_out/kernel", "residual_out/kernel")):
            variable.assign(5000 * inference.as_numpy(variable))  # to the ends of the ranges
    found = inference.predict(model, noise(), 8)
    base, residual = found["base"], found["residual"]
    np.testing.assert_allclose(found["depth"], np.clip(base + residual, 0, 6), atol=1e-5)
    assert base.min() >= 0 and base.max() <= 6 and np.abs(residual).max() <= 3.0 + 1e-5
    assert np.abs(residual).max() > 1.5 and (found["depth"] != base).any()


def test_the_base_starts_at_the_mean_map():
    model = build(TINY, 1)
    room = np.linspace(1, 9, SIZE * SIZE, dtype="float32").reshape(SIZE, SIZE)
    model.initialize_base(room)
    found = inference.predict(model, noise(), 8)
    np.testing.assert_allclose(found["base"].mean(0), room, atol=0.3)
    model.initialize_base(np.zeros_like(room))
    assert np.isfinite(inference.predict(model, noise(), 8)["depth"]).all()


def test_losses_by_hand():
    """Two pixels are known: errors of 1 m and 3 m; the base is off by 2 m and 0 m; the residual is -1 m and 3 m."""
    truth = np.array([[[2.0, 0.0], [4.0, 0.0]]], "float32")
    valid = (truth > 0).astype("float32")
    base = np.array([[[4.0, 9.0], [4.0, 9.0]]], "float32")
    residual = np.array([[[-1.0, 9.0], [3.0, 9.0]]], "float32")
    tensors = inference.as_tensors((truth, base, residual, valid))
    truth, base, residual, valid = tensors
    for term, expected in (
        (losses.depth_error(truth, base + residual, valid), 2.0),
        (losses.depth_error(truth, base, valid), 1.0),
        (losses.depth_error(truth, base, valid, 10.0), 1.0 + 10.0 * np.log(4 / 2) / 2),
        (losses.sparsity(residual, valid), 2.0),
        (losses.sparsity(residual, 0 * valid), 0.0),
    ):
        assert inference.as_numpy(term) == pytest.approx([expected])


def test_lowpass_leaves_unknown_pixels_out():
    depth = np.zeros((1, 9, 9), "float32")
    depth[0, 4, 4], depth[0, 4, 5] = 2.0, 6.0
    found = lowpass_depth(depth, 3)[0]
    assert found[4, 4] == pytest.approx(4.0) and found[4, 3] == pytest.approx(2.0)
    assert found[0, 0] == 0.0, "nothing is known around it"
    np.testing.assert_allclose(lowpass_depth(np.full((1, 9, 9), 3.0, "float32"), 4), 3.0, rtol=1e-5)


def test_scales_of_the_magnitude():
    magnitude = np.array([0.0, QUIET, 1.0], "float32")
    np.testing.assert_allclose(scale_magnitude(magnitude, "log"), np.log([1.0, 2.0, 1001.0]), rtol=1e-5)
    assert scale_magnitude(magnitude, "magnitude") is magnitude


def test_each_control_changes_one_field_of_the_best_rung():
    recipes = [LADDER.recipe(EchoRecipe(), k) for k in range(len(LADDER.steps))]
    best, single, large, default = recipes[3:]
    assert [LADDER.compared_with(k) for k in range(7)] == [None, 0, 1, 2, 3, 3, 3]
    assert default == EchoRecipe()
    assert single == best.with_changes({"model": {"architecture": "single"}})
    assert large == best.with_changes({"model": {"base_width": best.model.width}})


def test_mirroring_exchanges_ears_and_image_columns():
    some = noise(4)
    both = MirroredExamples(some)
    assert len(both) == 8
    inputs, targets = both.take([5, 1])
    (own,), (seen,) = some.inputs["spectrogram"][[1]], some.targets["depth"][[1]]
    np.testing.assert_array_equal(inputs["spectrogram"], [own[..., ::-1], own])
    np.testing.assert_array_equal(targets["depth"], [seen[:, ::-1], seen])


def test_the_curriculum_is_a_function_of_the_epoch():
    """The depth's weight from 0.3 to 1.0, the base's from 2.0 to 0.3 over ten epochs; then frozen."""
    train = TINY.train
    for epoch, recon, base in ((0, 0.3, 2.0), (5, 0.65, 1.15), (10, 1.0, 0.3), (40, 1.0, 0.3)):
        assert curriculum.weights(train, epoch) == pytest.approx({"recon": recon, "base": base, "sparse": 0.05})
        assert curriculum.frozen(train, epoch) == ("all" if epoch >= 10 else "none")
    without = train.model_copy(update={"curriculum": "none"})
    assert curriculum.weights(without, 40) == {"recon": 1.0, "base": 2.0, "sparse": 0.05}
    assert curriculum.frozen(without, 40) == "none"


@pytest.mark.parametrize(
    "field, epoch, term",
    [
        ("lambda_recon_start", 0, "recon"),
        ("lambda_base", 0, "base"),
        ("lambda_recon", 10, "recon"),
        ("lambda_base_end", 10, "base"),
        ("lambda_sparse", 5, "sparse"),
    ],
)
def test_the_curriculum_obeys_the_weights_of_the_recipe(field, epoch, term):
    """One more of a weight adds that term once to the loss, in the phase that the weight belongs to; never before."""
    model, some = build(TINY, 1), noise()
    heavier = TINY.with_changes({"train": {field: getattr(TINY.train, field) + 1.0}})

    def losses_at(recipe, epoch):
        curriculum.schedule(model, recipe, epoch)
        return inference.predict_and_score(model, some, 8)[1]

    before, after = losses_at(TINY, epoch), losses_at(heavier, epoch)
    assert before[term] > 0.05 and after["loss"] == pytest.approx(before["loss"] + before[term], rel=1e-5)
    if field != "lambda_sparse":
        other = 10 - epoch
        assert losses_at(heavier, other)["loss"] == pytest.approx(losses_at(TINY, other)["loss"], rel=1e-6)


def test_both_sets_of_the_prototypes_weights_are_variants():
    """Depth's weight at the beginning, base's at the beginning and at the end of the warm-up, and its length."""
    variants = {name: EchoRecipe().with_changes(changes).train for name, changes in EchoRecipe.VARIANTS.items()}
    for train, wanted in (
        (FULL.train, (0.3, 2.0, 0.3, 50)),
        (variants["adaptive"], (0.3, 2.0, 0.3, EchoRecipe().train.warmup_epochs)),
        (variants["adaptive_before"], (0.5, 1.5, 0.3, 20)),
        (LADDER.recipe(EchoRecipe(), 2).train, (0.3, 2.0, 0.3, EchoRecipe().train.warmup_epochs)),
    ):
        first, last = curriculum.weights(train, 0), curriculum.weights(train, train.warmup_epochs)
        assert (first["recon"], first["base"], last["base"], train.warmup_epochs) == pytest.approx(wanted)
        assert last["recon"] == 1.0 and train.lambda_sparse == 0.05
        assert [curriculum.frozen(train, train.warmup_epochs + k) != "none" for k in (-1, 0)] == [False, True]


def test_a_frozen_base_is_bitwise_constant_without_recompiling(monkeypatch):
    """Of the base decoder not one weight and not one moving average moves, though Adam has momentum; the rest does."""
    traced = []
    real = losses.sparsity
    monkeypatch.setattr(losses, "sparsity", lambda *fields: traced.append(1) or real(*fields))
    model, stream = build(TINY, 10), batching.batches(noise(), 4, 0)
    schedule = {
        how: TINY.with_changes({"train": {"freeze": how}}) if how != "none" else TINY for how in ("sum_only", "all")
    }
    changed = {}
    for name, recipe, epoch in (
        ("warm-up", TINY, 0),
        ("sum_only", schedule["sum_only"], 10),
        ("all", schedule["all"], 10),
        ("warm-up again", TINY, 3),
    ):
        curriculum.schedule(model, recipe, epoch)
        before = numpy_of(model.variables)
        model.fit(stream, steps_per_epoch=2, verbose=0, shuffle=False)
        after = numpy_of(model.variables)
        changed[name] = {path for path in before if not np.array_equal(before[path], after[path])}
        if name == "warm-up":
            first = len(traced)
    learned = {v.path for v in model.variables if "norm/" in v.path or v.path.endswith(("kernel", "bias"))}
    learned -= {path for path in learned if path.endswith("frozen")}
    base = {path for path in learned if path.startswith("base_")}
    assert len(base) > 20 and changed["warm-up"] == changed["warm-up again"] == learned
    assert changed["sum_only"] == learned, "its own loss trains the base on"
    assert changed["all"] == learned - base
    if backend.current() != "torch":  # which traces nothing
        assert len(traced) == first, "compiled again"


def test_fused_normalisation_equals_keras_own():
    """Output, gradients and moving averages of Keras' layer, on small batches, where dividing by n - 1 would tell."""
    x = np.random.default_rng(0).normal(2, 3, (2, 3, 2, 5)).astype("float32")
    kernel = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    found = []
    for kind in (keras.layers.BatchNormalization, FusedNormalization, FreezableNormalization):
        layer = kind()
        layer.build(x.shape)
        layer.gamma.assign(np.arange(5) - 1.5)
        layer.beta.assign(np.arange(5))
        tensor, weight = inference.as_tensors((x, kernel))
        y = inference.as_numpy(layer(tensor, training=True))
        moved = [inference.as_numpy(v) for v in (layer.moving_mean, layer.moving_variance)]
        slope = gradient(lambda z, layer=layer, w=weight: ops.sum(w * layer(z, training=True)))(x)[1]
        found.append((y, *moved, slope))
    for ours in found[1:]:
        for mine, its in zip(ours, found[0], strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-5)


def test_a_plain_pytorch_reference_agrees():
    """The same weights and noise: depth, base, residual and the loss to 1e-4."""
    torch = pytest.importorskip("torch")
    from kmodels.benchmarks.torch_reference.echo import TorchEcho, channels_first, loss_of

    recipe = TINY.with_changes({"model": {"width": 4, "base_width": 2}, "train": {"curriculum": "none"}})
    model, some = build(recipe, 1), noise()
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if variable.path.split("/")[-1] in ("gamma", "beta", "moving_mean", "moving_variance", "map"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    reference = TorchEcho(recipe.data, recipe.model).eval()
    reference.load(numpy_of(model.variables))
    found, terms = inference.predict_and_score(model, some, 8)
    with torch.no_grad():
        outputs = reference(channels_first(torch.tensor(some.inputs["spectrogram"])))
        loss = loss_of(outputs, *map(torch.tensor, some.targets.values()), (1.0, 2.0, 0.05))
    for name, array in zip(("depth", "base", "residual"), outputs, strict=True):
        np.testing.assert_allclose(found[name], array.numpy(), atol=1e-4, err_msg=name)
    assert terms["loss"] == pytest.approx(float(loss), abs=1e-4)
