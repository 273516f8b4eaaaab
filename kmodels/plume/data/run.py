"""A run: in memory (`PlumeRun`), as the simulator makes it, and in a file (`StoredRun`), as the loader reads it.

What is small of a stored run is in memory; its frames are read when somebody asks for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Stacks:
    """The sources of a run, n of them.

    Parameters
    ----------
    x, y : array (n,)
        Position east and north of the grid's south-western corner [m].
    height : array (n,)
        Of the stack above ground [m].
    emission : array (n,)
        Emission rate [kg s-1].
    """

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray
    emission: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class PlumeRun:
    """One run in memory.

    Parameters
    ----------
    name : str
        Unique among the runs of a data set.
    time : array (frames,)
        After the first frame [s].
    x, y, z : array
        Cell centres [m], z above sea level.
    terrain : array (y, x)
        Height of the ground above sea level [m].
    stacks : Stacks
        The sources.
    concentration : array (frames, z, y, x) of float32
        [kg m-3], 0 below ground.
    u, v : array (frames, z), optional
        Eastward and northward wind [m s-1], None where nobody measured it.
    """

    name: str
    time: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    terrain: np.ndarray
    stacks: Stacks
    concentration: np.ndarray
    u: np.ndarray | None = None
    v: np.ndarray | None = None

    def below_ground(self) -> np.ndarray:
        """Tell which cells have their centre below the terrain: (z, y, x) bool."""
        return self.z[:, None, None] < self.terrain


class Maps(NamedTuple):
    """What stands still in a run, or, with the windows first, in those of n windows.

    Parameters
    ----------
    terrain : array (y, x)
        Height of the ground [m].
    below_ground : array (z, y, x) of bool
        Cells in the ground.
    source_emission : array (z, y, x)
        Emission rate [kg s-1], 0 where nothing is emitted.
    source_height : array (z, y, x)
        Height of the stack above ground [m], 0 where nothing is emitted.
    """

    terrain: np.ndarray
    below_ground: np.ndarray
    source_emission: np.ndarray
    source_height: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run of a file.

    Parameters
    ----------
    name : str
        Unique among the runs of a data set.
    file : Path
        Where it lies.
    start : datetime64
        Of its first frame.
    time : array (frames,)
        After the first frame [s].
    x, y, z : array
        Cell centres [m]; z above sea level, or above ground with `follows_terrain`, when no cell is below ground.
    terrain : array (y, x)
        Height of the ground above sea level [m].
    stacks : Stacks
        The sources, none where the file knows none.
    frames_as_stored : callable (first, stop)
        Reads (stop - first, z, y, x) in the file's units.
    units : str
        The file's.
    factor : float
        What makes kg m-3 of the file's units.
    variable : str
        Its concentration is called so in the file, for messages.
    within : dict
        What tells the run from others of the file, for messages: `{"run": 1}`.
    u, v : array (frames, z), optional
        Eastward and northward wind [m s-1].
    follows_terrain : bool
        Whether z is height above ground.
    on_disk : bool
        Whether reading frames costs anything.
    """

    name: str
    file: Path
    start: np.datetime64
    time: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    terrain: np.ndarray
    stacks: Stacks
    frames_as_stored: Callable[[int, int], np.ndarray]
    units: str
    factor: float
    variable: str
    within: dict[str, int] = field(default_factory=dict)
    u: np.ndarray | None = None
    v: np.ndarray | None = None
    follows_terrain: bool = False
    on_disk: bool = True

    @property
    def n_frames(self) -> int:
        """Frames of the run."""
        return len(self.time)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) [cells]."""
        return len(self.z), len(self.y), len(self.x)

    @property
    def nbytes(self) -> int:
        """Of all its frames in memory."""
        return 4 * self.n_frames * int(np.prod(self.shape))

    def concentration(self, first: int, stop: int) -> np.ndarray:
        """Read frames first .. stop - 1: (stop - first, z, y, x) float32 [kg m-3], 0 below ground."""
        values = self.frames_as_stored(first, stop) * self.factor
        return np.where(self.below_ground(), np.float32(0), values).astype("float32", copy=False)

    def below_ground(self) -> np.ndarray:
        """Tell which cells have their centre below the terrain: (z, y, x) bool."""
        if self.follows_terrain:
            return np.zeros(self.shape, bool)
        return self.z[:, None, None] < self.terrain

    def maps(self) -> Maps:
        """Make the maps: terrain, and the sources in the cells at their stack height.

        Emissions of stacks in one cell add up; the cell's height is their mean, weighted by emission. A stack higher
        than the grid stands in the top cell, one in a cell that counts as ground in the first above it.
        """
        below = self.below_ground()
        emission, moment = np.zeros(self.shape), np.zeros(self.shape)
        cells = self._stack_cells(below)
        np.add.at(emission, cells, self.stacks.emission)
        np.add.at(moment, cells, self.stacks.emission * self.stacks.height)
        height = np.divide(moment, emission, out=np.zeros(self.shape), where=emission > 0)
        return Maps(self.terrain.astype("float32"), below, emission.astype("float32"), height.astype("float32"))

    def _stack_cells(self, below: np.ndarray):
        """Find the stacks' cells: indices (z, y, x)."""
        x = _cell(self.stacks.x, _width(self.x), len(self.x))
        y = _cell(self.stacks.y, _width(self.y), len(self.y))
        if len(self.z) == 1:
            return np.zeros(len(x), int), y, x
        dz = _width(self.z)
        foot = 0.0 if self.follows_terrain else self.terrain[y, x]
        level = _cell(foot + self.stacks.height - (self.z[0] - dz / 2), dz, len(self.z))
        first_above = np.minimum(below[:, y, x].sum(0), len(self.z) - 1)
        return np.maximum(level, first_above), y, x


def _width(centres: np.ndarray) -> float:
    return float(centres[-1] - centres[0]) / (len(centres) - 1)


def _cell(distance, width: float, count: int) -> np.ndarray:
    """Find the cell that a distance [m] from the grid's edge falls into."""
    return np.clip(np.floor(np.asarray(distance) / width).astype(int), 0, count - 1)
