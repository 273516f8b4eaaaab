"""Operations in words that every format knows: a Fourier transform as a product of matrices, and the like.

ONNX' converter has no RFFT, LiteRT no complex numbers, and several formats know neither expm1 and log1p nor erfc and
the sign bit, which Keras' gelu and argmax are made of on tensorflow; ONNX Runtime resizes 7 cells to 12 where 13 are
asked for. While a network is built and exported, in a process of its own, `keras.ops` has these functions in their
place.
"""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops


def _waves(n: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2 pi j k / n: (n, columns) each, float32."""
    angle = 2 * np.pi * (np.outer(np.arange(n), np.arange(columns)) % n) / n
    return np.cos(angle).astype("float32"), np.sin(angle).astype("float32")


def _last(parts):
    return tuple(ops.swapaxes(part, -1, -2) for part in parts)


def fft(x):
    """Transform over the last axis; x: (real, imaginary)."""
    real, imag = x
    cosine, sine = _waves(real.shape[-1], real.shape[-1])
    return (
        ops.matmul(real, cosine) + ops.matmul(imag, sine),
        ops.matmul(imag, cosine) - ops.matmul(real, sine),
    )


def fft2(x):
    """Transform over the last two axes."""
    return _last(fft(_last(fft(x))))


def ifft2(x):
    """Invert `fft2`: with real and imaginary part exchanged, before and after, it is its own inverse."""
    real, imag = x
    count = real.shape[-1] * real.shape[-2]
    imag, real = fft2((imag, real))
    return real / count, imag / count


def rfft(x, fft_length=None):
    """Transform real numbers over the last axis: its length // 2 + 1 frequencies."""
    cosine, sine = _waves(x.shape[-1], x.shape[-1] // 2 + 1)
    return ops.matmul(x, cosine), -ops.matmul(x, sine)


def irfft(x, fft_length=None):
    """Invert `rfft`."""
    real, imag = x
    n = fft_length or 2 * (real.shape[-1] - 1)
    twice = np.full(real.shape[-1], 2.0 / n, "float32")
    twice[0] = 1.0 / n
    if n % 2 == 0:
        twice[-1] = 1.0 / n
    cosine, sine = _waves(n, real.shape[-1])
    return ops.matmul(real, (cosine * twice).T) - ops.matmul(imag, (sine * twice).T)


def expm1(x):
    """Compute exp(x) - 1; near 0 it rounds to 6e-8."""
    return ops.exp(x) - 1.0


def log1p(x):
    """Compute log(1 + x); near 0 it rounds to 6e-8."""
    return ops.log(1.0 + x)


def argmax(x, axis=None, keepdims=False):
    """Find the first index of the largest value along an axis."""
    x = ops.moveaxis(x, axis, -1)
    places = ops.where(x >= ops.max(x, axis=-1, keepdims=True), np.arange(x.shape[-1], dtype="int32"), x.shape[-1])
    index = ops.min(places, axis=-1)
    return ops.expand_dims(index, axis) if keepdims else index


def eye(n, dtype="float32"):
    """Make an identity matrix; OpenVINO has no operation that puts a diagonal into one."""
    return ops.convert_to_tensor(np.eye(n), dtype)


def gelu(x):
    """Compute x times the normal distribution's share below it."""
    return 0.5 * x * (1.0 + ops.erf(x * 0.7071067811865476))


def resize(images, size, interpolation="bilinear", antialias=False, data_format=None, **how):
    """Interpolate maps (batch, y, x, channels) to (y, x) = size, no smaller, bilinear, as products of matrices."""
    if interpolation != "bilinear" or antialias or data_format != "channels_last" or how:
        raise ValueError(
            "only bilinear interpolation of channels_last without antialias is written in plain operations"
        )
    rows, columns = (_interpolation(before, after) for before, after in zip(images.shape[1:3], size, strict=True))
    tall = ops.einsum("ay,byxc->baxc", rows, images)
    return ops.einsum("dx,baxc->badc", columns, tall)


def _interpolation(before: int, after: int) -> np.ndarray:
    """Linear interpolation between the middles of `before` cells at those of `after`: (after, before) float32."""
    place = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(before)), 0).astype("float32")


PLAIN = {function: ops for function in (fft, fft2, ifft2, rfft, irfft, expm1, log1p, argmax, eye)} | {resize: ops.image}


@contextlib.contextmanager
def operations() -> Iterator[None]:
    """Let `keras.ops` have the functions of this file while inside."""
    kept = {function: getattr(owner, function.__name__) for function, owner in PLAIN.items()}
    try:
        for function, owner in PLAIN.items():
            setattr(owner, function.__name__, function)
        yield
    finally:
        for function, owner in PLAIN.items():
            setattr(owner, function.__name__, kept[function])


def plain_activations(network: keras.Model) -> None:
    """Give the layers of a network that have Keras' gelu the one of this file."""
    for layer in network.layers:
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = gelu
