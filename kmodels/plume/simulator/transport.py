"""Advection and diffusion of a concentration by finite volumes.

    dc/dt + div(u c) = d/dx(K_h dc/dx) + d/dy(K_h dc/dy) + d/dz(K_v dc/dz) + q

What leaves a cell enters its neighbour, so mass is kept to rounding: emitted = inside + left.

* Two steps at a time, in an order that is the same backwards (Strang 1968: second order): emission, advection along
  x, y, z, diffusion for both steps, advection along z, y, x, emission.
* Advection: flux-limited Lax-Wendroff (van Leer 1974, 1977: monotone, positive). Air converges along one axis and
  diverges along another, so each axis also moves the air's own density, which is 1 again after all three: a constant
  concentration stays constant (Easter 1993, Mon. Weather Rev. 121, 297-304). At most COURANT of a cell's air crosses
  a face in one go.
* Vertical diffusion: implicit, one tridiagonal system a column; as near to Crank-Nicolson as positive values allow.
* Horizontal diffusion: explicit, second-order Runge-Kutta.
* Boundaries: nothing passes ground and lid. Clean air blows in at the sides, and at the top where it is open; there is
  no diffusion through the sides; above an open top the air is taken as clean, and what diffuses there has left.
"""

import math

import numba
import numpy as np

from kmodels.plume.data.flow.terrain import Domain, Faces
from kmodels.plume.data.flow.wind import Wind

COURANT = 0.5  # largest u dt / dx
EXPLICIT = 0.25  # largest K_h 2 dt / dx^2: no cell gives more than it has
THINNEST = 0.25  # density that one axis, or x and y, may leave in a cell until the others fill it again

_compiled = numba.njit(cache=True, error_model="numpy", nogil=True)


class Transport:
    """A concentration in a domain, and the account of its mass.

    Parameters
    ----------
    domain : Domain
        Ground and lid.
    wind : Wind
        That blows east and north.
    diffusivity : (float, float)
        Horizontal and vertical [m2 s-1].
    seconds : float
        Every `advance` takes exactly so long; it is divided into as few pairs of steps as the limits allow.

    Attributes
    ----------
    concentration : array (z, y, x)
        [kg m-3], 0 in the ground.
    emitted, left : float
        Since the start [kg].
    seconds : float
        Of one step.
    """

    def __init__(self, domain: Domain, wind: Wind, diffusivity: tuple[float, float], seconds: float):
        self.domain = domain
        horizontal, vertical = diffusivity
        self.pairs = steps_needed(domain, wind, horizontal, seconds / 2)
        self.seconds = seconds / self.pairs / 2
        self.sweeps = _sweeps(domain, wind, self.seconds)
        self.concentration = np.zeros(domain.shape)
        self.emitted = self.left = 0.0
        self.cell = math.prod(domain.spacing)  # m3
        scales = [self.seconds / width / n for width, n in zip(reversed(domain.spacing), self.sweeps, strict=True)]
        parts = (Faces(*(scale * f for scale, f in zip(scales, faces, strict=True))) for faces in wind)
        self._courant = Wind(*parts)  # the same winds in cells a sweep
        self._open = [faces.astype(float) for faces in domain.open]
        self._mixing = 2 * horizontal * self.seconds / domain.grid.dx**2
        self._columns = _Columns(domain, 2 * vertical * self.seconds / domain.grid.dz**2)
        self._density = np.ones(domain.shape)
        self._work = np.zeros((3, self.concentration.size + domain.ground.size))  # faces along z are the most

    def advance(self, direction: float, cells, rates):
        """Go on by all pairs of steps.

        Parameters
        ----------
        direction : float
            Where the wind blows to meanwhile, counter-clockwise from east [rad].
        cells : (k, j, i)
            Indices of sources.
        rates : array
            Their emission rates [kg s-1].
        """
        courant = self._courant.towards(direction)
        for _ in range(self.pairs):
            self._emit(cells, rates)
            for axis in (0, 1, 2):
                self._advect(axis, courant[axis])
            self._diffuse()
            for axis in (2, 1, 0):
                self._advect(axis, courant[axis])
            self._emit(cells, rates)
            # The density is 1 but for the divergence that the wind's solver left: keep the mass, forget the rest.
            self.concentration *= self._density
            self._density[:] = 1.0

    def inside(self) -> float:
        """Sum up the mass in the domain [kg]."""
        return float(self.concentration.sum()) * self.cell

    def _emit(self, cells, rates):
        amounts = np.asarray(rates, dtype=float) * self.seconds
        np.add.at(self.concentration, cells, amounts / self.cell)
        self.emitted += float(amounts.sum())

    def _diffuse(self):
        """Diffuse for two steps."""
        if self._mixing > 0:
            _diffuse_horizontally(self.concentration, self._open[0], self._open[1], self._mixing, self._work)
        self.left += self._columns.diffuse(self.concentration) * self.cell

    def _advect(self, axis, courant):
        """Advect along one axis (0: x, 1: y, 2: z), in as many sweeps as it takes."""
        stride = math.prod(self.domain.shape[3 - axis :])
        rows = math.prod(self.domain.shape[: 2 - axis])
        shape, faces = (rows, -1), courant.reshape(rows, -1)
        c, density, opened = (a.reshape(shape) for a in (self.concentration, self._density, self._open[axis]))
        for _ in range(self.sweeps[axis]):
            self.left += _sweep(c, density, faces, opened, stride, self._work) * self.cell


def steps_needed(domain: Domain, wind: Wind, horizontal: float, seconds: float) -> int:
    """Count the steps that `seconds` take within the limits above along x and y, whatever the wind's direction.

    horizontal: diffusivity [m2 s-1].
    """
    fastest, spacing = wind.fastest(), domain.grid.dx
    parts = [np.hypot(*(np.diff(part[i], axis=2 - i) for part in wind)) for i in (0, 1, 2)]
    thinning = max(((parts[0] + parts[1]) / spacing).max(), (parts[2] / domain.grid.dz).max())
    advection = max(fastest.x.max(), fastest.y.max()) / spacing / COURANT
    diffusion = 2 * horizontal / spacing**2 / EXPLICIT
    return max(1, math.ceil(seconds * max(advection, diffusion, thinning / (1 - THINNEST))))


def _sweeps(domain: Domain, wind: Wind, seconds: float) -> list[int]:
    """Count the sweeps along x, y, z in a step: cells are flat, so vertical wind over a slope may need several."""
    fastest = wind.fastest()
    numbers = [faces.max() * seconds / width for faces, width in zip(fastest, reversed(domain.spacing), strict=True)]
    return [max(1, math.ceil(number / COURANT - 1e-9)) for number in numbers]


# The loops below run over views that begin at 0: the compiler then knows that no index is negative and computes several
# cells at once, which makes them five times faster.


@_compiled
def _sweep(concentration, density, courant, opened, stride, work):
    """Move concentration (row, cell) and the air's density along one axis; returns what left, in cells' contents.

    A row's neighbours along the axis are `stride` apart; courant and opened: (row, cell + stride) at the faces, the
    face p between the cells p - stride and p. work: (3, cell + stride at least).
    """
    rows, n = concentration.shape
    inner = n - stride
    jump, flux, slope = work[0, : n + stride], work[1, : n + stride], work[2, :n]
    left = 0.0
    for row in range(rows):
        c, rho, speed = concentration[row], density[row], courant[row]
        _differences(c, opened[row], stride, jump)
        before, after = jump[:n], jump[stride:]
        for p in range(n):
            product = before[p] * after[p]
            ratio = product / (before[p] + after[p])
            slope[p] = ratio if product > 0.0 else 0.0  # half of van Leer's, 2 a b / (a + b)
        for p in range(stride):  # nothing comes with the air from outside
            flux[p] = min(speed[p], 0.0) * c[p]
            flux[n + p] = max(speed[n + p], 0.0) * c[inner + p]
            left += flux[n + p] - flux[p]
        # Face p lies between `here` and `there`; air crosses it eastwards or westwards (or along another axis).
        here, there, rho_here, rho_there = c[:inner], c[stride:], rho[:inner], rho[stride:]
        slope_here, slope_there, between, crossing = slope[:inner], slope[stride:], flux[stride:n], speed[stride:n]
        for p in range(inner):
            east, west = max(crossing[p], 0.0), min(crossing[p], 0.0)
            ahead = here[p] + (1.0 - east / rho_here[p]) * slope_here[p]
            behind = there[p] - (1.0 + west / rho_there[p]) * slope_there[p]
            between[p] = east * ahead + west * behind
        came, went, air_came, air_went = flux[:n], flux[stride:], speed[:n], speed[stride:]
        for p in range(n):
            air = rho[p] + air_came[p] - air_went[p]
            c[p] = (c[p] * rho[p] + came[p] - went[p]) / air
            rho[p] = air
    return left


@_compiled
def _differences(c, opened, stride, jump):
    """Set jump[p] = c[p] - c[p - stride] at the faces of a row, 0 at closed ones and at both ends."""
    n = len(c)
    here, there, passes, inner = c[: n - stride], c[stride:], opened[stride:n], jump[stride:n]
    for p in range(stride):
        jump[p] = 0.0
        jump[n + p] = 0.0
    for p in range(n - stride):
        inner[p] = (there[p] - here[p]) * passes[p]


@_compiled
def _diffuse_horizontally(c, open_x, open_y, number, work):
    """Take a step of c (z, y, x) in place, number = K dt / dx^2: the mean of c and of two Euler steps from it."""
    nz, ny, nx = c.shape
    once, twice, jump = work[0, : ny * nx], work[1, : ny * nx], work[2]
    for k in range(nz):
        level = c[k].reshape(ny * nx)
        _euler_step(level, open_x[k], open_y[k], number, jump, once)
        _euler_step(once, open_x[k], open_y[k], number, jump, twice)
        for p in range(ny * nx):
            level[p] = 0.5 * (level[p] + twice[p])


@_compiled
def _euler_step(level, open_x, open_y, number, jump, out):
    """Set out = level + number * (differences to the four neighbours that air can pass to), flat (y, x)."""
    ny, nx = open_x.shape[0], open_y.shape[1]
    _differences(level, open_y.reshape(-1), nx, jump)
    before, after = jump[: ny * nx], jump[nx:]
    for p in range(ny * nx):
        out[p] = level[p] + number * (after[p] - before[p])
    for j in range(ny):
        row = out[j * nx : (j + 1) * nx]
        _differences(level[j * nx : (j + 1) * nx], open_x[j], 1, jump)
        before, after = jump[:nx], jump[1:]
        for i in range(nx):
            row[i] += number * (after[i] - before[i])


class _Columns:
    """Implicit vertical diffusion, (1 - theta D) c_new = (1 + (1 - theta) D) c, D = K dt d2/dz2.

    theta = 1/2, second order, as long as that keeps c positive, else the smallest that does, 1 - 1 / (2 K dt / dz^2).
    """

    def __init__(self, domain: Domain, number: float):
        self.number = number
        self.theta = max(0.5, 1 - 0.5 / number) if number > 0 else 0.5
        passes = domain.open.z.astype(float)
        self.lower = self.theta * number * passes.reshape(len(passes), -1)  # below each cell, and at the top
        self.inverse, self.upper = _eliminate(self.lower)
        self.solved = np.zeros_like(self.inverse)

    def diffuse(self, c: np.ndarray) -> float:
        """Take a step of c (z, y, x) in place; returns what left through the top, in cells' contents."""
        c = c.reshape(len(c), -1)
        if self.number == 0:
            return 0.0
        top = self.lower[-1] / self.theta
        before = float((top * c[-1]).sum())
        _solve_columns(c, self.lower, self.inverse, self.upper, 1 / self.theta, self.solved)
        return (1 - self.theta) * before + self.theta * float((top * c[-1]).sum())


def _eliminate(lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eliminate the matrix 1 + lower (below) + lower (above), -lower beside the diagonal, from the ground up.

    lower: (z + 1, column). Returns (inverse pivots, multipliers of the cell above), (z, column) each.
    """
    inverse, upper = np.zeros_like(lower[:-1]), np.zeros_like(lower[:-1])
    for k in range(len(inverse)):
        pivot = 1 + lower[k] + lower[k + 1] - (lower[k] * upper[k - 1] if k else 0.0)
        inverse[k], upper[k] = 1 / pivot, lower[k + 1] / pivot
    return inverse, upper


@_compiled
def _solve_columns(c, lower, inverse, upper, weight, solved):
    """Set c <- weight * (solution of the columns' systems for c) + (1 - weight) * c, in place; all flat (z, y x)."""
    nz, n = c.shape
    solved[0] = c[0] * inverse[0]
    for level in range(nz - 1):
        k = level + 1
        below, here, right, coupling, pivot = solved[level], solved[k], c[k], lower[k], inverse[k]
        for p in range(n):
            here[p] = (right[p] + coupling[p] * below[p]) * pivot[p]
    for level in range(nz):
        k = nz - 1 - level
        here, right = solved[k], c[k]
        if level:
            above, coupling = solved[k + 1], upper[k]
            for p in range(n):
                here[p] += coupling[p] * above[p]
        for p in range(n):
            right[p] += weight * (here[p] - right[p])
