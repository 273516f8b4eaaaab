"""Advection and diffusion of a concentration by finite volumes.

    dc/dt + div(u c) = d/dx(K_h dc/dx) + d/dy(K_h dc/dy) + d/dz(K_v dc/dz) + q

What leaves a cell enters its neighbour, so mass is kept to rounding: emitted = inside + left.

* Advection: one axis after the other (x, y, z, and z, y, x in the next step: second order), flux-limited Lax-Wendroff
  (van Leer 1974, 1977: monotone, positive). Air converges along one axis and diverges along another, so each axis also
  moves the air's own density, which is 1 again after all three: a constant concentration stays constant (Easter 1993,
  Mon. Weather Rev. 121, 297-304). At most COURANT of a cell's air crosses a face in one go.
* Vertical diffusion: implicit, one tridiagonal system a column; as near to Crank-Nicolson as positive values allow.
* Horizontal diffusion: explicit, second-order Runge-Kutta.
* Boundaries: nothing passes ground and lid. Clean air blows in at the sides, and at the top where it is open; there is
  no diffusion through the sides; above an open top the air is taken as clean, and what diffuses there has left.
"""

import math

import numba
import numpy as np

from kmodels.plume.terrain import Domain
from kmodels.plume.wind import Wind

COURANT = 0.5  # largest u dt / dx
EXPLICIT = 0.25  # largest K_h dt / dx^2: no cell gives more than it has

_compiled = numba.njit(cache=True, error_model="numpy", nogil=True)


class Transport:
    """A concentration in a domain, and the account of its mass.

    concentration: (z, y, x) [kg m-3], 0 in the ground. emitted, left: [kg] since the start. seconds: of one step.
    """

    def __init__(self, domain: Domain, wind: Wind, diffusivity: tuple[float, float], seconds: float):
        """diffusivity: (horizontal, vertical) [m2 s-1]. seconds: every `advance` takes exactly so long; it is divided
        into as few pairs of steps as the limits allow.
        """
        self.domain = domain
        horizontal, vertical = diffusivity
        self.pairs = steps_needed(domain, wind, horizontal, seconds / 2)
        self.seconds = seconds / self.pairs / 2
        self.sweeps = _sweeps(domain, wind, self.seconds)
        self.concentration = np.zeros(domain.shape)
        self.emitted = self.left = 0.0
        self.cell = math.prod(domain.spacing)  # m3
        scales = [self.seconds / width / n for width, n in zip(reversed(domain.spacing), self.sweeps, strict=True)]
        self._courant = [[scale * faces for scale, faces in zip(scales, part, strict=True)] for part in wind]
        self._open = [faces.astype(float) for faces in domain.open]
        self._mixing = horizontal * self.seconds / domain.grid.dx**2
        self._columns = _Columns(domain, vertical * self.seconds / domain.grid.dz**2)
        self._density = np.ones(domain.shape)
        self._work = np.zeros((3, self.concentration.size + domain.ground.size))
        self._scratch = np.zeros((2, *domain.shape))

    def advance(self, directions, cells, rates):
        """Go on by two steps for each of the directions that the wind then blows to [rad].

        cells: indices (k, j, i) of sources; rates: their emissions [kg s-1].
        """
        for direction in directions:
            courant = [np.cos(direction) * e + np.sin(direction) * n for e, n in zip(*self._courant, strict=True)]
            self._emit(cells, rates)
            self._diffuse()
            for axis in (0, 1, 2):
                self._advect(axis, courant[axis])
            for axis in (2, 1, 0):
                self._advect(axis, courant[axis])
            self._diffuse()
            self._emit(cells, rates)
            # The density is 1 but for the divergence that the wind's solver left: keep the mass, forget the rest.
            self.concentration *= self._density
            self._density[:] = 1.0

    def inside(self) -> float:
        """Mass in the domain [kg]."""
        return float(self.concentration.sum()) * self.cell

    def _emit(self, cells, rates):
        amounts = np.asarray(rates, dtype=float) * self.seconds
        np.add.at(self.concentration, cells, amounts / self.cell)
        self.emitted += float(amounts.sum())

    def _diffuse(self):
        if self._mixing > 0:
            _diffuse_horizontally(self.concentration, self._open[0], self._open[1], self._mixing, self._scratch)
        self.left += self._columns.diffuse(self.concentration) * self.cell

    def _advect(self, axis, courant):
        """One axis (0: x, 1: y, 2: z), in as many sweeps as it takes."""
        stride = math.prod(self.domain.shape[3 - axis :])
        rows = math.prod(self.domain.shape[: 2 - axis])
        shape, faces = (rows, -1), courant.reshape(rows, -1)
        c, density, opened = (a.reshape(shape) for a in (self.concentration, self._density, self._open[axis]))
        for _ in range(self.sweeps[axis]):
            self.left += _sweep(c, density, faces, opened, stride, self._work) * self.cell


def steps_needed(domain: Domain, wind: Wind, horizontal: float, seconds: float) -> int:
    """Steps that `seconds` take: the wind's Courant number along x and y stays below COURANT, whatever its direction,
    and horizontal diffusion [m2 s-1] explicit."""
    fastest = wind.fastest()
    rate = max(fastest.x.max(), fastest.y.max()) / domain.grid.dx / COURANT
    return max(1, math.ceil(seconds * max(rate, horizontal / domain.grid.dx**2 / EXPLICIT)))


def _sweeps(domain: Domain, wind: Wind, seconds: float) -> list[int]:
    """Sweeps along x, y, z in a step: cells are flat, so the vertical wind over a slope alone may need several."""
    fastest = wind.fastest()
    numbers = [faces.max() * seconds / width for faces, width in zip(fastest, reversed(domain.spacing), strict=True)]
    return [max(1, math.ceil(number / COURANT - 1e-9)) for number in numbers]


@_compiled
def _sweep(concentration, density, courant, opened, stride, work):
    """Move concentration (row, cell) and the air's density along one axis; returns what left, in cells' contents.

    A row's neighbours along the axis are `stride` apart; courant and opened: (row, cell + stride) at the faces, the
    face p between the cells p - stride and p. work: (3, cell + stride at least).
    """
    rows, n = concentration.shape
    jump, flux, slope = work[0], work[1], work[2]
    left = 0.0
    for row in range(rows):
        c, rho, speed, passes = concentration[row], density[row], courant[row], opened[row]
        for p in range(stride):
            jump[p] = 0.0
            jump[n + p] = 0.0
        for p in range(stride, n):
            jump[p] = (c[p] - c[p - stride]) * passes[p]
        for p in range(n):
            product = jump[p] * jump[p + stride]
            total = jump[p] + jump[p + stride]
            slope[p] = product / total if product > 0.0 else 0.0  # half of van Leer's, 2 a b / (a + b)
        for p in range(stride):  # nothing comes with the air from outside
            flux[p] = min(speed[p], 0.0) * c[p]
            flux[n + p] = max(speed[n + p], 0.0) * c[n - stride + p]
            left += flux[n + p] - flux[p]
        for p in range(stride, n):
            q = p - stride
            east, west = max(speed[p], 0.0), min(speed[p], 0.0)
            ahead = c[q] + (1.0 - east / rho[q]) * slope[q]
            behind = c[p] - (1.0 + west / rho[p]) * slope[p]
            flux[p] = east * ahead + west * behind
        for p in range(n):
            air = rho[p] + speed[p] - speed[p + stride]
            c[p] = (c[p] * rho[p] + flux[p] - flux[p + stride]) / air
            rho[p] = air
    return left


@_compiled
def _diffuse_horizontally(c, open_x, open_y, number, scratch):
    """One step of c (z, y, x) in place, number = K dt / dx^2: the mean of c and of two Euler steps from it."""
    once, twice = scratch[0], scratch[1]
    _euler_step(c, open_x, open_y, number, once)
    _euler_step(once, open_x, open_y, number, twice)
    for k in range(c.shape[0]):
        for j in range(c.shape[1]):
            for i in range(c.shape[2]):
                c[k, j, i] = 0.5 * (c[k, j, i] + twice[k, j, i])


@_compiled
def _euler_step(c, open_x, open_y, number, out):
    """out = c + number (differences to the four neighbours that air can pass to)."""
    nz, ny, nx = c.shape
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                out[k, j, i] = c[k, j, i]
            for i in range(1, nx):
                moved = number * open_x[k, j, i] * (c[k, j, i] - c[k, j, i - 1])
                out[k, j, i] -= moved
                out[k, j, i - 1] += moved
        for j in range(1, ny):
            for i in range(nx):
                moved = number * open_y[k, j, i] * (c[k, j, i] - c[k, j - 1, i])
                out[k, j, i] -= moved
                out[k, j - 1, i] += moved


class _Columns:
    """Implicit vertical diffusion, (1 - theta D) c_new = (1 + (1 - theta) D) c, D = K dt d2/dz2.

    theta = 1/2, second order, as long as that keeps c positive, else the smallest that does, 1 - 1 / (2 K dt / dz^2).
    """

    def __init__(self, domain: Domain, number: float):
        self.number = number
        self.theta = max(0.5, 1 - 0.5 / number) if number > 0 else 0.5
        passes = domain.open.z.astype(float)
        self.lower = self.theta * number * passes  # of the face below each cell, and of the top
        self.inverse, self.upper = _eliminate(self.lower)
        self.scratch = np.zeros(domain.shape)

    def diffuse(self, c: np.ndarray) -> float:
        """One step of c (z, y, x) in place; returns what left through the top, in cells' contents."""
        if self.number == 0:
            return 0.0
        top = self.lower[-1] / self.theta
        before = float((top * c[-1]).sum())
        _solve_columns(c, self.lower, self.inverse, self.upper, 1 / self.theta, self.scratch)
        return (1 - self.theta) * before + self.theta * float((top * c[-1]).sum())


def _eliminate(lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix 1 + lower (below) + lower (above) with -lower beside the diagonal, eliminated from the ground up.

    lower: (z + 1, y, x). Returns (inverse pivots, multipliers of the cell above), (z, y, x) each.
    """
    inverse, upper = np.zeros_like(lower[:-1]), np.zeros_like(lower[:-1])
    for k in range(len(inverse)):
        pivot = 1 + lower[k] + lower[k + 1] - (lower[k] * upper[k - 1] if k else 0.0)
        inverse[k], upper[k] = 1 / pivot, lower[k + 1] / pivot
    return inverse, upper


@_compiled
def _solve_columns(c, lower, inverse, upper, weight, solved):
    """c <- weight * (solution of the columns' systems for c) + (1 - weight) * c, in place."""
    nz, ny, nx = c.shape
    for j in range(ny):
        for i in range(nx):
            solved[0, j, i] = c[0, j, i] * inverse[0, j, i]
    for k in range(1, nz):
        for j in range(ny):
            for i in range(nx):
                solved[k, j, i] = (c[k, j, i] + lower[k, j, i] * solved[k - 1, j, i]) * inverse[k, j, i]
    for k in range(nz - 1, -1, -1):
        for j in range(ny):
            for i in range(nx):
                if k < nz - 1:
                    solved[k, j, i] += upper[k, j, i] * solved[k + 1, j, i]
                c[k, j, i] += weight * (solved[k, j, i] - c[k, j, i])
