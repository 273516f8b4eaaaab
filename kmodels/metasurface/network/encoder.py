"""The encoder: a residual network on the periodic pattern, whose features become tokens."""

import keras
from keras import layers, ops

from kmodels.layers.fourier_mixing import FourierMixing
from kmodels.metasurface.network.blocks import norm_silu, periodic_conv, residual


def encode_pattern(
    pattern,
    *,
    stem: int,
    stem_stride: int,
    channels: tuple[int, ...],
    blocks: int,
    residual_dropout: float,
    fourier_mixing: bool,
    tokens: int,
    d_model: int,
    dtype,
):
    """Turn patterns into tokens and a feature vector.

    Parameters
    ----------
    pattern : KerasTensor
        (batch, y, x, 1) of 0 and 1.
    stem, stem_stride, channels, blocks, residual_dropout, fourier_mixing, tokens, d_model, dtype
        As in `MetasurfaceNet`.

    Returns
    -------
    tokens : KerasTensor
        (batch, tokens, d_model): local ones, row by row, and a global one.
    pooled : KerasTensor
        (batch, channels[-1]) mean of the last stage.
    """
    # A stride of 8 is wider than the kernel of 5: there the pattern is cut into patches of 8 x 8.
    x = periodic_conv(pattern, stem, 8 if stem_stride == 8 else 5, stem_stride, dtype, "stem")
    x = norm_silu(x, dtype, "stem")
    stages = []
    for stage, width in enumerate(channels):
        for block in range(blocks):
            halved = block == 0 and 2 ** (stage + 1) >= stem_stride
            x = residual(x, width, 2 if halved else 1, residual_dropout, dtype, f"stage_{stage}_{block}")
        if stage == 1 and fourier_mixing:
            mixed = FourierMixing(dtype=dtype, name="fourier_mixing")(x)
            x = norm_silu(ops.add(x, mixed), dtype, "fourier")
        stages.append(x)
    x = norm_silu(x, dtype, "last")
    pooled = ops.mean(x, axis=(1, 2))
    local = x if tokens == 17 else norm_silu(stages[2], dtype, "third")
    return _tokens(local, pooled, d_model, dtype), pooled


def _tokens(local, pooled, d_model: int, dtype):
    """Tokens of a feature map and of its mean. No biases: each token has a learned position."""
    local = layers.Dense(d_model, use_bias=False, dtype=dtype, name="local_tokens")(local)
    local = layers.Reshape((-1, d_model), dtype=dtype)(local)
    token = layers.Dense(d_model, use_bias=False, dtype=dtype, name="global_token")(pooled)
    tokens = ops.concatenate([local, ops.expand_dims(token, 1)], 1)
    return Positions(dtype=dtype, name="positions")(tokens)


@keras.saving.register_keras_serializable("kmodels.metasurface")
class Positions(keras.layers.Layer):
    """Add a learned vector to each token.

    Input and output: (batch, tokens, width).
    """

    def build(self, input_shape):
        """Create the vectors."""
        self.vectors = self.add_weight(name="vectors", shape=input_shape[1:], initializer="random_normal")

    def call(self, tokens):
        """Add them."""
        return tokens + self.vectors

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape
