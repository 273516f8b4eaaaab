"""Every layer: against NumPy, round trip, bfloat16."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.layers.attention_pooling import AttentionPooling
from kmodels.layers.grouped_rnn import GroupedRNN
from kmodels.layers.token_embedding import TokenEmbedding

RNG = np.random.default_rng(0)
CASES = {
    "attention_pooling": (AttentionPooling(4), RNG.normal(size=(2, 5, 3)).astype("float32")),
    "token_embedding": (TokenEmbedding([3, 4], 6), RNG.integers(0, 3, (2, 5, 2)).astype("int32")),
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name, tmp_path):
    layer, x = CASES[name]
    inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *layer.compute_output_shape(x.shape)[1:])
    model.save(tmp_path / "layer.keras")
    again = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("name", CASES)
def test_bfloat16(name):
    layer, x = CASES[name]
    low = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    y = low(ops.cast(x, "bfloat16") if x.dtype == np.float32 else x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))).all()


def test_token_embedding_adds_one_row_a_column():
    layer, x = CASES["token_embedding"]
    y = ops.convert_to_numpy(layer(x))
    table = ops.convert_to_numpy(layer.table)
    np.testing.assert_allclose(y, table[x[..., 0]] + table[3 + x[..., 1]], rtol=1e-6)


def test_attention_pooling_is_a_weighted_mean_over_what_the_mask_leaves():
    layer, x = CASES["attention_pooling"]
    mask = np.array([[True, True, False, False, False], [False] * 4 + [True]])
    y = ops.convert_to_numpy(layer(x, mask=mask))
    w, b = (ops.convert_to_numpy(v) for v in layer.hidden.weights)
    score = np.tanh(x @ w + b) @ ops.convert_to_numpy(layer.score.weights[0])
    weight = np.exp(score[0, :2]) / np.exp(score[0, :2]).sum()
    np.testing.assert_allclose(y[0], (weight * x[0, :2]).sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(y[1], x[1, 4], rtol=1e-5)
    changed = x.copy()
    changed[0, 2:] = 99.0
    np.testing.assert_allclose(ops.convert_to_numpy(layer(changed, mask=mask))[0], y[0], rtol=1e-5)


class _Sum(keras.layers.Layer):
    """A recurrence that can be read off: y_t = sum of x up to t."""

    def call(self, inputs, mask=None, training=False):
        return ops.cumsum(inputs, axis=1)

    def compute_output_shape(self, shape):
        return shape


def test_grouped_rnn_reads_group_after_group():
    x = np.arange(1.0, 7.0, dtype="float32").reshape(1, 6, 1)
    groups = np.array([[1, 0, 1, 0, 2, 0]])
    y = ops.convert_to_numpy(GroupedRNN(_Sum())(x, groups))[0, :, 0]
    # Group 0 holds 2, 4, 6, group 1 then 1, 3, and group 2 the 5; the sum runs on from group to group.
    np.testing.assert_allclose(y, [13, 2, 16, 6, 21, 12])


@pytest.mark.parametrize("both", [False, True])
def test_grouped_rnn_saves_loads_and_leaves_masked_steps_out(both, tmp_path):
    rnn = keras.layers.GRU(4, return_sequences=True)
    layer = GroupedRNN(keras.layers.Bidirectional(rnn) if both else rnn)
    inputs, groups = keras.Input((None, 3)), keras.Input((None,), dtype="int32")
    mask = keras.Input((None,), dtype="bool")
    model = keras.Model([inputs, groups, mask], layer(inputs, groups, mask=mask))
    model.save(tmp_path / "layer.keras")
    again = keras.saving.load_model(tmp_path / "layer.keras")
    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    g = np.array([[0, 1, 0, 1, 0, 0], [2, 2, 0, 0, 1, 1]], "int32")
    m = np.array([[True] * 4 + [False] * 2, [True] * 6])
    y = model.predict_on_batch([x, g, m])
    np.testing.assert_array_equal(y, again.predict_on_batch([x, g, m]))
    short = model.predict_on_batch([x[:1, :4], g[:1, :4], m[:1, :4]])
    np.testing.assert_allclose(y[:1, :4], short, atol=1e-6)


def test_grouped_rnn_of_one_group_is_its_rnn():
    rnn = keras.layers.GRU(4, return_sequences=True)
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    y = GroupedRNN(rnn)(x, np.zeros((2, 5), "int32"))
    np.testing.assert_allclose(ops.convert_to_numpy(y), ops.convert_to_numpy(rnn(x)), atol=1e-6)


def test_grouped_rnn_learns_as_its_rnn_does_on_sorted_steps():
    """One step of training gives the same weights, those of a layer below it among them."""
    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    target = RNG.normal(size=(2, 6, 4)).astype("float32")
    groups = np.array([[0, 1, 0, 1, 0, 0], [2, 2, 0, 0, 1, 1]], "int32")
    order = np.argsort(groups, axis=1, kind="stable")[..., None]
    steps, strand = keras.Input((None, 3)), keras.Input((None,), dtype="int32")
    below = keras.layers.Dense(3)(steps)
    grouped = keras.Model([steps, strand], GroupedRNN(keras.layers.GRU(4, return_sequences=True))(below, strand))
    below = keras.layers.Dense(3)(steps)
    plain = keras.Model(steps, keras.layers.GRU(4, return_sequences=True)(below))
    plain.set_weights(grouped.get_weights())
    for model, inputs, wanted in (
        (grouped, [x, groups], target),
        (plain, np.take_along_axis(x, order, 1), np.take_along_axis(target, order, 1)),
    ):
        model.compile(keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(inputs, wanted)
    for a, b in zip(grouped.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
