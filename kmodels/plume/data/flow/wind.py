"""Wind over hills: made free of divergence, and turned with time.

The wind that differs least from a first guess u0 in the sum of squares and carries as much air into every cell as out
of it is

    u = u0 + grad lambda,   div grad lambda = -div u0,   no flow through ground and lid, lambda = 0 around the box

(a mass-consistent wind; Sherman 1978, J. Appl. Meteorol. 17, 312-319, with equal weights for all components, so air
goes over hills as readily as round them also when it is stable). The equation is linear: the wind of any direction is
a sum of the one that blows east and the one that blows north, solved for once a run.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.sparse.linalg import LinearOperator, cg

from kmodels.core.spec.errors import UserError
from kmodels.plume.data.flow.terrain import Domain, Faces

TOLERANCE = 1e-12  # of the divergence, relative to that of the first guess


@dataclass(frozen=True)
class Wind:
    """The winds that blow east and north far from hills.

    Parameters
    ----------
    east, north : Faces
        Normal velocities [m s-1].
    """

    east: Faces
    north: Faces

    def __iter__(self):
        return iter((self.east, self.north))

    def towards(self, direction: float) -> Faces:
        """Combine the wind that blows to `direction`, counter-clockwise from east [rad]."""
        return Faces(*(np.cos(direction) * e + np.sin(direction) * n for e, n in zip(*self, strict=True)))

    def fastest(self) -> Faces:
        """Compute the largest speed through each face whatever the direction [m s-1]."""
        return Faces(*(np.hypot(e, n) for e, n in zip(*self, strict=True)))

    def profile(self, domain: Domain, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average over the air of each level: (u, v), each (time, z) [m s-1], at directions (time,) [rad]."""
        levels = [_level_means(faces, domain.air) for faces in self]  # [(u, v) of east, (u, v) of north]
        cos, sin = np.cos(direction)[:, None], np.sin(direction)[:, None]
        (u_east, v_east), (u_north, v_north) = levels
        return cos * u_east + sin * u_north, cos * v_east + sin * v_north


def _level_means(faces: Faces, air: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average over the centres of the cells of air: (u, v), each (z,)."""
    u = (faces.x[:, :, 1:] + faces.x[:, :, :-1]) / 2
    v = (faces.y[:, 1:] + faces.y[:, :-1]) / 2
    cells = air.sum(axis=(1, 2))
    return tuple((part * air).sum(axis=(1, 2)) / cells for part in (u, v))


def nearest_wind(domain: Domain, east: np.ndarray, north: np.ndarray) -> Wind:
    """Solve for the divergence-free winds nearest to speeds [m s-1] at the faces across x and across y."""
    still = Faces(*(np.zeros(faces.shape) for faces in domain.open))
    guesses = [still._replace(x=east * domain.open.x), still._replace(y=north * domain.open.y)]
    return Wind(*without_divergence(domain, guesses))


def without_divergence(domain: Domain, guesses: list[Faces]) -> list[Faces]:
    """Find the winds without divergence that are nearest to these; those must be 0 at closed faces.

    Conjugate gradients; the columns' own equations, solved exactly, precondition them: cells are flat, so neighbours
    above each other are coupled most, and some tens of rounds do. (A factorisation takes seconds and gigabytes.)
    """
    gradients = [_gradient(domain, axis) for axis in (2, 1, 0)]
    solid = sparse.diags_array((~domain.air).ravel().astype(float))  # lambda = 0 in the ground: not singular
    matrix = sum((g.T @ g for g in gradients), start=solid).tocsr()
    columns = _column_solver(matrix, domain.shape)
    corrected = []
    for guess in guesses:
        divergence = -sum(g.T @ faces.ravel() for g, faces in zip(gradients, guess, strict=True))
        potential, failed = cg(matrix, divergence, rtol=TOLERANCE, atol=0.0, maxiter=2000, M=columns)
        if failed:
            raise UserError(f"wind over terrain: no solution after {failed} rounds; are the cells very long and flat?")
        parts = (f + (g @ potential).reshape(f.shape) for g, f in zip(gradients, guess, strict=True))
        corrected.append(Faces(*parts))
    return corrected


def _gradient(domain: Domain, axis: int) -> sparse.csr_array:
    """Make the matrix (faces, cells) of differences between neighbours over their distance; 0 at closed faces.

    Outside the box the value is 0. The negative transpose is the divergence.
    """
    parts = [sparse.eye_array(n) for n in domain.shape]
    n = domain.shape[axis]
    parts[axis] = sparse.diags_array([np.ones(n), -np.ones(n)], offsets=[0, -1], shape=(n + 1, n))
    opened = (domain.open.z, domain.open.y, domain.open.x)[axis].ravel() / domain.spacing[axis]
    differences = sparse.kron(parts[0], sparse.kron(parts[1], parts[2]))
    return (sparse.diags_array(opened) @ differences).tocsr()


def _column_solver(matrix, shape) -> LinearOperator:
    """Make an operator that solves for each column of cells as if its neighbours were 0."""
    nz, n = shape[0], matrix.shape[0]
    above = np.zeros(n)
    above[n // nz :] = matrix.diagonal(n // nz)  # coupling of a cell with the one below it

    def columns_first(a):
        return a.reshape(nz, -1).T.ravel()

    factor = cholesky_banded(np.stack([columns_first(above), columns_first(matrix.diagonal())]))

    def solve(right):
        return cho_solve_banded((factor, False), columns_first(right), check_finite=False).reshape(-1, nz).T.ravel()

    return LinearOperator(matrix.shape, matvec=solve, dtype=float)
