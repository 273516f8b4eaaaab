"""The efficiency of a colour router: the light of each colour that reaches pixels of that colour."""

import numpy as np

from kmodels.metasurface.evaluation.prediction import light_of

COLOURS = {"B": "blue", "G": "green", "R": "red"}  # in the order of `light_of`


TARGETS = {"bayer": ("blue", "green", "red"), "blue": ("blue",), "green": ("green",), "red": ("red",)}


def target_weights(
    wavelength: np.ndarray, pixel_order: str, band: tuple[float, float], target: str = "bayer"
) -> np.ndarray:
    """Compute the weights of the transmittance in a target's efficiency.

    Parameters
    ----------
    wavelength : ndarray
        (w,) [nm].
    pixel_order : str
        Colours of the pixels.
    band : tuple of float
        Shortest and longest wavelength [nm].
    target : str
        A name in TARGETS: the colours that count.

    Returns
    -------
    ndarray
        (2, 2, w) float32: 1 / (colours x wavelengths of the colour) where light and pixel have the same one, else 0.
    """
    light = light_of(wavelength, band)
    counts = np.array([colour in TARGETS[target] for colour in COLOURS.values()])[:, None]
    per_colour = counts * light / np.maximum(light.sum(1, keepdims=True), 1) / len(TARGETS[target])
    return np.stack([per_colour["BGR".index(c)] for c in pixel_order]).reshape(2, 2, -1).astype("float32")


def efficiency(
    transmittance: np.ndarray,
    wavelength: np.ndarray,
    pixel_order: str,
    band: tuple[float, float],
    target: str = "bayer",
) -> np.ndarray:
    """Compute the fraction of the light, averaged over the target's colours, that reaches pixels of its colour.

    Parameters
    ----------
    transmittance : ndarray
        (..., 2, 2, w).
    wavelength : ndarray
        (w,) [nm].
    pixel_order : str
        Colours of the pixels.
    band : tuple of float
        Shortest and longest wavelength [nm]; its thirds are blue, green and red.
    target : str
        A name in TARGETS.

    Returns
    -------
    ndarray
        (...). Without a pattern, a quarter of the light in each pixel, it is 1/3 for "bayer".
    """
    return (transmittance * target_weights(wavelength, pixel_order, band, target)).sum((-3, -2, -1))


def by_colour(transmittance: np.ndarray, pixel_order: str) -> dict[str, np.ndarray]:
    """Add up the transmittance (2, 2, w) of the pixels of each colour: {"B", "G", "R": (w,)}."""
    pixels = transmittance.reshape(4, -1)
    return {c: pixels[[k for k, own in enumerate(pixel_order) if own == c]].sum(0) for c in COLOURS}
