"""Structures: patterns and, where they are known, their spectra."""

from dataclasses import dataclass, replace

import numpy as np

from kmodels.core.io.rows import choose

LAGS = (1, 2, 4, 8, 16)  # pixels


@dataclass(frozen=True, eq=False)
class Structures:
    """A set of n structures.

    Attributes
    ----------
    bits : ndarray
        (n, y, x / 8) uint8, patterns of 1 (silicon nitride) and 0, eight pixels per byte; like spectra on disk where
        they are too large for memory, see `kmodels.core.io.rows`.
    spectra : ndarray or None
        (n, 2, 2, w) float32 transmittance: the fraction of the incident light that each camera pixel gets, rows and
        columns. None where they are unknown.
    wavelength : ndarray
        (w,) in vacuum [nm].
    pixel_order : str
        Colours of the camera pixels, such as "RGGB", first row then second.
    names : ndarray
        (n,) file and index.
    groups : ndarray
        (n,) the same number for a structure and its copies, transposed, flipped or shifted, so that a split keeps them
        together.
    dropped : int
        Rows of the files left out as unsimulated.
    notes : tuple of str
        What a reader of results must know about the files.
    """

    bits: np.ndarray
    spectra: np.ndarray | None
    wavelength: np.ndarray
    pixel_order: str
    names: np.ndarray
    groups: np.ndarray
    dropped: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.bits)

    def take(self, rows) -> "Structures":
        """Select the structures with these indices."""
        spectra = None if self.spectra is None else choose(self.spectra, rows)
        return replace(
            self, bits=choose(self.bits, rows), spectra=spectra, names=self.names[rows], groups=self.groups[rows]
        )

    def patterns(self, rows=slice(None)) -> np.ndarray:
        """Unpack the patterns of these structures: (n, y, x) uint8."""
        return np.unpackbits(self.bits[rows], axis=-1)


def pack(patterns: np.ndarray) -> np.ndarray:
    """Pack patterns (n, y, x) of 0 and 1 as bits (n, y, x / 8)."""
    return np.packbits(patterns, axis=-1)


def fingerprints(patterns: np.ndarray) -> np.ndarray:
    """Compute numbers that no shift, flip or transposition of a periodic pattern changes.

    They are the number of ones, and for each lag the two numbers of pixels that differ from the one so far away along
    an axis, the smaller first. Structures with the same numbers are copies of each other, or look alike by a rare
    chance.

    Parameters
    ----------
    patterns : ndarray
        (n, y, x) of 0 and 1.

    Returns
    -------
    ndarray
        (n, 1 + 2 lags) int64.
    """
    numbers = [patterns.sum((1, 2), dtype="int64")]
    for lag in LAGS:
        changes = [(patterns != np.roll(patterns, lag, axis)).sum((1, 2), dtype="int64") for axis in (1, 2)]
        numbers += [np.minimum(*changes), np.maximum(*changes)]
    return np.stack(numbers, axis=1)
