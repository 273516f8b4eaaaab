"""ConvLSTM3D against Keras' own layer and against plain PyTorch; its convolution in every form."""

import keras
import numpy as np
import pytest
from helpers.checks import run_python
from keras import ops

from kmodels.layers import conv_lstm3d, convolution3d
from kmodels.layers.conv_lstm3d import ConvLSTM3D

SHAPE = (2, 3, 3, 5, 4, 2)  # (batch, time, z, y, x, channels)
RNG = np.random.default_rng(0)
X = RNG.normal(size=SHAPE).astype("float32")
MASK = np.array([[True, False, True], [False, True, True]])
BACKEND = keras.backend.backend()


def layers(options=None, ours=None, theirs=None):
    """Our layer and Keras' with the same random weights."""
    options = {"filters": 3, "kernel_size": 3, "padding": "same"} | (options or {})
    both = ConvLSTM3D(**options, **(ours or {})), keras.layers.ConvLSTM3D(**options, **(theirs or {}))
    for layer in both:
        layer.build(SHAPE)
    rng = np.random.default_rng(1)
    both[1].set_weights([rng.normal(0, 0.2, w.shape).astype("float32") for w in both[1].weights])
    both[0].set_weights(both[1].get_weights())
    return both


def numbers(outputs):
    """The outputs as a list of arrays."""
    return [ops.convert_to_numpy(y) for y in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def agree(one, other, tolerance=1e-5):
    """Assert that two layers' outputs have the same shapes and numbers."""
    one, other = numbers(one), numbers(other)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def gradients(layer, x=X):
    """What one step of gradient descent with rate 1 takes off the weights of the layer and of one in front of it.

    The one in front tells the gradient with respect to the layer's inputs.
    """
    front = keras.layers.Dense(x.shape[-1], use_bias=False, kernel_initializer="identity")
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(front(inputs)))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    target = np.random.default_rng(2).normal(size=(len(x), *model.output_shape[1:]))
    model.train_on_batch(x, target.astype("float32"))
    return [old - new for old, new in zip(before, model.get_weights(), strict=True)]


def gradients_agree(one, other, tolerance=1e-4):
    """Assert it, to a share of the largest component of each weight's gradient."""
    for a, b in zip(one, other, strict=True):
        size = np.abs(b).max()
        assert size > 1e-3, "too small to tell anything"
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size)


CASES = {
    "plain": {},
    "sequences_and_states": {"return_sequences": True, "return_state": True},
    "backwards": {"return_sequences": True, "return_state": True, "go_backwards": True},
    "odd_kernel": {"kernel_size": (1, 2, 3), "use_bias": False, "activation": "relu"},
    "valid": {"padding": "valid", "recurrent_activation": "hard_sigmoid"},
    "strides": {"strides": 2, "return_sequences": True},
    "dilation": {"dilation_rate": (1, 2, 1)},
    "dropout": {"dropout": 0.4, "seed": 5},
    "recurrent_dropout": {"recurrent_dropout": 0.4, "seed": 5},
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_keras(name):
    ours, theirs = layers(CASES[name])
    training = "dropout" in name
    agree(ours(X, training=training), theirs(X, training=training))
    assert ours.compute_output_shape(SHAPE) == theirs.compute_output_shape(SHAPE)


def test_dropout_drops_only_in_training():
    ours, _ = layers({"dropout": 0.4, "recurrent_dropout": 0.4})
    assert np.abs(numbers(ours(X, training=True))[0] - numbers(ours(X))[0]).max() > 1e-3
    agree(ours(X), layers()[0](X), 0)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="there Keras has XLA compile it, for 20 s")
def test_channels_first_is_computed_by_keras():
    x = np.moveaxis(X, -1, 2)
    ours = ConvLSTM3D(3, 3, padding="same", data_format="channels_first")
    ours.build(x.shape)
    last = layers()[0]
    ours.set_weights(last.get_weights())
    agree(np.moveaxis(numbers(ours(x))[0], 1, -1), last(X))


def test_initial_state_is_taken():
    ours, theirs = layers({"return_state": True})
    state = [RNG.normal(size=(2, 3, 5, 4, 3)).astype("float32") for _ in range(2)]
    agree(ours(X, initial_state=state), theirs(X, initial_state=state))


def test_masked_frames_leave_the_state_alone():
    """Keras' loop over masked volumes is right on every backend only when it is unrolled."""
    options = {"return_sequences": True, "return_state": True}
    ours, theirs = layers(options, theirs={"unroll": True})
    agree(ours(X, mask=MASK), theirs(X, mask=MASK))
    changed = np.where(MASK[:, :, None, None, None, None], X, 99.0).astype("float32")
    agree(ours(changed, mask=MASK), ours(X, mask=MASK), 1e-6)


def test_masked_frames_give_zeros_where_asked():
    plain, zero = (layers({"return_sequences": True}, {"zero_output_for_mask": z})[0] for z in (False, True))
    expected = np.where(MASK[:, :, None, None, None, None], numbers(plain(X, mask=MASK))[0], 0)
    agree(zero(X, mask=MASK), expected, 0)


def test_backwards_masks_go_with_their_frames():
    ours, _ = layers({"go_backwards": True, "return_sequences": True})
    forwards, _ = layers({"return_sequences": True})
    agree(ours(X, mask=MASK), forwards(X[:, ::-1].copy(), mask=MASK[:, ::-1].copy()), 1e-6)


def test_stateful_goes_on_where_it_stopped():
    ours, theirs = layers({"stateful": True})
    whole, _ = layers()
    agree(ours(X), theirs(X))
    agree(ours(X), theirs(X))
    agree(ours(X), whole(np.concatenate([X, X, X], axis=1)))
    ours.reset_state()
    agree(ours(X), whole(X))


def test_gradients_are_those_of_keras():
    ours, theirs = layers()
    gradients_agree(gradients(ours), gradients(theirs))


@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere frames are always written out")
def test_many_frames_in_a_loop_are_what_few_written_out_are(monkeypatch):
    (written_out, _), (looped, _) = layers({"return_sequences": True}), layers({"return_sequences": True})
    outputs, slopes = written_out(X), gradients(written_out)
    monkeypatch.setattr(conv_lstm3d, "WRITTEN_OUT", X.shape[1] - 1)
    agree(looped(X), outputs)
    gradients_agree(gradients(looped), slopes)


def test_remat_changes_nothing_but_memory():
    plain, _ = layers()
    frugal, _ = layers(ours={"remat": True})
    agree(frugal(X), plain(X), 0)
    gradients_agree(gradients(frugal), gradients(plain), 1e-5)


def test_stateful_layers_train():
    ours, theirs = layers({"stateful": True})
    for layer in (ours, theirs):
        inputs = keras.Input(batch_shape=SHAPE)
        model = keras.Model(inputs, layer(inputs))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        for _ in range(2):
            model.train_on_batch(X, np.ones((2, 3, 5, 4, 3), "float32"))
    agree(ours.get_weights(), theirs.get_weights())
    agree(ours.states, theirs.states)


class _Convolution(keras.layers.Layer):
    """One convolution with a kernel to learn."""

    def __init__(self, kernel, padding, form):
        super().__init__()
        self.start, self.padding, self.form = kernel, padding, form

    def build(self, shape):
        self.kernel = self.add_weight(shape=self.start.shape)
        self.kernel.assign(self.start)

    def call(self, x):
        return convolution3d.convolution3d(x, self.kernel, self.padding, self.form)


@pytest.mark.parametrize("padding, size", [("same", (3, 3, 3)), ("valid", (2, 1, 3)), ("same", (2, 3, 4))])
@pytest.mark.parametrize("form", convolution3d.FORMS)
def test_every_form_is_the_same_convolution(form, padding, size):
    kernel = np.random.default_rng(3).normal(size=(*size, 2, 8)).astype("float32")
    x = X[:, 0]
    expected = ops.conv(x, kernel, padding=padding)
    agree(convolution3d.convolution3d(x, kernel, padding, form), expected, 2e-5)


@pytest.mark.parametrize("form", convolution3d.FORMS)
def test_every_form_has_the_same_gradient(form):
    kernel = np.random.default_rng(3).normal(size=(2, 3, 2, 2, 8)).astype("float32")
    found, expected = (gradients(_Convolution(kernel, "same", f), X[:, 0]) for f in (form, "native"))
    gradients_agree(found, expected)


def test_forms_are_checked():
    with pytest.raises(ValueError, match="form = 'best'; allowed: auto, native"):
        ConvLSTM3D(2, 3, form="best")


def test_round_trip_with_any_batch_size(tmp_path):
    _, theirs = layers({"return_sequences": True})
    inputs = keras.Input(SHAPE[1:])
    ours = ConvLSTM3D(3, 3, padding="same", return_sequences=True, form="native", remat=True)
    model = keras.Model(inputs, ours(inputs))
    ours.set_weights(theirs.get_weights())
    model.save(tmp_path / "layer.keras")
    again = keras.saving.load_model(tmp_path / "layer.keras")
    agree(again(X), model(X), 0)
    agree(again(X[:1]), numbers(model(X))[0][:1])
    found = again.layers[-1]
    assert type(found) is ConvLSTM3D and found.get_config() == ours.get_config()
    assert keras.saving.get_registered_name(ConvLSTM3D) == "kmodels.layers>ConvLSTM3D"


def test_weights_saved_from_keras_load_into_ours(tmp_path):
    ours, theirs = layers()
    for layer, name in ((theirs, "theirs"), (ours, "ours")):
        layer.name = name
    models = [keras.Sequential([keras.Input(SHAPE[1:]), layer]) for layer in (theirs, ours)]
    models[0].save_weights(tmp_path / "w.weights.h5")
    ours.set_weights([np.zeros_like(w) for w in ours.get_weights()])
    models[1].load_weights(tmp_path / "w.weights.h5")
    agree(ours.get_weights(), theirs.get_weights(), 0)


def test_the_number_of_frames_may_be_unknown():
    inputs = keras.Input((None, *SHAPE[2:]))
    ours, theirs = layers()
    model = keras.Model(inputs, ours(inputs))
    agree(model.predict_on_batch(X), theirs(X))


def test_mixed_precision():
    ours, theirs = layers()
    low = ConvLSTM3D(3, 3, padding="same", dtype="mixed_bfloat16", remat=True)
    low.build(SHAPE)
    low.set_weights(ours.get_weights())
    y = low(X)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in low.weights} == {"float32"}
    agree(ops.cast(y, "float32"), theirs(X), 0.02)
    if BACKEND != "jax":  # that would only compile once more
        gradients_agree(gradients(low), gradients(theirs), 0.1)


@pytest.mark.skipif(BACKEND != "torch", reason="the reference is in PyTorch")
def test_plain_pytorch_agrees():
    import torch

    from kmodels.benchmarks.torch_reference.conv_lstm import TorchConvLSTM3D

    ours, _ = layers({"return_sequences": True})
    reference = TorchConvLSTM3D(2, 3, return_sequences=True)
    reference.load(*ours.get_weights())
    with torch.no_grad():
        y = reference(torch.tensor(np.moveaxis(X, -1, 2)))
    agree(ours(X), np.moveaxis(y.numpy(), 2, -1))


MEMORY = """
import keras, numpy as np
from kmodels.core.runs import provenance
from kmodels.layers.conv_lstm3d import ConvLSTM3D
inputs = keras.Input((30, 21, 45, 45, 1))
hidden = ConvLSTM3D(32, 3, padding="same", return_sequences=True, remat=True)(inputs)
model = keras.Model(inputs, ConvLSTM3D(32, 3, padding="same", remat=True)(hidden))
model.compile("adam", "mse")
model.train_on_batch(np.ones((1, 30, 21, 45, 45, 1), "float32"), np.ones((1, 21, 45, 45, 32), "float32"))
print(provenance.peak_memory_gb())
"""


@pytest.mark.slow
def test_a_full_size_sample_trains_within_12_gb():
    done = run_python("-c", MEMORY, check=0)
    assert float(done.stdout.split()[-1]) < 12
