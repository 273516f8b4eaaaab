"""Layers on wavelengths: the sinusoidal embedding of the queries, and the learned mean spectrum."""

import math

import keras
import numpy as np
from keras import ops

SHORTEST = 8  # period of the fastest sine, in spacings of wavelengths


@keras.saving.register_keras_serializable("kmodels.metasurface")
class SinesOfWavelength(keras.layers.Layer):
    """Embed wavelengths as sin and cos of 2 pi f u with u = (wavelength - lowest) / (highest - lowest).

    Input (batch, w) [nm]; output (batch, w, width).

    Parameters
    ----------
    band : tuple of float
        (lowest, highest) [nm].
    highest_frequency : float
        Of f [periods per band]; the lowest is 1/2, and they are evenly spaced on a logarithmic scale.
    width : int
        Of the output, even.
    **kwargs
        `name`, `dtype` and `trainable` of a `keras.layers.Layer`.
    """

    def __init__(self, band: tuple[float, float], highest_frequency: float, width: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.band, self.highest_frequency, self.width = tuple(band), highest_frequency, width

    def call(self, wavelength):
        """Compute sines, then cosines."""
        low, high = self.band
        frequencies = np.geomspace(0.5, self.highest_frequency, self.width // 2).astype("float32")
        position = (ops.cast(wavelength, "float32") - low) / (high - low)
        phase = ops.multiply(ops.expand_dims(position, -1), 2 * math.pi * frequencies)
        return ops.cast(ops.concatenate([ops.sin(phase), ops.cos(phase)], axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return (batch, w, width)."""
        return (*input_shape, self.width)

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"band": self.band, "highest_frequency": self.highest_frequency, "width": self.width}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kmodels.metasurface")
class SpectrumBias(keras.layers.Layer):
    """A learned spectrum, the same for every pattern, interpolated linearly between evenly spaced wavelengths.

    Input (batch, w) [nm]; output (batch, w, outputs) in float32.

    Parameters
    ----------
    band : tuple of float
        (lowest, highest) wavelength [nm].
    knots : int
        Wavelengths with a learned value.
    outputs : int
        Spectra.
    start : float
        Initial value of all.
    **kwargs
        `name`, `dtype` and `trainable` of a `keras.layers.Layer`.
    """

    def __init__(self, band: tuple[float, float], knots: int, outputs: int, start: float = 0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.band, self.knots, self.outputs, self.start = tuple(band), knots, outputs, start

    def build(self, input_shape):
        """Create the spectrum."""
        self.spectrum = self.add_weight(
            name="spectrum",
            shape=(self.knots, self.outputs),
            initializer=keras.initializers.Constant(self.start),
            dtype="float32",
            autocast=False,
        )

    def call(self, wavelength):
        """Interpolate."""
        low, high = self.band
        position = (ops.cast(wavelength, "float32") - low) / (high - low) * (self.knots - 1)
        left = ops.clip(ops.floor(position), 0, self.knots - 2)
        part = ops.expand_dims(position - left, -1)
        left = ops.cast(left, "int32")
        # Times one: tensorflow's gradient of what is taken from a variable is sparse, and its norm another.
        spectrum = ops.multiply(self.spectrum, 1.0)
        return (1 - part) * ops.take(spectrum, left, axis=0) + part * ops.take(spectrum, left + 1, axis=0)

    def compute_output_shape(self, input_shape):
        """Return (batch, w, outputs)."""
        return (*input_shape, self.outputs)

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"band": self.band, "knots": self.knots, "outputs": self.outputs, "start": self.start}
        return {**super().get_config(), **own}
