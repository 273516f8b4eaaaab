"""MetasurfaceNet: its symmetries, the effect of its arguments, and its loss."""

import numpy as np
import pytest
from helpers.checks import ROOT
from helpers.metasurface import SCALAR
from keras import ops

from kmodels.core.cli import parse
from kmodels.core.training import inference
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.ladder import LADDER
from kmodels.metasurface.network import losses, orientation, schedule
from kmodels.metasurface.network.model import build
from kmodels.metasurface.recipe import RECIPE

RNG = np.random.default_rng(0)
SMALL = SCALAR.with_changes(RECIPE.SMOKE).with_changes({"data": {"n_wavelengths": 7}})


def inputs_of(patterns, recipe=SMALL):
    wavelength = np.tile(recipe.data.wavelengths().astype("float32"), (len(patterns), 1))
    return {"pattern": patterns[..., None].astype("float32"), "wavelength": wavelength}


def predicted(model, patterns):
    return inference.as_numpy(model.predict_on_batch(inputs_of(patterns))["spectra"])


def random_patterns(n):
    return RNG.integers(0, 2, (n, 32, 32))


def worst_symmetry_error(model, pattern):
    copies = np.stack([move_patterns(pattern, g) for g in range(COUNT)])
    found = predicted(model, copies)
    return max(np.abs(found[g] - move_spectra(found[0], g)).max() for g in range(COUNT))


def test_patterns_are_moved_as_numpy_moves_them():
    patterns = random_patterns(COUNT).astype("float32")
    found = ops.convert_to_numpy(orientation.move(patterns[..., None], np.arange(COUNT)))[..., 0]
    for g in range(COUNT):
        np.testing.assert_array_equal(found[g], move_patterns(patterns[g], g))


def quadrants(patterns):
    """(n, 2, 2) fraction of ones below each pixel: a function that has all 32 symmetries."""
    n, size = patterns.shape[0], patterns.shape[1]
    return patterns.reshape(n, 2, size // 2, 2, size // 2).mean((2, 4))


@pytest.mark.parametrize("mode", ["random", "canonical"])
def test_predictions_for_a_moved_pattern_are_permuted_back(mode):
    """With a function in the network's place that has the symmetries, no orientation can be seen from outside."""
    patterns = random_patterns(64).astype("float32")
    layer, back = orientation.Orientation(mode, seed=1), orientation.BackToPixels()
    seen, weights = layer(patterns[..., None], training=True)
    seen = ops.convert_to_numpy(seen)[..., 0]
    assert not np.array_equal(seen, patterns)
    said = quadrants(seen).reshape(64, 1, 4)
    found = ops.convert_to_numpy(back(said, weights)).reshape(64, 2, 2)
    np.testing.assert_allclose(found, quadrants(patterns), atol=1e-6)
    if mode == "random":
        still, _ = layer(patterns[..., None], training=False)
        np.testing.assert_array_equal(ops.convert_to_numpy(still)[..., 0], patterns)


def test_an_invariant_net_has_the_symmetries_exactly_and_another_has_not():
    random = random_patterns(1)[0]
    flat = np.ones((32, 32), int)
    striped = np.tile(np.arange(32) % 16 < 5, (32, 1)).astype(int)  # several symmetries leave it as it is
    invariant = build(SMALL.with_changes({"model": {"invariant": True}}), 1)
    plain = build(SMALL, 1)
    for model in (invariant, plain):  # far from its start, where all answers are much alike
        for variable in model.trainable_variables:
            variable.assign(variable + 0.3 * RNG.normal(size=variable.shape))
    assert max(worst_symmetry_error(invariant, p) for p in (random, flat, striped)) <= 1e-5
    assert worst_symmetry_error(plain, random) > 1e-3
    assert np.ptp(predicted(invariant, random_patterns(COUNT)), axis=0).max() > 1e-3  # and it does look


def test_conserving_light_is_reflected_or_reaches_a_pixel():
    model = build(SMALL.with_changes({"model": {"head": "conserving"}}), 1)
    outputs = model.predict_on_batch(inputs_of(random_patterns(3)))
    spectra, reflected = (inference.as_numpy(outputs[name]) for name in ("spectra", "reflected"))
    assert (spectra >= 0).all() and (reflected >= 0).all()
    np.testing.assert_allclose(spectra.sum((1, 2)) + reflected, 1.0, atol=1e-6)


def layer_names(model):
    return {layer.name for layer in model.layers}


def test_each_step_of_the_ladder_changes_one_point_of_the_prototype():
    prototype = LADDER.recipe(SCALAR, 0).with_changes({"model": RECIPE.SMOKE["model"]})
    names = {}
    for step in (0, 1, 2, 3, 6, 7):
        changed = LADDER.recipe(prototype, step)
        names[step] = build(changed, 1)
    assert names[0].get_layer("positions").vectors.shape[0] == 17
    assert names[7].get_layer("positions").vectors.shape[0] == 65
    assert "memory_0_norm" not in layer_names(names[0]) and "memory_0_norm" in layer_names(names[1])
    assert names[0].get_layer("film").mode == "shift" and names[2].get_layer("film").mode == "scale_shift"
    assert names[0].get_layer("shares").kernel.shape == (16, 4)  # 16 features that four detectors have in common
    assert names[3].get_layer("shares").kernel.shape == (4, 16) and names[3].get_layer("heads").units == 64
    dropouts = [sum(name.startswith("dropout") for name in layer_names(names[k])) for k in (0, 6)]
    assert dropouts == [4, 0]
    rungs = [LADDER.recipe(prototype, k).train for k in (0, 4, 5)]
    assert [(r.clip_norm, r.w_curvature) for r in rungs] == [(0.5, 0.0), (1.0, 0.0), (0.5, 0.1)]


def test_size_of_the_full_recipe():
    full = parse.resolve(RECIPE, [parse.read_yaml(ROOT / "configs" / "metasurface_full.yaml")])
    assert build(full, 1).count_params() == pytest.approx(6.45e6, rel=0.03)


def test_the_pytorch_reference_agrees():
    """The same weights: spectra and the loss to 1e-4."""
    torch = pytest.importorskip("torch")
    from kmodels.benchmarks.torch_reference.metasurface import TorchDiffractionNet, loss_of

    recipe = SMALL.with_changes({"model": {"blocks": 2, "channels": [8, 16, 24, 32]}})
    model = build(recipe, 1)
    for variable in model.trainable_variables:  # norms and biases start at 1 and 0: what is not taken would not show
        shape = tuple(variable.shape)
        variable.assign(inference.as_numpy(variable) + RNG.normal(0, 0.1, shape).astype("float32"))
    patterns, truth = random_patterns(5), RNG.uniform(0, 0.5, (5, 2, 2, 7)).astype("float32")
    reference = TorchDiffractionNet(recipe.data, recipe.model)
    reference.load({v.path.removeprefix(f"{model.name}/"): inference.as_numpy(v) for v in model.variables})
    predictions = predicted(model, patterns)
    with torch.no_grad():
        expected = reference(torch.tensor(patterns, dtype=torch.float32))
        weights = [float(weight) for weight in model.term_weights.values()]
        loss = float(loss_of(torch.tensor(truth), expected, weights))
    assert np.ptp(predictions, axis=0).max() > 0.01
    np.testing.assert_allclose(predictions, expected.numpy(), atol=1e-4)
    terms = losses.spectral_terms(truth, predictions, model.pixel_weights)
    found = sum(w * inference.as_numpy(term).mean() for w, term in zip(weights, terms.values(), strict=True))
    assert found == pytest.approx(loss, rel=1e-4)


def test_terms_of_the_loss_by_hand():
    truth = np.full((1, 2, 2, 4), 0.5, "float32")
    guess = truth.copy()
    guess[0, 0, 1] += [0.0, 0.1, 0.0, 0.0]  # one pixel of four is off at one wavelength of four
    even = losses.pixel_weights("RGGB", 1.0)
    found = {k: float(v[0]) for k, v in losses.spectral_terms(truth, guess, even).items()}
    expected = {"mse": 0.01 / 16, "rel": (0.1 / 0.5001) ** 2 / 16, "grad": 0.02 / 12, "curvature": 0.3 / 8}
    assert found == pytest.approx(expected, rel=1e-5)
    assert all(float(v[0]) == 0 for v in losses.spectral_terms(truth, truth, even).values())
    assert float(losses.spectral_terms(0 * truth, 0 * truth + 1, even)["rel"][0]) == pytest.approx(100.0)


def test_the_blue_pixel_can_count_more():
    weights = losses.pixel_weights("GBRG", 4.0)[..., 0]
    np.testing.assert_allclose(weights, np.array([[1, 4], [1, 1]]) * 4 / 7)


def test_scheduled_weights_hold_from_an_epochs_end_on():
    recipe = SMALL.with_changes({"train": {"weight_schedule": [[3, "grad", 5.0], [2, "mse", 1.5], [5, "grad", 0.0]]}})
    found = [schedule.weights(recipe, epoch) for epoch in range(6)]
    assert [w["grad"] for w in found] == [10.0, 10.0, 10.0, 5.0, 5.0, 0.0]
    assert [w["mse"] for w in found] == [2.0, 2.0, 1.5, 1.5, 1.5, 1.5] and found[5]["rel"] == 0.1
    model = build(recipe, 1)
    schedule.schedule(model, recipe, 4)
    assert {name: float(w) for name, w in model.term_weights.items()} == pytest.approx(found[4])
