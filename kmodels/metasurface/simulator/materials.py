"""Refractive indices of transparent materials by wavelength."""

import numpy as np
from numpy.typing import ArrayLike

# {material: ((B, C [um]), ...)} of n^2 = 1 + sum B l^2 / (l^2 - C^2). Both hold from 310 nm to 3.7 um.
# silica: fused silica, Malitson (1965), J. Opt. Soc. Am. 55, 1205. silicon_nitride: Luke et al. (2015), Opt. Lett.
# 40, 4823.
SELLMEIER = {
    "air": (),
    "silica": ((0.6961663, 0.0684043), (0.4079426, 0.1162414), (0.8974794, 9.896161)),
    "silicon_nitride": ((3.0249, 0.1353406), (40314.0, 1239.842)),
}


def refractive_index(material: str, wavelength: ArrayLike) -> np.ndarray:
    """Compute n of a material by Sellmeier's equation n^2 = 1 + sum_i B_i l^2 / (l^2 - C_i^2).

    Parameters
    ----------
    material : str
        A name in SELLMEIER.
    wavelength : array_like
        l in vacuum, of any shape [nm].

    Returns
    -------
    ndarray
        n, of that shape; none of the materials absorbs.
    """
    return np.sqrt(squared_index(material, np.asarray(wavelength, "float64")))


def squared_index(material: str, wavelength):
    """Compute n^2 in the same way, for an array or a tensor of wavelengths [nm]."""
    squared = (wavelength / 1000.0) ** 2
    return sum((b * squared / (squared - c**2) for b, c in SELLMEIER[material]), 0.0 * squared + 1.0)
