"""Domains and winds of the tests of the simulator."""

import numpy as np

from kmodels.plume.data.flow.terrain import Domain, Faces
from kmodels.plume.data.flow.wind import Wind
from kmodels.plume.recipe import Grid, PlumeRecipe
from kmodels.plume.simulator.transport import Transport


def data(**changes):
    """The data section of a small recipe."""
    small = {"frames": 6, "n_runs": 3, "past": 2, "grid": {"nz": 10, "ny": 14, "nx": 16, "dz": 20.0}}
    return PlumeRecipe().with_changes({"data": small | changes}).data


def flat(nz, ny, nx, dx, dz, lid=np.inf):
    """A box without hills."""
    return Domain(Grid(nz=nz, ny=ny, nx=nx, dx=dx, dz=dz), np.zeros((ny, nx)), lid)


def uniform(domain, u=0.0, v=0.0, w=0.0):
    """The same wind everywhere, for advance(0.0, ...)."""
    parts = (np.full(faces.shape, speed) for faces, speed in zip(domain.open, (u, v, w), strict=True))
    east = Faces(*(part * faces for part, faces in zip(parts, domain.open, strict=True)))
    return Wind(east, Faces(*(np.zeros(faces.shape) for faces in domain.open)))


def run_to(transport: Transport, frames, cells=((), (), ()), rates=()):
    """Advance by so many frames with the wind to the east."""
    cells = tuple(np.asarray(index, dtype=int) for index in cells)
    for _ in range(frames):
        transport.advance(0.0, cells, np.asarray(rates, dtype=float))
    return transport


def relative_l2(found, expected):
    """|found - expected| / |expected|, both in the sum of squares."""
    return float(np.sqrt(((found - expected) ** 2).sum() / (expected**2).sum()))
