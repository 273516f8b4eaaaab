"""A run: what the simulator writes, the loader reads and nothing behind them asks the origin of."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stacks:
    """The sources of a run, n of them.

    x, y: [m] east and north of the grid's south-western corner. height: of the stack above ground [m].
    emission: [kg s-1].
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

    name: unique among the runs of a data set. time: (frames,) [s] after the first frame. x, y, z: cell centres [m],
    z above sea level. terrain: (y, x) [m]. concentration: (frames, z, y, x) [kg m-3], float32, 0 below ground.
    u, v: (frames, z) eastward and northward wind [m s-1], None where nobody measured it.
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
        """(z, y, x) bool: cells whose centre lies below the terrain."""
        return self.z[:, None, None] < self.terrain
