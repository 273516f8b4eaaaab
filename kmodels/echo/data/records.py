"""Pairs of a recording and a depth image, prepared once and read from disk when they are used."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmodels.echo.data.batvision import Pair, read_depth


@dataclass(frozen=True, eq=False)
class EchoPairs:
    """n pairs of a spectrogram and, where it is known, a depth image. Both arrays may lie on disk.

    Parameters
    ----------
    sources : tuple of Pair
        All that were loaded.
    index : array
        (n,) into them.
    spectrograms : array
        (all, size, size x moments, 2), frequency x time x ear, magnitudes.
    depths : array or None
        (all, size, size) [m], 0 = unknown; None where no depth was given.
    max_depth : float
        Where depths are cut off [m].
    """

    sources: tuple[Pair, ...]
    index: np.ndarray
    spectrograms: np.ndarray
    depths: np.ndarray | None
    max_depth: float

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows) -> "EchoPairs":
        """Return the pairs with these indices."""
        return replace(self, index=self.index[rows])

    @property
    def size(self) -> int:
        """Width and height of depth images [pixels]."""
        return self.spectrograms.shape[1]

    @property
    def groups(self) -> np.ndarray:
        """Name the room of each pair, (n,): what is learned in a room is not tested there.

        V2's location; V1 names no rooms: its pairs are split by their CSVs (data.split_by).
        """
        return np.array([pair.location for pair in self.sources])[self.index]

    @property
    def part(self) -> np.ndarray:
        """Name the CSV of each pair, (n,): "train", "val" or "test"; "" for a CSV of another name."""
        return np.array([pair.part for pair in self.sources])[self.index]

    @property
    def names(self) -> np.ndarray:
        """Name the audio file of each pair with its room: (n,)."""
        return np.array([f"{pair.location}/{pair.audio[0].name}" for pair in self.sources])[self.index]

    def spectrogram(self, rows) -> np.ndarray:
        """Return (rows, size, size x moments, 2) float32: frequency x time x ear, left and right."""
        return np.asarray(self.spectrograms[self.index[rows]])

    def depth(self, rows) -> np.ndarray:
        """Return (rows, size, size) float32 [m], 0 = unknown."""
        return np.asarray(self.depths[self.index[rows]])

    def stored_depth(self, row: int) -> np.ndarray:
        """Read depth as it is on disk, for protocols that resize it in their own way: (height, width) float32 [m]."""
        return read_depth(self.sources[self.index[row]])


def files(pairs: EchoPairs) -> list[Path]:
    """List every file that the pairs were read from: CSVs, recordings, depths."""
    tables = dict.fromkeys(pair.table for pair in pairs.sources)
    return [*tables, *(file for pair in pairs.sources for file in pair.files)]
