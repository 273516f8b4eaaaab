"""Fourier mixing: a learned filter over the spatial frequencies of a periodic field."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kmodels.layers")
class FourierMixing(keras.layers.Layer):
    """A learned filter over space, one for each channel: y = F^-1 (W F x), a circular convolution as wide as the field.

    F is the real two-dimensional Fourier transform over (y, x), W a complex number for each channel and frequency,
    started at 1 + 0i plus noise, so that the layer starts close to the identity. Residual, norm and activation are left
    to the network.

    Input (batch, y, x, channels), y and x known and of any size; output the same shape. All is computed in float32,
    whatever the dtype policy, and handed on in the policy's compute type.

    Parameters
    ----------
    noise : float
        Standard deviation of the real and the imaginary part of W - 1 at the start.
    **kwargs
        Of `keras.layers.Layer`.

    References
    ----------
    Rao et al. 2021, Global Filter Networks for Image Classification, arXiv:2107.00645.
    """

    def __init__(self, noise: float = 0.02, **kwargs):
        # Cast to bfloat16 on the way in, an input would have lost what float32 could keep.
        super().__init__(autocast=False, **kwargs)
        self.noise = noise

    def build(self, input_shape):
        """Create W."""
        _, ny, nx, channels = input_shape
        if ny is None or nx is None:
            raise ValueError(f"FourierMixing: input of shape {tuple(input_shape)}; y and x must be known")
        for name, mean in (("real", 1.0), ("imag", 0.0)):
            weight = self.add_weight(
                name=name,
                shape=(channels, ny, nx // 2 + 1),
                initializer=keras.initializers.RandomNormal(mean, self.noise),
                dtype="float32",
                autocast=False,
            )
            setattr(self, name, weight)

    def call(self, inputs):
        """Transform, multiply, transform back."""
        x = ops.transpose(ops.cast(inputs, "float32"), (0, 3, 1, 2))
        real, imag = rfft2(x)
        filtered = (real * self.real - imag * self.imag, real * self.imag + imag * self.real)
        y = irfft2(filtered, x.shape[-2:])
        return ops.cast(ops.transpose(y, (0, 2, 3, 1)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the input."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "noise": self.noise}


def rfft2(x):
    """Compute real and imaginary part of the discrete Fourier transform over the last two axes, as `numpy.fft.rfft2`.

    x: (..., y, x) float32. Returns two tensors (..., y, x // 2 + 1).
    """
    real, imag = (ops.swapaxes(part, -1, -2) for part in ops.rfft(x))
    return tuple(ops.swapaxes(part, -1, -2) for part in ops.fft((real, imag)))


def irfft2(spectrum, size):
    """Invert `rfft2`, as `numpy.fft.irfft2`.

    spectrum: (real, imaginary), each (..., y, x // 2 + 1). size: (y, x). Returns (..., y, x).
    """
    real, imag = (ops.swapaxes(part, -1, -2) for part in spectrum)
    # keras.ops has no inverse of fft: with real and imaginary part exchanged, before and after, fft is its own.
    imag, real = (ops.swapaxes(part, -1, -2) / size[0] for part in ops.fft((imag, real)))
    return ops.irfft((real, imag), fft_length=size[1])
