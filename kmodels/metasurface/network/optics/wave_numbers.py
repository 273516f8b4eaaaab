"""A few wavelengths of a band, and polynomials in the wave number between them."""

import numpy as np
from keras import ops


class WaveNumbers:
    """Chebyshev points of a band's wave numbers.

    Parameters
    ----------
    band : tuple of float
        Shortest and longest wavelength [nm].
    nodes : int
        Number of points.

    Attributes
    ----------
    nodes : ndarray
        (nodes,) wave numbers [1/nm].
    places : ndarray
        (nodes,) the same from -1, the band's longest wavelength, to 1.
    """

    def __init__(self, band: tuple[float, float], nodes: int):
        low, high = 2 * np.pi / band[1], 2 * np.pi / band[0]
        self.center, self.reach = (low + high) / 2, (high - low) / 2
        self.places = places = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
        self.nodes = self.center + self.reach * places
        self.coefficients = np.linalg.inv(np.polynomial.chebyshev.chebvander(places, nodes - 1)).astype("float32")

    def polynomials(self, wavelength):
        """Compute the weight of each node at wavelengths (batch, w) [nm]: (batch, w, nodes)."""
        place = ops.clip((2 * np.pi / wavelength - self.center) / self.reach, -1.0, 1.0)
        order = ops.arange(len(self.nodes), dtype="float32")
        return ops.matmul(ops.cos(ops.expand_dims(ops.arccos(place), -1) * order), self.coefficients)
