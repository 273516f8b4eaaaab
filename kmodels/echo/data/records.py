"""Pairs of what was heard and what was seen, prepared once and read from disk when they are used."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmodels.core.training import batching
from kmodels.echo.data.batvision import PARTS, Pair, read_depth


@dataclass(frozen=True, eq=False)
class EchoPairs:
    """n pairs.

    sources: all that were loaded. index: (n,) into them. spectrograms: (all, size, size x moments, 2), frequency
    x time x ear, magnitudes. depths: (all, size, size) [m], 0 = unknown; None where no depth was given. Both may lie on
    disk.
    """

    sources: tuple[Pair, ...]
    index: np.ndarray
    spectrograms: np.ndarray
    depths: np.ndarray | None
    max_depth: float

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows) -> "EchoPairs":
        """The pairs with these indices."""
        return replace(self, index=self.index[rows])

    @property
    def size(self) -> int:
        """Width and height of depth maps [pixels]."""
        return self.spectrograms.shape[1]

    @property
    def groups(self) -> np.ndarray:
        """(n,) the room of each pair: what is learned in a room is not tested there.

        V2's location; V1 names no rooms: its pairs are split by their CSVs (data.split_by).
        """
        return np.array([pair.location for pair in self.sources])[self.index]

    @property
    def part(self) -> np.ndarray:
        """(n,) "train", "val" or "test": the CSV that names each pair; "" for a CSV of another name."""
        return np.array([pair.part for pair in self.sources])[self.index]

    @property
    def names(self) -> np.ndarray:
        """(n,) the audio file of each pair, with its room."""
        return np.array([f"{pair.location}/{pair.audio[0].name}" for pair in self.sources])[self.index]

    def spectrogram(self, rows) -> np.ndarray:
        """(rows, size, size x moments, 2) float32: frequency x time x ear, left and right."""
        return np.asarray(self.spectrograms[self.index[rows]])

    def depth(self, rows) -> np.ndarray:
        """(rows, size, size) float32 [m], 0 = unknown."""
        return np.asarray(self.depths[self.index[rows]])

    def stored_depth(self, row: int) -> np.ndarray:
        """Depth as it is on disk, for protocols that resize it in their own way: (height, width) float32 [m]."""
        return read_depth(self.sources[self.index[row]])


def files(pairs: EchoPairs) -> list[Path]:
    """Every file that the pairs were read from: CSVs, recordings, depths."""
    tables = dict.fromkeys(pair.table for pair in pairs.sources)
    return [*tables, *(file for pair in pairs.sources for file in pair.files)]


def split(pairs: EchoPairs, recipe) -> dict[str, np.ndarray]:
    """Rows of train, validation and test: by room, or by the CSVs, as recipe.data.split_by says."""
    if recipe.data.split_by == "files":
        names = ("train", "validation", "test")
        return {name: np.flatnonzero(pairs.part == part) for name, part in zip(names, PARTS, strict=True)}
    return batching.split_groups(pairs.groups, recipe.data.split, recipe.seed)
