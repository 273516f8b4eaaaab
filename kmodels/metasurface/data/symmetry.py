"""The 32 symmetries of a square period with four pixels, in unpolarised light at normal incidence.

A pattern shifted by half a period along an axis, flipped or transposed gives the same spectra in other pixels:
4 shifts x 4 flips x transposed or not. All of it is exact.
"""

import numpy as np

COUNT = 32


def moved_patterns(patterns: np.ndarray, symmetry: int) -> np.ndarray:
    """Patterns (..., y, x), square and of even size, under symmetry 0 .. 31; 0 changes nothing."""
    transpose, flips, shifts = _parts(symmetry)
    rows, columns = patterns.shape[-2:]
    moved = np.roll(patterns, (shifts[0] * (rows // 2), shifts[1] * (columns // 2)), axis=(-2, -1))
    return _turned(moved, transpose, flips)


def moved_spectra(spectra: np.ndarray, symmetry: int) -> np.ndarray:
    """The spectra (..., 2, 2, wavelength) that belong to `moved_patterns` of the same symmetry."""
    transpose, flips, shifts = _parts(symmetry)
    pixels = np.roll(np.moveaxis(spectra, -1, 0), shifts, axis=(-2, -1))
    return np.moveaxis(_turned(pixels, transpose, flips), 0, -1)


def _parts(symmetry: int) -> tuple[bool, tuple[int, ...], tuple[int, int]]:
    """(transposed, axes flipped, (rows, columns) shifted by half a period: 0 or 1)."""
    if not 0 <= symmetry < COUNT:
        raise ValueError(f"symmetry {symmetry}; expected 0 .. {COUNT - 1}")
    bits = [symmetry >> k & 1 for k in range(5)]
    return bool(bits[4]), tuple(axis for axis, bit in ((-2, bits[2]), (-1, bits[3])) if bit), (bits[0], bits[1])


def _turned(values: np.ndarray, transpose: bool, flips: tuple[int, ...]) -> np.ndarray:
    flipped = np.flip(values, flips)
    return np.swapaxes(flipped, -2, -1) if transpose else flipped
