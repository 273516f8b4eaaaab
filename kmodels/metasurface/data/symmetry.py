"""The 32 symmetries of a square period with four pixels, in unpolarised light at normal incidence.

A pattern shifted by half a period along an axis, flipped or transposed gives the same spectra in other pixels:
4 shifts x 4 flips x transposed or not. All of it is exact.
"""

import numpy as np

COUNT = 32


def move_patterns(patterns: np.ndarray, symmetry: int) -> np.ndarray:
    """Apply a symmetry to patterns.

    Parameters
    ----------
    patterns : ndarray
        (..., y, x), square and of even size.
    symmetry : int
        0 .. 31; 0 is the identity.

    Returns
    -------
    ndarray
        The same shape.
    """
    transpose, flips, shifts = _parts(symmetry)
    rows, columns = patterns.shape[-2:]
    moved = np.roll(patterns, (shifts[0] * (rows // 2), shifts[1] * (columns // 2)), axis=(-2, -1))
    return _orient(moved, transpose, flips)


def move_spectra(spectra: np.ndarray, symmetry: int) -> np.ndarray:
    """Apply a symmetry to spectra.

    Parameters
    ----------
    spectra : ndarray
        (..., 2, 2, w).
    symmetry : int
        0 .. 31.

    Returns
    -------
    ndarray
        The spectra that belong to `move_patterns` of the same symmetry.
    """
    transpose, flips, shifts = _parts(symmetry)
    pixels = np.roll(np.moveaxis(spectra, -1, 0), shifts, axis=(-2, -1))
    return np.moveaxis(_orient(pixels, transpose, flips), 0, -1)


def _parts(symmetry: int) -> tuple[bool, tuple[int, ...], tuple[int, int]]:
    """Decode a symmetry: (transposed, axes flipped, (rows, columns) shifted by half a period: 0 or 1)."""
    if not 0 <= symmetry < COUNT:
        raise ValueError(f"symmetry {symmetry}; expected 0 .. {COUNT - 1}")
    bits = [symmetry >> k & 1 for k in range(5)]
    return bool(bits[4]), tuple(axis for axis, bit in ((-2, bits[2]), (-1, bits[3])) if bit), (bits[0], bits[1])


def _orient(values: np.ndarray, transpose: bool, flips: tuple[int, ...]) -> np.ndarray:
    flipped = np.flip(values, flips)
    return np.swapaxes(flipped, -2, -1) if transpose else flipped
