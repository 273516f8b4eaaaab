"""Straight lines among axis-aligned rectangles: what a ray hits, and whether two points see each other.

A surface is seen from its front only. A solid's outside, or a room's inside, is all front.
"""

from typing import NamedTuple

import numba
import numpy as np

NEAR = 1e-7  # of a line's length: a point on a surface does not hide from others behind it
SEAM = 1e-9  # m: no ray slips through between two rectangles that share an edge

compiled = numba.njit(cache=True, error_model="numpy", nogil=True)


class Surfaces(NamedTuple):
    """n rectangles, each normal to an axis of (x, y, z), z up.

    Attributes
    ----------
    axis : array
        (n,) 0, 1 or 2.
    low, high : array
        (n, 3) corners [m], the same along `axis`.
    facing : array
        (n,) -1.0 or 1.0, where along the axis the front looks.
    absorption : array
        (n,) share of incident energy.
    scattering : array
        (n,) share of what is reflected.
    """

    axis: np.ndarray
    low: np.ndarray
    high: np.ndarray
    facing: np.ndarray
    absorption: np.ndarray
    scattering: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """Areas: (n,) [m2]."""
        sides = np.where(np.arange(3) == self.axis[:, None], 1.0, self.high - self.low)
        return sides.prod(axis=1)


def surfaces_of(rectangles, absorption, scattering) -> Surfaces:
    """Make surfaces of (axis, low corner, high corner, facing) each; absorption, scattering: one, or one each."""
    axis, low, high, facing = zip(*rectangles, strict=True)
    n = len(axis)
    parts = (low, high, facing, np.broadcast_to(absorption, n), np.broadcast_to(scattering, n))
    return Surfaces(np.array(axis), *(np.array(part, float) for part in parts))


@compiled
def crossing(surfaces, k, origin, target):
    """Return t > 0 where origin + t (target - origin) meets the front of surface k; infinity where it does not."""
    axis = surfaces.axis[k]
    speed = target[axis] - origin[axis]
    if speed * surfaces.facing[k] >= 0.0:
        return np.inf
    t = (surfaces.low[k, axis] - origin[axis]) / speed
    if t <= 0.0:
        return np.inf
    for other in range(3):
        if other != axis:
            at = origin[other] + t * (target[other] - origin[other])
            if at < surfaces.low[k, other] - SEAM or at > surfaces.high[k, other] + SEAM:
                return np.inf
    return t


@compiled
def visible(surfaces, one, other):
    """Return whether nothing stands between two points (3,)."""
    for k in range(len(surfaces.axis)):  # noqa: SIM110 - numba has no all() of a generator
        if NEAR < crossing(surfaces, k, one, other) < 1.0 - NEAR:
            return False
    return True


def cast(surfaces: Surfaces, origin, directions) -> tuple[np.ndarray, np.ndarray]:
    """Find the first surface along each ray.

    Parameters
    ----------
    surfaces : Surfaces
        That may be hit, each from its front.
    origin : array
        (3,) [m].
    directions : array
        (n, 3) of any length.

    Returns
    -------
    t : array
        (n,), so that origin + t direction is hit; infinity where nothing is.
    surface : array
        (n,) its number, -1 where there is none.
    """
    return _cast(surfaces, origin, origin + directions)


@compiled
def _cast(surfaces, origin, targets):
    n = len(targets)
    nearest = np.full(n, np.inf)
    surface = np.full(n, -1)
    for ray in range(n):
        for k in range(len(surfaces.axis)):
            t = crossing(surfaces, k, origin, targets[ray])
            if t < nearest[ray]:
                nearest[ray] = t
                surface[ray] = k
    return nearest, surface


@compiled
def visible_from(surfaces, points, eye):
    """Return, (n,), whether nothing stands between each of the points (n, 3) and the eye (3,)."""
    seen = np.empty(len(points), np.bool_)
    for k in range(len(points)):
        seen[k] = visible(surfaces, points[k], eye)
    return seen
