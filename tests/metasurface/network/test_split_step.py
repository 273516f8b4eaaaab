"""Split-step propagation in the network: the scalar solver's equations, and learned phases."""

import numpy as np
import pytest
from helpers.metasurface import SCALAR
from keras import ops

from kmodels.core.training import backend
from kmodels.metasurface.network.optics.split_step import SplitStepPropagation, logits_of
from kmodels.metasurface.recipe import OPTICS
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.scalar import ScalarSolver

DATA = SCALAR.data.model_copy(update={"pixels": 32, "smallest_feature": 125.0, "slices": 3})
WAVELENGTH = np.linspace(*DATA.wavelength, 13).astype("float32")
PATTERNS = np.stack(
    [sample_pattern(np.random.default_rng(k), DATA) for k in range(3)] + [np.ones((32, 32)), np.zeros((32, 32))]
)


def transmittance_of(layer, patterns=PATTERNS):
    wavelength = np.tile(WAVELENGTH, (len(patterns), 1))
    return ops.convert_to_numpy(layer(patterns[..., None].astype("float32"), wavelength))


def layer_of(slices=DATA.slices, nodes=28):
    optics = {name: getattr(DATA, name) for name in OPTICS if name != "wavelength"}
    return SplitStepPropagation(slices, nodes, band=DATA.wavelength, **optics)


def test_untrained_it_is_the_scalar_solver():
    """Both with three slices; what is left is the polynomial between the nodes, less with more of them."""
    solver = ScalarSolver(DATA, WAVELENGTH)
    solved = [solver.solve(pattern) for pattern in PATTERNS]
    pixels = np.stack([of.transmitted.reshape(4, -1).T for of in solved])
    reflected = np.stack([of.reflected for of in solved])
    assert pixels[:3].std() > 0.04
    errors = []
    for nodes in (12, 28):
        found = transmittance_of(layer_of(nodes=nodes))
        errors.append(np.abs(found[..., :4] - pixels).mean())
    np.testing.assert_allclose(found[..., 4], reflected, atol=5e-4)
    np.testing.assert_allclose(found[3:, :, :4], pixels[3:], atol=1e-4)  # uniform films: Airy / 4
    assert errors[1] < errors[0] < 2e-3 and errors[1] < 3e-4


def test_energy_is_conserved_for_any_learned_phases():
    layer = layer_of(nodes=6)
    before = transmittance_of(layer)
    for weight in layer.trainable_weights:
        assert not np.any(ops.convert_to_numpy(weight))
        weight.assign(np.random.default_rng(1).normal(0, 1.0, weight.shape).astype("float32"))
    after = transmittance_of(layer)
    np.testing.assert_allclose(after.sum(-1), 1.0, atol=1e-5)
    assert np.abs(after - before).max() > 0.05 and after.min() > -0.02


def test_wavelengths_are_independent():
    layer = layer_of(nodes=6)
    wavelength = np.tile(WAVELENGTH[[7, 2, 11]], (5, 1))
    some = ops.convert_to_numpy(layer(PATTERNS[..., None].astype("float32"), wavelength))
    np.testing.assert_allclose(some, transmittance_of(layer)[:, [7, 2, 11]], atol=1e-5)


@pytest.mark.parametrize("outputs, back", [(4, ops.sigmoid), (5, ops.softmax)])
def test_logits_are_the_inverse_of_the_activation(outputs, back):
    values = np.array([[[0.1, 0.2, 0.05, 0.35, 0.3]]], "float32")
    found = ops.convert_to_numpy(back(logits_of(values, outputs)))
    np.testing.assert_allclose(found, values[..., :outputs], rtol=1e-5)
    assert np.isfinite(ops.convert_to_numpy(logits_of(np.array([[[0.0, 1.0, 0, 0, 0]]], "float32"), outputs))).all()


def test_learned_phases_make_up_for_slices_that_were_left_out():
    """Some steps on patterns, evaluated on others: nearer to twelve slices than three slices are."""
    import keras

    keras.utils.set_random_seed(0)
    fine = ScalarSolver(DATA.model_copy(update={"slices": 12}), WAVELENGTH)
    patterns = np.stack([sample_pattern(np.random.default_rng(100 + k), DATA) for k in range(40)])
    truth = np.stack([fine.solve(pattern).transmitted.reshape(4, -1).T for pattern in patterns])
    inputs = keras.Input((32, 32, 1)), keras.Input((len(WAVELENGTH),))
    model = keras.Model(inputs, layer_of(nodes=12)(*inputs)[..., :4])
    model.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=backend.current() == "jax")
    x = patterns[..., None].astype("float32"), np.tile(WAVELENGTH, (40, 1))
    train, test = slice(0, 32), slice(32, 40)
    before = model.evaluate([part[test] for part in x], truth[test], verbose=0)
    model.fit([part[train] for part in x], truth[train], batch_size=8, epochs=6, verbose=0)
    assert model.evaluate([part[test] for part in x], truth[test], verbose=0) < 0.85 * before
