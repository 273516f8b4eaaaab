"""The loss terms of spectra (batch, 2, 2, w); a term is (batch,).

    loss = w_mse MSE + w_rel mean clip((p - t) / (|t| + 1e-4), +-10)^2
         + w_grad MSE of first differences + w_curvature MAE of second differences, along wavelength

Weights are variables of the model: a schedule, or a file in the run's folder, changes them during training.
"""

import numpy as np
from keras import ops

TERMS = ("mse", "rel", "grad", "curvature")
LEAST_SHARE, LARGEST_RATIO = 1e-4, 10.0


def pixel_weights(pixel_order: str, blue: float) -> np.ndarray:
    """Compute weights of the pixels with mean 1: before scaling `blue` for the blue one and 1 for the others.

    Parameters
    ----------
    pixel_order : str
        Colours of the pixels, such as "RGGB".
    blue : float
        Weight of the blue pixel.

    Returns
    -------
    ndarray
        (2, 2, 1) float32.
    """
    weights = np.array([blue if colour == "B" else 1.0 for colour in pixel_order], "float32")
    return (weights / weights.mean()).reshape(2, 2, 1)


def spectral_terms(truth, predicted, weights) -> dict:
    """Compute the loss terms of each example.

    Parameters
    ----------
    truth, predicted : tensor
        (batch, 2, 2, w) transmittance.
    weights : ndarray
        (2, 2, 1) of the pixels.

    Returns
    -------
    dict of str to tensor
        (batch,) for each name in TERMS.
    """
    truth, predicted = ops.cast(truth, "float32"), ops.cast(predicted, "float32")
    error = predicted - truth
    relative = ops.clip(error / (ops.abs(truth) + LEAST_SHARE), -LARGEST_RATIO, LARGEST_RATIO)
    slope = error[..., 1:] - error[..., :-1]
    bend = slope[..., 1:] - slope[..., :-1]
    values = ops.square(error), ops.square(relative), ops.square(slope), ops.abs(bend)
    return {name: ops.mean(ops.multiply(weights, v), axis=(1, 2, 3)) for name, v in zip(TERMS, values, strict=True)}
