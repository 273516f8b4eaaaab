"""Split-step propagation of both polarisations with learned coupling."""

import keras
import numpy as np
import pytest
from helpers.metasurface import SCALAR
from keras import ops

from kmodels.metasurface import MetasurfaceNet
from kmodels.metasurface.network.optics.split_step import SplitStepPropagation
from kmodels.metasurface.network.optics.vector import RATE, VectorPropagation
from kmodels.metasurface.recipe import OPTICS
from kmodels.metasurface.simulator.patterns import sample_pattern

DATA = SCALAR.data.model_copy(update={"pixels": 32, "smallest_feature": 125.0})
WAVELENGTH = np.linspace(*DATA.wavelength, 7).astype("float32")
PATTERNS = np.stack([sample_pattern(np.random.default_rng(k), DATA) for k in range(3)])[..., None].astype("float32")
FEATURES = np.random.default_rng(0).normal(0, 1, (3, DATA.grid, DATA.grid, 5)).astype("float32")
OPTICS_OF = {name: getattr(DATA, name) for name in OPTICS if name != "wavelength"} | {"band": DATA.wavelength}


def transmittance_of(layer, wavelength=WAVELENGTH):
    every = np.tile(wavelength, (len(PATTERNS), 1))
    extra = (FEATURES,) if isinstance(layer, VectorPropagation) else ()
    return ops.convert_to_numpy(layer(PATTERNS, every, *extra))


def learned(sd: float) -> VectorPropagation:
    layer = VectorPropagation(3, 6, **OPTICS_OF)
    transmittance_of(layer)
    for weight in layer.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(0, sd, weight.shape).astype("float32"))
    return layer


def test_untrained_it_is_the_scalar_propagation():
    layer = VectorPropagation(3, 6, **OPTICS_OF)
    np.testing.assert_allclose(
        transmittance_of(layer), transmittance_of(SplitStepPropagation(3, 6, **OPTICS_OF)), atol=2e-6
    )


def test_light_is_neither_made_nor_lost_whatever_is_learned():
    before, after = transmittance_of(learned(0.0)), transmittance_of(learned(0.5))
    np.testing.assert_allclose(after.sum(-1), 1.0, atol=1e-5)
    assert np.abs(after - before).max() > 0.02 and after[..., 4].min() > 0


def test_wavelengths_are_independent():
    layer = learned(0.2)
    np.testing.assert_allclose(
        transmittance_of(layer, WAVELENGTH[[5, 2]]), transmittance_of(layer)[:, [5, 2]], atol=1e-5
    )


def test_a_coupling_turns_light_of_one_polarisation_into_the_other():
    """With N = [[0, 1], [-1, 0]] - 1 every order is turned by a right angle: a symmetric answer stays as it is."""
    layer = learned(0.0)
    turn = np.array([[-1.0, 1.0], [-1.0, -1.0]], "float32") / RATE
    matrices = np.zeros(layer.order_matrices.shape, "float32")
    matrices[0] = turn[:, :, None, None]
    layer.order_matrices.assign(matrices)
    fill, index = layer._cells(PATTERNS)
    turned, straight = (
        np.hypot(*map(ops.convert_to_numpy, of._through(fill, index, of._local_matrices(ops.zeros_like(FEATURES)))))
        for of in (layer, learned(0.0))
    )
    assert turned[:, :, 0, 0].max() < 1e-4 and straight[:, :, 1, 0].max() == 0  # three right angles: x is y
    np.testing.assert_allclose(turned[:, :, 0, 1], straight[:, :, 0, 0], atol=1e-4)
    np.testing.assert_allclose(transmittance_of(layer), transmittance_of(learned(0.0)), atol=1e-5)


def test_every_weight_has_a_gradient_once_features_count():
    keras.utils.set_random_seed(0)
    size = dict(channels=(8, 8, 8, 8), blocks=1, d_model=16, heads=2, decoder_blocks=1)
    net = MetasurfaceNet(32, n_wavelengths=7, propagation_features=8, few_orders=0, **size)
    net.compile(keras.optimizers.Adam(1e-3))
    x = {"pattern": PATTERNS, "wavelength": np.tile(WAVELENGTH, (3, 1))}
    y = {"spectra": np.random.default_rng(0).uniform(0, 0.25, (3, 2, 2, 7)).astype("float32")}
    for _ in range(2):  # the first step makes the features count
        before = [np.array(ops.convert_to_numpy(w)) for w in net.trainable_weights]
        net.fit(x, y, epochs=1, verbose=0)
    moved = [np.abs(ops.convert_to_numpy(w) - b).max() for w, b in zip(net.trainable_weights, before, strict=True)]
    still = [w.path for w, by in zip(net.trainable_weights, moved, strict=True) if by == 0]
    assert not still


@pytest.mark.parametrize("name, value", [("propagation", "vectorial"), ("propagation_features", 0)])
def test_arguments_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        MetasurfaceNet(32, n_wavelengths=7, **{name: value})
