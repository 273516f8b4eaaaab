"""What a colour router is asked for: each colour's light into the pixels of that colour."""

import numpy as np

from kmodels.metasurface.evaluation.prediction import light_of

COLOURS = {"B": "blue", "G": "green", "R": "red"}  # in the order of `light_of`


TARGETS = {"bayer": ("blue", "green", "red"), "blue": ("blue",), "green": ("green",), "red": ("red",)}


def wanted(wavelength: np.ndarray, pixel_order: str, band: tuple[float, float], target: str = "bayer") -> np.ndarray:
    """(2, 2, w) float32 weights, 1 / (colours x wavelengths of the colour) where light and pixel have one, else 0.

    target: a name in TARGETS, for the colours that count.
    """
    light = light_of(wavelength, band)
    counts = np.array([colour in TARGETS[target] for colour in COLOURS.values()])[:, None]
    per_colour = counts * light / np.maximum(light.sum(1, keepdims=True), 1) / len(TARGETS[target])
    return np.stack([per_colour["BGR".index(c)] for c in pixel_order]).reshape(2, 2, -1).astype("float32")


def efficiency(
    shares: np.ndarray, wavelength: np.ndarray, pixel_order: str, band: tuple[float, float], target: str = "bayer"
) -> np.ndarray:
    """(...) share of blue, green and red light, in the mean of the target's, that reaches pixels of its colour.

    shares: (..., 2, 2, w). A sensor without a pattern, whose pixels get a quarter each, has 1/3 for "bayer".
    """
    return (shares * wanted(wavelength, pixel_order, band, target)).sum((-3, -2, -1))


def by_colour(shares: np.ndarray, pixel_order: str) -> dict[str, np.ndarray]:
    """{"B", "G", "R": (w,)}: what the pixels of each colour get together. shares: (2, 2, w)."""
    pixels = shares.reshape(4, -1)
    return {c: pixels[[k for k, own in enumerate(pixel_order) if own == c]].sum(0) for c in COLOURS}
