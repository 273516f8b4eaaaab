"""Hills, and the air above them as cells and the faces between them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kmodels.plume.recipe import Grid


class Faces(NamedTuple):
    """One value a face of every cell, by the face's direction: (z, y, x + 1), (z, y + 1, x) and (z + 1, y, x)."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class Domain:
    """A box of cells with ground and a lid, both made of whole cells; its sides are open.

    Parameters
    ----------
    grid : Grid
        Of a recipe.
    ground : array (y, x)
        Height above sea level [m]; a cell is solid when its centre lies below it.
    lid : float
        Height above sea level [m], put on the nearest level of faces; above the box its top is open.
    """

    grid: Grid
    ground: np.ndarray
    lid: float = np.inf

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells along (z, y, x)."""
        return self.grid.nz, self.grid.ny, self.grid.nx

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Width of a cell along (z, y, x) [m]."""
        return self.grid.dz, self.grid.dx, self.grid.dx

    @property
    def x(self) -> np.ndarray:
        """Cell centres east of the western side [m]."""
        return (np.arange(self.grid.nx) + 0.5) * self.grid.dx

    @property
    def y(self) -> np.ndarray:
        """Cell centres north of the southern side [m]."""
        return (np.arange(self.grid.ny) + 0.5) * self.grid.dx

    @property
    def z(self) -> np.ndarray:
        """Cell centres above sea level [m]."""
        return (np.arange(self.grid.nz) + 0.5) * self.grid.dz

    @cached_property
    def air(self) -> np.ndarray:
        """(z, y, x) bool: cells that are not ground."""
        return self.z[:, None, None] >= self.ground

    @property
    def ceiling(self) -> int:
        """Cells between sea level and the lid, at most all of a column."""
        return min(self._lid_face(), self.grid.nz)

    def _lid_face(self) -> int:
        """Find the level of faces that the lid closes; one more than there are where it lies above the box."""
        return round(min(self.lid / self.grid.dz, self.grid.nz + 1.0))

    @cached_property
    def open(self) -> Faces:
        """Bool, faces that air can pass: between two cells of air or at the box's sides; not through the lid."""
        faces = Faces(*(_between(self.air, axis) for axis in (2, 1, 0)))
        faces.z[0] = False
        if self._lid_face() <= self.grid.nz:
            faces.z[self._lid_face()] = False
        return faces


def _between(air: np.ndarray, axis: int) -> np.ndarray:
    """Tell of each face, one more along `axis`, whether the cells on both sides are air; the surroundings are."""
    ends = [(int(a == axis), int(a == axis)) for a in range(air.ndim)]
    padded = np.pad(air, ends, constant_values=True)
    n = air.shape[axis]
    return padded.take(range(n + 1), axis) & padded.take(range(1, n + 2), axis)
