"""Structures: patterns and, where they are known, their spectra."""

from dataclasses import dataclass, replace

import numpy as np

LAGS = (1, 2, 4, 8, 16)  # pixels


@dataclass(frozen=True, eq=False)
class Structures:
    """n structures.

    bits: (n, y, x / 8) uint8, patterns of 1 (silicon nitride) and 0, eight pixels a byte: a large set stays in memory.
    spectra: (n, 2, 2, wavelength) float32, share of the light that each camera pixel gets, rows and columns; None
    where nobody knows. wavelength: (wavelength,) in vacuum [nm]. pixel_order: colours of the camera pixels, such as
    "RGGB", first row then second. names: (n,) file and index. groups: (n,) the same number for a structure and its
    copies, turned, flipped or shifted, so that a split keeps them together. dropped: rows of the files left out as
    unsimulated. notes: what a reader of results must know about the files.
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
        """The structures with these indices."""
        spectra = None if self.spectra is None else self.spectra[rows]
        return replace(self, bits=self.bits[rows], spectra=spectra, names=self.names[rows], groups=self.groups[rows])

    def patterns(self, rows=slice(None)) -> np.ndarray:
        """(n, y, x) uint8 of these structures."""
        return np.unpackbits(self.bits[rows], axis=-1)


def packed(patterns: np.ndarray) -> np.ndarray:
    """Patterns (n, y, x) of 0 and 1 as bits (n, y, x / 8)."""
    return np.packbits(patterns, axis=-1)


def fingerprints(patterns: np.ndarray) -> np.ndarray:
    """(n, 1 + 2 lags) int64: numbers that no shift, flip or transposition of a periodic pattern changes.

    The number of ones, and for each lag the two numbers of pixels that differ from the one so far along an axis, the
    smaller first. Structures with the same numbers are copies of each other, or look alike by a rare chance.
    patterns: (n, y, x).
    """
    found = [patterns.sum((1, 2), dtype="int64")]
    for lag in LAGS:
        changes = [(patterns != np.roll(patterns, lag, axis)).sum((1, 2), dtype="int64") for axis in (1, 2)]
        found += [np.minimum(*changes), np.maximum(*changes)]
    return np.stack(found, axis=1)
