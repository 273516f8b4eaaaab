"""Specular echoes by image sources: a source is mirrored at surface after surface (Allen and Berkley 1979).

A path of reflections is real if, followed back from the ear, each of its legs meets the right surface between its
edges and nothing stands in the way (Borish 1984). Its pressure is sqrt(share of energy left) / length.
"""

from typing import NamedTuple

import numpy as np

from kmodels.echo.simulator.raycast import Surfaces, compiled, crossing, visible


class Paths(NamedTuple):
    """n specular paths.

    Attributes
    ----------
    ear : array
        (n,) which one it ends at.
    length : array
        (n,) [m].
    share : array
        (n,) of the energy that the reflections left.
    departure, arrival : array
        (n, 3) from the source towards the first reflection, from the ear towards the last [m].
    """

    ear: np.ndarray
    length: np.ndarray
    share: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray


def specular_paths(surfaces: Surfaces, n_shell: int, order: int, source, ears) -> Paths:
    """Find all paths of 1 to `order` specular reflections from a source to each ear.

    Each reflection leaves (1 - absorption) (1 - scattering) of the energy.

    Parameters
    ----------
    surfaces : Surfaces
        Of the room.
    n_shell : int
        Two and more reflections are followed among so many first surfaces only, the walls, floor and ceiling.
    order : int
        At most 3.
    source : array
        (3,) [m].
    ears : array
        (n, 3) [m].
    """
    # Whole rows are set in NumPy: numba takes seconds to compile that, and none for single numbers.
    images, hits = np.empty((2, order + 1, 3))
    images[0] = source
    rows = np.empty((len(ears) * (len(surfaces.axis) + n_shell**2 + n_shell**3), 9))
    rows = rows[: _search(surfaces, n_shell, ears, np.full(order, -1), images, hits, rows)]
    return Paths(rows[:, 0].astype(int), rows[:, 1], rows[:, 2], rows[:, 3:6], rows[:, 6:])


@compiled
def _search(surfaces, n_shell, ears, sequence, images, hits, rows):
    """Try every sequence of surfaces, each with those that it begins; set a row for each path, return how many."""
    count, level = 0, 0
    while level >= 0:
        sequence[level] += 1
        k = sequence[level]
        if k >= (len(surfaces.axis) if level == 0 else n_shell):
            level -= 1
            continue
        if not _mirror(surfaces, k, images[level], images[level + 1]):
            continue
        for ear in range(len(ears)):
            if _follow_back(surfaces, sequence, images, hits, ears[ear], level):
                rows[count, 0] = ear
                _describe(surfaces, sequence, images, hits, ears[ear], level, rows[count])
                count += 1
        if level + 1 < len(sequence) and k < n_shell:
            level += 1
            sequence[level] = -1
    return count


@compiled
def _mirror(surfaces, k, point, image):
    """Set `image` to the point's mirror image in surface k; return whether the point is in front of it."""
    axis = surfaces.axis[k]
    distance = point[axis] - surfaces.low[k, axis]
    for x in range(3):
        image[x] = point[x]
    image[axis] -= 2.0 * distance
    return distance * surfaces.facing[k] > 0.0


@compiled
def _follow_back(surfaces, sequence, images, hits, ear, level):
    """Return whether the path through sequence[: level + 1] exists; set hits[: level + 1]."""
    point = ear
    for step in range(level, -1, -1):
        t = crossing(surfaces, sequence[step], point, images[step + 1])
        if t >= 1.0:
            return False
        for x in range(3):
            hits[step, x] = point[x] + t * (images[step + 1, x] - point[x])
        if not visible(surfaces, point, hits[step]):
            return False
        point = hits[step]
    return visible(surfaces, point, images[0])


@compiled
def _describe(surfaces, sequence, images, hits, ear, level, row):
    """Set the columns of a path."""
    square, share = 0.0, 1.0
    for x in range(3):
        square += (images[level + 1, x] - ear[x]) ** 2
        row[3 + x] = hits[0, x] - images[0, x]
        row[6 + x] = hits[level, x] - ear[x]
    for step in range(level + 1):
        k = sequence[step]
        share *= (1.0 - surfaces.absorption[k]) * (1.0 - surfaces.scattering[k])
    row[1] = np.sqrt(square)
    row[2] = share
