"""Pairs of a recording and a depth image, prepared once and read from disk when they are used."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmodels.echo.data.batvision import Pair, read_depth


@dataclass(frozen=True, eq=False)
class EchoPairs:
    """n pairs of what was heard and, where it is known, a depth image. All arrays may lie on disk.

    Parameters
    ----------
    sources : tuple of Pair
        All that were loaded.
    index : array
        (n,) into them.
    heard : dict of str to array
        What the recipe's front end makes of the recordings. "spectrogram": (all, size, size x moments, 2), frequency x
        time x ear, magnitudes; "correlation": (all, ranges, directions, bands) int8, 127 for 1; "profile": (all,
        ranges, profiles); see `kmodels.echo.data.range_azimuth`.
    depths : array or None
        (all, size, size) [m], 0 = unknown; None where no depth was given.
    size : int
        Width and height of depth images [pixels].
    max_depth : float
        Where depths are cut off [m].
    """

    sources: tuple[Pair, ...]
    index: np.ndarray
    heard: dict[str, np.ndarray]
    depths: np.ndarray | None
    size: int
    max_depth: float

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows) -> "EchoPairs":
        """Return the pairs with these indices."""
        return replace(self, index=self.index[rows])

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

    def sound(self, rows) -> dict[str, np.ndarray]:
        """Return what was heard in these rows: {name: (rows, ...) float32}, see the class."""
        found = {name: np.asarray(values[self.index[rows]]) for name, values in self.heard.items()}
        return {name: v / np.float32(127) if v.dtype == np.int8 else v.astype("float32") for name, v in found.items()}

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
