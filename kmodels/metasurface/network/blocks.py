"""Layers in the combinations that encoder, decoder and head are built of; each function adds to a functional graph."""

from keras import layers, ops

from kmodels.core.training.devices.layers import Dropout
from kmodels.core.training.term_model import dropout_seed


def periodic_conv(x, channels: int, width: int, stride: int, dtype, name: str, use_bias: bool = False):
    """Convolve a field (batch, y, x, channels) that is periodic along both axes.

    An even width is that of a patch embedding: `stride` is as large, and nothing needs to be padded.
    """
    around = width // 2 if width % 2 else 0
    for axis in (1, 2) if around else ():
        first, last = _ends(x, axis, around)
        x = ops.concatenate([last, x, first], axis)
    return layers.Conv2D(channels, width, stride, use_bias=use_bias, dtype=dtype, name=name)(x)


def norm_silu(x, dtype, name: str):
    """Apply group norm, eight channels or more a group, and SiLU."""
    channels = x.shape[-1]
    groups = next(g for g in range(max(channels // 8, 1), 0, -1) if channels % g == 0)
    return ops.silu(layers.GroupNormalization(groups, dtype=dtype, name=f"{name}_norm")(x))


def layer_norm(x, dtype, name: str):
    """Apply layer norm."""
    return layers.LayerNormalization(dtype=dtype, name=f"{name}_norm")(x)


def dropout(x, rate: float, dtype):
    """Apply dropout; a rate of 0 adds no layer."""
    return Dropout(rate, seed=dropout_seed(), dtype=dtype)(x) if rate else x


def residual(x, channels: int, stride: int, dropout_rate: float, dtype, name: str):
    """Compute x + conv 1 x 1 (norm, SiLU (conv 3 x 3 (x))); the shortcut is a 1 x 1 convolution where shapes change."""
    inner = norm_silu(periodic_conv(x, channels, 3, stride, dtype, f"{name}_3x3"), dtype, name)
    inner = dropout(inner, dropout_rate, dtype)
    inner = periodic_conv(inner, channels, 1, 1, dtype, f"{name}_1x1", use_bias=True)
    if stride > 1 or x.shape[-1] != channels:
        x = periodic_conv(x, channels, 1, stride, dtype, f"{name}_shortcut")
    return ops.add(x, inner)


def _ends(x, axis: int, width: int):
    """Take the first and the last `width` places of axis 1 or 2."""
    return (x[:, :width], x[:, -width:]) if axis == 1 else (x[:, :, :width], x[:, :, -width:])
