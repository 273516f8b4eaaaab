"""Diffuse sound: energy that goes from patch to patch of a room's surfaces (acoustic radiosity, Nosal et al. 2004).

Patch i sends the share F_ij of what it reflects diffusely to patch j, which receives it distance / c later:

    incident_j(t) = first_j(t) + sum_i F_ij outgoing_i(t - d_ij / c),   A_i F_ij = A_j F_ji,  sum_j F_ij = 1

What a patch reflects specularly is followed on the same ways, but counted apart: the first ORDER specular reflections
are counted by image sources, not here. No decay rate is put in: that of the room follows from its shape and absorption.
"""

from typing import NamedTuple

import numpy as np

from kmodels.echo.simulator.raycast import Surfaces, compiled, visible

PATCHES = 80  # at least so many
STEP = 1e-3  # s, resolution of energies in time
BALANCING = 30  # rounds


class Patches(NamedTuple):
    """n patches of a room's surfaces.

    Attributes
    ----------
    surface : array
        (n,) where each lies.
    centre : array
        (n, 3) [m].
    area : array
        (n,) [m2].
    first : array
        (surfaces,) number of a surface's first patch.
    counts : array
        (surfaces, 3) patches along x, y, z.
    """

    surface: np.ndarray
    centre: np.ndarray
    area: np.ndarray
    first: np.ndarray
    counts: np.ndarray

    def of(self, surfaces: Surfaces, surface, points) -> np.ndarray:
        """Find the patches, (n,), that hold points (n, 3) on the surfaces with these numbers (n,)."""
        number = np.zeros(len(surface), int)
        scale = self.counts / np.maximum(surfaces.high - surfaces.low, 1e-9)
        for x in range(3):
            count = self.counts[surface, x]
            place = ((points[:, x] - surfaces.low[surface, x]) * scale[surface, x]).astype(int)
            number = number * count + np.minimum(np.maximum(place, 0), count - 1)
        return self.first[surface] + number


def patches_of(surfaces: Surfaces, wanted: int = PATCHES) -> Patches:
    """Divide every surface into nearly square patches, at least `wanted` in all."""
    width = np.sqrt(surfaces.area.sum() / wanted)
    sides = surfaces.high - surfaces.low
    counts = np.maximum(np.ceil(sides / width), 1).astype(int)
    each = counts.prod(axis=1)
    first = np.cumsum(each) - each
    surface = np.repeat(np.arange(len(each)), each)
    z, number = _divide(np.arange(len(surface)) - first[surface], counts[surface, 2])
    y, x = _divide(number, counts[surface, 1])
    places = (np.stack([x, y, z], axis=1) + 0.5) / counts[surface]
    return Patches(
        surface,
        surfaces.low[surface] + places * sides[surface],
        (surfaces.area / each)[surface],
        first,
        counts,
    )


def _divide(number, count):
    return number % count, number // count


def exchange(surfaces: Surfaces, patches: Patches) -> tuple[np.ndarray, np.ndarray]:
    """Return F (n, n), the share of patch i's diffuse energy that goes to patch j, and distances (n, n) [m].

    Form factors between centres, balanced so that nothing is lost (rows add up to 1) and both ways are alike
    (A_i F_ij = A_j F_ji): Sinkhorn's scaling of a symmetric matrix. The row of a patch that sees no other is 0.
    """
    kernel, distance = _form_factors(surfaces, patches)
    scale = np.ones(len(kernel))
    for _ in range(BALANCING):
        reached = scale * (kernel @ scale)
        scale *= np.sqrt(patches.area / np.where(reached > 0, reached, np.inf))
    share = scale[:, None] * kernel * scale
    total = share.sum(axis=1, keepdims=True)
    return share / np.where(total > 0, total, 1.0), distance


@compiled
def _form_factors(surfaces, patches):
    """Compute cos cos A A / (pi r^2 + A) between patches that see each other, and their distances.

    A in the sum: near ones do not take more than there is (Wallace et al. 1989).
    """
    n = len(patches.surface)
    kernel, distance = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            one, other = patches.centre[i], patches.centre[j]
            a, b = patches.surface[i], patches.surface[j]
            u, v = surfaces.axis[a], surfaces.axis[b]
            leaving = surfaces.facing[a] * (other[u] - one[u])
            arriving = surfaces.facing[b] * (one[v] - other[v])
            if leaving > 0.0 and arriving > 0.0 and visible(surfaces, one, other):
                square = (other[0] - one[0]) ** 2 + (other[1] - one[1]) ** 2 + (other[2] - one[2]) ** 2
                nearby = np.pi * square + (patches.area[i] + patches.area[j]) / 2
                factor = leaving * arriving / square * patches.area[i] * patches.area[j] / nearby
                kernel[i, j] = kernel[j, i] = factor
                distance[i, j] = distance[j, i] = np.sqrt(square)
    return kernel, distance


def spread(first, share, delay, absorption, scattering, order: int) -> np.ndarray:
    """Compute what each patch sends out diffusely in each step, without what comes straight from the source.

    Parameters
    ----------
    first : array
        (patches, steps) energy that comes straight from the source.
    share : array
        F, (patches, patches).
    delay : array
        (patches, patches) [steps], 1 or more.
    absorption, scattering : array
        (patches,).
    order : int
        So many specular reflections in a row are counted by image sources; what they leave is counted as diffuse.

    Returns
    -------
    array
        (patches, steps).
    """
    # Last axis: what was reflected 0 .. order times, always specularly; then what was diffused.
    incident = np.zeros((*first.shape, order + 2))
    incident[..., 0] = first
    sent = np.zeros(first.shape)
    row, target = np.nonzero(share)
    start = np.searchsorted(row, np.arange(len(share) + 1))
    ways = (start, target, share[row, target], delay[row, target])
    _spread(incident, sent, *ways, absorption, scattering, np.zeros(order + 2))
    return sent


@compiled
def _spread(incident, sent, start, target, share, delay, absorption, scattering, out):
    """Fill `incident` and `sent`, step by step.

    start, target, share, delay: the ways from patch i are those from start[i] to start[i + 1], each to its target.
    out: (order + 2,) to work in, what leaves a patch by kind.
    """
    n, steps, kinds = incident.shape
    diffuse, order = kinds - 1, kinds - 2
    for t in range(steps):
        for i in range(n):
            reflected = 1.0 - absorption[i]
            energy = incident[i, t, 0] + incident[i, t, diffuse]
            sent[i, t] = reflected * (incident[i, t, diffuse] + incident[i, t, order])
            for kind in range(order):
                energy += incident[i, t, kind + 1]
                out[kind + 1] = reflected * (1.0 - scattering[i]) * incident[i, t, kind]
                if kind > 0:
                    sent[i, t] += reflected * scattering[i] * incident[i, t, kind]
            if energy == 0.0:
                continue
            out[diffuse] = sent[i, t] + reflected * scattering[i] * incident[i, t, 0]
            for way in range(start[i], start[i + 1]):
                later = t + delay[way]
                if later < steps:
                    for kind in range(1, kinds):
                        incident[target[way], later, kind] += share[way] * out[kind]


@compiled
def gather(sent, area, patch, delay, weight):
    """Compute the energy of pressure at an ear from what the patches send: (steps,).

    A patch that sends the power P sends P / (pi area) along each ray and unit of solid angle.

    Parameters
    ----------
    sent : array
        (patches, steps), of `spread`.
    area : array
        (patches,) [m2].
    patch : array
        (rays,) that a ray from the ear meets.
    delay : array
        (rays,) [steps].
    weight : array
        (rays,) its solid angle, times the ear's squared gain.
    """
    steps = sent.shape[1]
    energy = np.zeros(steps)
    for ray in range(len(patch)):
        p = patch[ray]
        factor = weight[ray] / (np.pi * area[p])
        for t in range(steps - delay[ray]):
            energy[t + delay[ray]] += factor * sent[p, t]
    return energy
