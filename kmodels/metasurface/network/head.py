"""The head: decoded wavelengths become the transmittance of each pixel, by three kinds of output layer."""

import keras
from keras import layers, ops

from kmodels.metasurface.network.blocks import dropout
from kmodels.metasurface.network.optics.split_step import logits_of
from kmodels.metasurface.network.wavelengths import SpectrumBias

HEADS = ("shared", "per_detector", "conserving")
PIXELS = 4
LOGIT_OF_QUARTER = -1.0986123


def transmittance_head(
    decoded,
    wavelength,
    propagated,
    few=None,
    *,
    head: str,
    d_model: int,
    head_dropout: float,
    band: tuple[float, float],
    n_wavelengths: int,
    dtype,
):
    """Turn decoded wavelengths into transmittance.

    Parameters
    ----------
    decoded : KerasTensor
        (batch, w, d_model).
    wavelength : KerasTensor
        (batch, w) [nm].
    propagated : KerasTensor or None
        (batch, w, 5) of `SplitStepPropagation`, which the head then corrects. None: the head corrects a learned
        spectrum, the same for every pattern.
    few : KerasTensor or None
        (batch, w, 4) of a rigorous solution with few orders. The head then corrects that; and where there is a
        propagation, too, a mean of both, whose weights it finds for each wavelength and pixel.
    head, d_model, head_dropout, band, n_wavelengths, dtype
        As in `MetasurfaceNet`.

    Returns
    -------
    KerasTensor
        (batch, w, 4) in float32, pixels row by row; with "conserving" (batch, w, 5), the reflectance last.
    """
    outputs = PIXELS + (head == "conserving")
    if head == "shared":
        hidden = layers.Dense(d_model, activation="silu", dtype=dtype, name="head")(decoded)
        hidden = dropout(hidden, head_dropout, dtype)
    else:  # the heads of all detectors side by side, each d_model wide
        hidden = layers.Dense(outputs * d_model, activation="silu", dtype=dtype, name="heads")(decoded)
        hidden = layers.Reshape((-1, outputs, d_model), dtype=dtype)(dropout(hidden, head_dropout, dtype))

    def numbers(name: str, bias: str, start: float):
        """Make a number for each wavelength and detector, at first about the same for every pattern."""
        if head == "shared":
            last = layers.Dense(outputs, kernel_initializer=_small(), dtype=dtype, name=name)
        else:
            last = DetectorLogits(dtype=dtype, name=name)
        values = ops.cast(last(hidden), "float32")
        return values + SpectrumBias(band, n_wavelengths, outputs, start, name=bias)(wavelength)

    solutions = [logits_of(values, outputs) for values in (propagated, _with_reflected(few)) if values is not None]
    logits = numbers("shares", "spectrum", 0.0 if head == "conserving" or solutions else LOGIT_OF_QUARTER)
    if len(solutions) == 2:
        trust = ops.sigmoid(numbers("trust", "trusted", 0.0))
        solutions = [trust * solutions[0] + (1 - trust) * solutions[1]]
    logits = sum(solutions, start=logits)
    return ops.softmax(logits) if head == "conserving" else ops.sigmoid(logits)


def by_pixel(spectra):
    """Arrange (batch, 2, 2, w) as (batch, w, 4): undo `to_pixel_grid`."""
    return ops.stack([spectra[:, row, column] for row in range(2) for column in range(2)], axis=-1)


def _with_reflected(few):
    """Add to transmittance (batch, w, 4) what is reflected: a rigorous solution loses nothing."""
    return None if few is None else ops.concatenate([few, 1 - ops.sum(few, axis=-1, keepdims=True)], axis=-1)


def to_pixel_grid(transmittance):
    """Arrange (batch, w, 4) as (batch, 2, 2, w)."""
    rows = [ops.stack([transmittance[..., k], transmittance[..., k + 1]], axis=1) for k in (0, 2)]
    return ops.stack(rows, axis=1)


@keras.saving.register_keras_serializable("kmodels.metasurface")
class DetectorLogits(keras.layers.Layer):
    """Apply a last dense layer of its own to each detector: y[d] = <W[d], x[d]> + b[d].

    Input (batch, w, detectors, width); output (batch, w, detectors).
    """

    def build(self, input_shape):
        """Create W and b."""
        self.kernel = self.add_weight(name="kernel", shape=input_shape[-2:], initializer=_small())
        self.bias = self.add_weight(name="bias", shape=input_shape[-2:-1], initializer="zeros")

    def call(self, hidden):
        """Weigh and sum."""
        return ops.sum(hidden * self.kernel, axis=-1) + self.bias

    def compute_output_shape(self, input_shape):
        """Return (batch, w, detectors)."""
        return input_shape[:-1]


def _small():
    """Make the initializer of the last kernels: every pattern's spectra start close to the learned spectrum."""
    return keras.initializers.RandomNormal(stddev=0.02)
