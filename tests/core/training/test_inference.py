"""Gradients of inputs on the backend that runs."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.core.training.inference import gradient


def test_of_a_closed_form_and_of_a_layer():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    value, slope = gradient(lambda t: ops.sum(ops.square(t)) + ops.sum(ops.sin(t)))(x)
    assert value == pytest.approx(float((x**2).sum() + np.sin(x).sum()), rel=1e-5)
    np.testing.assert_allclose(slope, 2 * x + np.cos(x), rtol=1e-5)
    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 4))
    _, slope = gradient(lambda t: ops.sum(layer(t)))(x)
    np.testing.assert_allclose(slope, np.tile(ops.convert_to_numpy(layer.kernel).sum(1), (3, 1)), rtol=1e-5)
