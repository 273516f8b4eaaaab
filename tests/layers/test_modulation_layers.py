"""FiLM and Fourier mixing: against NumPy, round trip, bfloat16, gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.layers.film import FiLM
from kmodels.layers.fourier_mixing import FourierMixing, irfft2, rfft2

RNG = np.random.default_rng(0)
SIZES = [(4, 6), (5, 7), (3, 8), (1, 5), (2, 1)]


def field(*shape):
    return RNG.normal(size=shape).astype("float32")


def numbers(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def gradient(layer, inputs, target):
    """What one step of gradient descent with rate 1 takes off the weights of the layer and of one in front of it.

    The one in front tells the gradient with respect to the layer's first input.
    """
    front = keras.layers.Dense(inputs[0].shape[-1], use_bias=False, kernel_initializer="identity")
    symbols = [keras.Input(x.shape[1:]) for x in inputs]
    model = keras.Model(symbols, layer(front(symbols[0]), *symbols[1:]))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    model.train_on_batch(inputs, target)
    return [old - new for old, new in zip(before, model.get_weights(), strict=True)]


@pytest.mark.parametrize("size", SIZES)
def test_rfft2_is_that_of_numpy(size):
    x = field(2, 3, *size)
    real, imag = rfft2(x)
    np.testing.assert_allclose(numbers(real) + 1j * numbers(imag), np.fft.rfft2(x), atol=1e-5)
    np.testing.assert_allclose(numbers(irfft2((real, imag), size)), x, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_fourier_mixing_is_a_filter(size):
    x, layer = field(2, *size, 3), FourierMixing(noise=0.5)
    y = numbers(layer(x))
    weight = (numbers(layer.real) + 1j * numbers(layer.imag)).transpose(1, 2, 0)
    expected = np.fft.irfft2(weight * np.fft.rfft2(x, axes=(1, 2)), size, axes=(1, 2))
    np.testing.assert_allclose(y, expected, atol=1e-5)
    shifted = numbers(layer(np.roll(x, 1, axis=1)))
    np.testing.assert_allclose(shifted, np.roll(y, 1, axis=1), atol=1e-5)  # it knows no place


def test_fourier_mixing_starts_close_to_doing_nothing():
    x = field(2, 16, 16, 4)
    np.testing.assert_allclose(numbers(FourierMixing(noise=0.0)(x)), x, atol=1e-5)
    assert 0 < np.abs(numbers(FourierMixing()(x)) - x).mean() < 0.05
    with pytest.raises(ValueError, match="y and x must be known"):
        FourierMixing()(keras.Input((None, 4, 2)))


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_gradients_of_fourier_mixing(size):
    """Against the adjoint by hand: of the mean squared error, for a batch of one and one channel."""
    x, target, layer = field(1, *size, 1), field(1, *size, 1), FourierMixing(noise=0.5)
    layer.build(x.shape)
    real, imag = (numbers(w)[0] for w in (layer.real, layer.imag))
    spectrum = np.fft.rfft2(x[0, :, :, 0])
    y = np.fft.irfft2((real + 1j * imag) * spectrum, size)
    error = 2 * (y - target[0, :, :, 0]) / y.size
    # A frequency and its mirror image are one weight; those with no image in the half spectrum count once.
    twice = np.full(size[1] // 2 + 1, 2.0)
    twice[0] = 1.0
    if size[1] % 2 == 0:
        twice[-1] = 1.0
    back = np.conj(spectrum) * np.fft.rfft2(error) * twice / y.size
    full = np.fft.irfft2(np.conj(real + 1j * imag) * np.fft.rfft2(error), size)
    scale, d_real, d_imag = gradient(layer, [x], target)
    np.testing.assert_allclose(d_real[0], back.real, atol=1e-6)
    np.testing.assert_allclose(d_imag[0], back.imag, atol=1e-6)
    np.testing.assert_allclose(scale.item(), (full * x[0, :, :, 0]).sum(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("mode", ["shift", "scale_shift"])
def test_film_by_hand(mode):
    x, condition, layer = field(2, 5, 4, 3), field(2, 6), FiLM(mode)
    y = numbers(layer(x, condition))
    kernel, bias = (numbers(w) for w in layer.modulation.weights)
    change = (condition @ kernel + bias)[:, None, None]
    expected = x + change if mode == "shift" else (1 + change[..., :3]) * x + change[..., 3:]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    with pytest.raises(ValueError, match="allowed: shift, scale_shift"):
        FiLM("scale")


def test_gradients_of_film():
    x, condition, target = field(2, 5, 3), field(2, 4), field(2, 5, 3)
    layer = FiLM()
    layer.build(x.shape, condition.shape)
    kernel, bias = (numbers(w) for w in layer.modulation.weights)
    change = (condition @ kernel + bias)[:, None]
    error = 2 * ((1 + change[..., :3]) * x + change[..., 3:] - target) / target.size
    front, d_kernel, d_bias = gradient(layer, [x, condition], target)
    both = np.concatenate([(error * x).sum(1), error.sum(1)], axis=-1)
    np.testing.assert_allclose(d_bias, both.sum(0), atol=1e-5)
    np.testing.assert_allclose(d_kernel, condition.T @ both, atol=1e-5)
    np.testing.assert_allclose(front, np.einsum("bpi,bpj->ij", x, error * (1 + change[..., :3])), atol=1e-5)


CASES = {
    "fourier_mixing": (FourierMixing(), [field(2, 5, 6, 3)]),
    "film": (FiLM(), [field(2, 5, 3), field(2, 4)]),
    "film_shift": (FiLM("shift", kernel_initializer="ones"), [field(2, 5, 3), field(2, 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_saves_and_loads(name, tmp_path):
    layer, arrays = CASES[name]
    inputs = [keras.Input(x.shape[1:]) for x in arrays]
    model = keras.Model(inputs, layer(*inputs))
    assert model.output_shape == (None, *arrays[0].shape[1:])
    model.save(tmp_path / "layer.keras")
    again = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(model.predict_on_batch(arrays), again.predict_on_batch(arrays))
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("name", CASES)
def test_bfloat16(name):
    layer, arrays = CASES[name]
    low = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    y = low(*(ops.cast(x, "bfloat16") for x in arrays))
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16" and np.isfinite(numbers(y)).all()


def test_fourier_mixing_is_float32_whatever_the_policy():
    """The same numbers as under float32, rounded once, at the end."""
    x, layer = field(2, 16, 16, 3), FourierMixing(noise=0.5)
    expected = ops.cast(layer(x), "bfloat16")
    low = FourierMixing(dtype="mixed_bfloat16")
    low.build(x.shape)
    low.set_weights(layer.get_weights())
    assert keras.backend.standardize_dtype(low.real.dtype) == "float32"
    np.testing.assert_array_equal(numbers(low(x)), numbers(expected))
