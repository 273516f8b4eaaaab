"""The parts of the U-Net: an encoder of five levels, and decoders that read all of them."""

import keras
import numpy as np
from keras import layers, ops

from kmodels.echo.network.normalization import MOMENTUM, FreezableNormalization, FusedNormalization
from kmodels.echo.network.sizes import LEVELS, channels

SMALL = 0.01  # standard deviation of the last weights before a start map, at the beginning


def with_coordinates(x):
    """Append each point's frequency and time, from -1 to 1, to x (batch, frequency, time, channels)."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in x.shape[1:3]), indexing="ij")
    return ops.concatenate([x, ops.zeros_like(x[..., :2]) + np.stack(axes, -1).astype("float32")], axis=-1)


def encoder(x, width: int, policy: str) -> list:
    """Return the features of every level, the finest first; the coarsest with one more convolution.

    Parameters
    ----------
    x : tensor
        (batch, frequency, time, channels).
    width : int
        Channels of the first level; see `sizes.channels`.
    policy : str
        The dtype policy of the layers.
    """
    levels = []
    for level, n in enumerate(channels(width)):
        if level:
            x = layers.MaxPooling2D(dtype=policy)(x)
        for k in range(2):
            x = _conv_block(x, n, f"encoder_{level}{'ab'[k]}", policy)
        levels.append(x)
    levels[-1] = _conv_block(x, n, "bottom", policy)
    return levels


def decoder(skips: list, width: float, name: str, policy: str):
    """Return logits (batch, y, x): halved in channels, doubled in size, joined with the encoder's level, convolved.

    A decoder narrower than the encoder reads the first of its channels, which costs no weights.

    Parameters
    ----------
    skips : list of tensors
        What `encoder` returns.
    width : float
        Channels of the last level.
    name : str
        "base", "residual" or "depth": so begin the names of its layers. The base's can be frozen.
    policy : str
        The dtype policy of the layers.
    """
    own = channels(width)
    normalization = FreezableNormalization if name == "base" else FusedNormalization
    x = _first_channels(skips[-1], own[-1])
    for level in range(LEVELS - 2, -1, -1):
        n = own[level]
        x = layers.Conv2D(n, 1, dtype=policy, name=f"{name}_{level}_up")(x)
        x = layers.UpSampling2D(interpolation="bilinear", dtype=policy)(x)
        x = layers.Concatenate(dtype=policy)([x, _first_channels(skips[level], n)])
        x = _conv_block(x, n, f"{name}_{level}", policy, normalization)
    # Not the residual's: from zero, the price of its size would hold it there before its features say anything.
    initializer = "glorot_uniform" if name == "residual" else keras.initializers.RandomNormal(stddev=SMALL)
    logit = layers.Conv2D(1, 1, kernel_initializer=initializer, dtype=policy, name=f"{name}_out")(x)
    return ops.cast(ops.squeeze(logit, -1), "float32")


def _conv_block(x, n: int, name: str, policy: str, normalization=FusedNormalization):
    """3 x 3 convolution, normalised, ReLU."""
    x = layers.Conv2D(n, 3, padding="same", use_bias=False, dtype=policy, name=f"{name}_conv")(x)
    return layers.ReLU(dtype=policy)(normalization(momentum=MOMENTUM, dtype=policy, name=f"{name}_norm")(x))


def _first_channels(x, n: int):
    return x if x.shape[-1] <= n else x[..., :n]


@keras.saving.register_keras_serializable("kmodels.echo")
class StartMap(layers.Layer):
    """Add a map that is set once and not trained: (batch, y, x) -> the same.

    Parameters
    ----------
    name : str, optional
        Of the layer.
    """

    def __init__(self, name: str | None = None, trainable: bool = True, dtype=None):
        super().__init__(name=name, trainable=trainable, dtype=dtype or "float32")

    def build(self, input_shape):
        """Create the map, of zeros."""
        self.map = self.add_weight(name="map", shape=input_shape[1:], initializer="zeros", trainable=False)

    def call(self, inputs):
        """Add the map to inputs (batch, y, x)."""
        return inputs + self.map
