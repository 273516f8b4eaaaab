"""The rigorous solution with few orders that the network is given and corrects."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.core.training.inference import as_numpy, gradient
from kmodels.metasurface import MetasurfaceNet, MetasurfacePreprocessor
from kmodels.metasurface.data.records import Structures, pack
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.network import preprocess
from kmodels.metasurface.network.head import by_pixel, to_pixel_grid
from kmodels.metasurface.network.optics.few_orders import FewOrders
from kmodels.metasurface.network.orientation import BackToPixels, Orientation, ToPixels
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator import structures
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.rcwa import RcwaSolver

SMALL = {"pixels": 32, "smallest_feature": 125.0, "n_wavelengths": 31}
RECIPE_OF = RECIPE().with_changes(RECIPE.SMOKE).with_changes({"data": SMALL, "model": {"few_orders": 9}})
DATA = RECIPE_OF.data
CLOSURE = ((0.1, 0.1), (0.3, 0.4))
PATTERNS = np.stack([sample_pattern(np.random.default_rng(k), DATA) for k in range(3)])


def solved(layer, patterns, wavelength):
    """Spectra (n, 2, 2, w) of a layer."""
    every = np.tile(np.asarray(wavelength, "float32"), (len(patterns), 1))
    return as_numpy(to_pixel_grid(layer(np.asarray(patterns, "float32")[..., None], every)))


def known(patterns=PATTERNS, wavelength=None) -> Structures:
    wavelength, number = DATA.wavelengths() if wavelength is None else wavelength, np.arange(len(patterns))
    return Structures(pack(np.asarray(patterns)), None, wavelength, "RGGB", number.astype(str), number)


@pytest.mark.parametrize("orders, geometry", [(9, {}), (21, {"cover": "silica", "gap": "silica", "height": 350.0})])
def test_at_its_nodes_it_is_the_simulators_solver(orders, geometry):
    layer = FewOrders(orders, 7, **geometry)
    layer.build((None, 32, 32, 1), (None, None))
    nodes = 2 * np.pi / layer.wave_numbers.nodes
    data = DATA.model_copy(update={"orders": orders, **geometry})
    wanted = np.stack([RcwaSolver(data, nodes).solve(pattern).transmitted for pattern in PATTERNS])
    np.testing.assert_allclose(solved(layer, PATTERNS, nodes), wanted, atol=2e-4)


def test_between_its_nodes_amplitudes_are_interpolated():
    """The error falls as nodes are added, and any grid of wavelengths gives the same."""
    wavelength = np.linspace(410.0, 690.0, 9)
    wanted = np.stack(
        [RcwaSolver(DATA.model_copy(update={"orders": 9}), wavelength).solve(p).transmitted for p in PATTERNS]
    )
    off = [np.abs(solved(FewOrders(9, nodes), PATTERNS, wavelength) - wanted).mean() for nodes in (6, 12, 24)]
    assert off[2] < off[1] / 2 < off[0] / 4 and off[2] < 2e-3
    layer = FewOrders(9, 12)
    np.testing.assert_allclose(
        solved(layer, PATTERNS, wavelength[[7, 2]]), solved(layer, PATTERNS, wavelength)[..., [7, 2]], atol=1e-5
    )


def test_a_closure_moves_the_solution_from_laurents_rule_to_the_inverse_one():
    """With weights of 0 the permittivity of Q is the inverse of the reciprocal's matrix; where there is one material
    both rules are the same."""
    layer = FewOrders(9, 4, ((-40.0, 0.0), (0.0, 0.0)))
    layer.build((None, 32, 32, 1), (None, None))
    filled = layer.waves.product_with(PATTERNS[0].astype("float64"))
    of_q, of_p = (as_numpy(of)[0] for of in layer._permittivities(ops.convert_to_tensor(filled[None, None], "float32")))
    lowest, contrast = layer.lowest[:, 0, 0], layer.contrast[:, 0, 0]
    for k in range(4):
        reciprocal = np.eye(9) / lowest[k] + (1 / (lowest[k] + contrast[k]) - 1 / lowest[k]) * filled
        np.testing.assert_allclose(of_q[k], np.linalg.inv(reciprocal), atol=1e-5)
        np.testing.assert_allclose(of_p[k], lowest[k] * np.eye(9) + contrast[k] * filled, atol=1e-5)
    full, wavelength = np.ones((1, 32, 32)), np.linspace(420.0, 660.0, 4)
    plain, closed = (solved(FewOrders(9, 8, closure), full, wavelength) for closure in (((0, 0), (0, 0)), CLOSURE))
    np.testing.assert_allclose(closed, plain, atol=1e-5)


def test_a_field_that_carries_more_than_comes_in_is_scaled():
    layer, wavelength = FewOrders(9, 5), np.linspace(420.0, 660.0, 4)
    wanted = solved(layer, PATTERNS, wavelength)
    field = layer._behind(layer._product_with(ops.convert_to_tensor(PATTERNS[..., None].astype("float32"))))
    for times, flux in ((1.0, None), (9.0, 1.0)):
        scaled = layer._no_more_than_comes_in(tuple(times * part for part in field))
        s, p = layer._polarised(scaled)
        pixels = as_numpy(
            layer._flux(s, p, ops.convert_to_tensor(np.tile(2 * np.pi / layer.wave_numbers.nodes, (3, 1)), "float32"))
        )
        if flux is None:
            np.testing.assert_allclose(
                [as_numpy(part) for part in scaled], [as_numpy(part) for part in field], atol=1e-6
            )
        else:
            np.testing.assert_allclose(pixels.sum(-1), flux, atol=2e-3)
    assert wanted.sum((1, 2)).max() < 1


def test_it_keeps_the_symmetries():
    layer, wavelength = FewOrders(13, 5, CLOSURE), np.linspace(420.0, 660.0, 4)
    straight = solved(layer, PATTERNS[:1], wavelength)
    for symmetry in range(COUNT):
        moved = solved(layer, move_patterns(PATTERNS[:1], symmetry), wavelength)
        np.testing.assert_allclose(moved, move_spectra(straight, symmetry), atol=1e-4)


def test_its_gradient_is_the_slope():
    """Also near a standing wave, where others of this kind lose it."""
    layer, wavelength = FewOrders(9, 12, CLOSURE), DATA.wavelengths().astype("float32")[None]
    weights = np.random.default_rng(0).normal(0, 1, (1, 31, 4)).astype("float32")

    def weighed(pattern):
        return ops.sum(ops.multiply(layer(pattern, wavelength), weights))

    soft = 0.2 + 0.6 * PATTERNS[:1, ..., None].astype("float32")
    _, slope = gradient(weighed)(soft)
    along = np.random.default_rng(1).normal(0, 1, soft.shape).astype("float32")
    step = 3e-3
    apart = [float(as_numpy(weighed(ops.convert_to_tensor(soft + side * step * along)))) for side in (1, -1)]
    assert np.sum(slope * along) == pytest.approx((apart[0] - apart[1]) / (2 * step), rel=0.03)


def test_the_preprocessor_makes_the_input_at_any_wavelengths():
    x, _ = MetasurfacePreprocessor(RECIPE_OF)(known())
    layer = FewOrders(9, RECIPE_OF.model.few_order_nodes, RECIPE_OF.model.few_order_closure)
    np.testing.assert_allclose(x["few_orders"], solved(layer, PATTERNS, DATA.wavelengths()), atol=1e-5)
    scattered = np.array([433.0, 500.0, 612.5])
    examples = preprocess.encode(known(wavelength=scattered), RECIPE_OF)
    assert len(examples) == 3 * len(examples.grids)
    x, _ = examples.take(np.arange(len(examples)))
    for row in range(len(examples)):
        wanted = solved(layer, PATTERNS[row // len(examples.grids)][None], x["wavelength"][row])
        np.testing.assert_allclose(x["few_orders"][row], wanted[0], atol=1e-5)


def test_packaged_structures_were_solved_by_this_layer(monkeypatch):
    recipe = RECIPE()
    patterns, _, _ = structures.packaged(recipe.data.model_copy(update={"n_structures": 4}))
    wavelength = recipe.data.wavelengths()
    fresh = preprocess.solve_with_few_orders(patterns, wavelength[None], recipe)
    monkeypatch.setattr(preprocess, "solve_with_few_orders", None)  # not called
    stored = preprocess.few_order_spectra(known(patterns, wavelength), wavelength[None], recipe)
    np.testing.assert_allclose(stored, fresh, atol=5e-3)  # of float32, where a resonance is sharp
    assert np.abs(stored - fresh).mean() < 1e-4
    for other in ({"data": {"height": 500.0}}, {"model": {"few_orders": 37}}, {"model": {"few_order_nodes": 12}}):
        assert not structures.packaged_few_orders(recipe.with_changes(other), wavelength[None])


def test_pixels_are_permuted_to_the_moved_pattern_and_back():
    keras.utils.set_random_seed(0)
    orientation = Orientation("random", seed=3)
    moved, weights = orientation(PATTERNS[..., None].astype("float32"), training=True)
    layer, wavelength = FewOrders(9, 5), np.tile(np.linspace(420.0, 660.0, 4, dtype="float32"), (3, 1))
    values, of_moved = (layer(of, wavelength) for of in (PATTERNS[..., None].astype("float32"), moved))
    np.testing.assert_allclose(as_numpy(ToPixels()(values, weights)), as_numpy(of_moved), atol=1e-4)
    np.testing.assert_allclose(as_numpy(BackToPixels()(of_moved, weights)), as_numpy(values), atol=1e-4)
    np.testing.assert_array_equal(as_numpy(by_pixel(to_pixel_grid(values))), as_numpy(values))


def test_an_untrained_network_lies_between_both_solutions():
    """Half of either logit, nearly: the head starts small."""
    net = MetasurfaceNet.from_recipe(RECIPE_OF)
    x, _ = MetasurfacePreprocessor(RECIPE_OF)(known())
    plain = MetasurfaceNet.from_recipe(RECIPE_OF.with_changes({"model": {"few_orders": 0}}))
    other = as_numpy(plain({name: x[name] for name in ("pattern", "wavelength")})["spectra"])
    logit = [np.log(t / (1 - t)) for t in (np.clip(x["few_orders"], 1e-4, 1), np.clip(other, 1e-4, 1))]
    np.testing.assert_allclose(as_numpy(net(x)["spectra"]), 1 / (1 + np.exp(-np.mean(logit, 0))), atol=0.05)
    layers = net.few_order_layer(), net.few_order_layer(4)
    assert [layer.nodes for layer in layers] == [RECIPE_OF.model.few_order_nodes, 4] and layers[0].orders == 9
    assert plain.few_order_layer() is None


@pytest.mark.parametrize("name, value", [("orders", 0), ("nodes", 0), ("gap", "water"), ("closure", (1.0, 1.0))])
def test_arguments_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        FewOrders(**{name: value})
