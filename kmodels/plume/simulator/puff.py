"""Clouds as Gaussian puffs over flat open country: another model than the finite volumes, of the same weather.

A stack is a row of puffs. Each is carried by the wind of its time at its height, which is that of the risen plume, and
spreads with the distance that it has travelled as Briggs measured (`stability.Stability.sigmas`); ground and lid
reflect it, as image puffs. With m the mass of a puff, (x_p, y_p, h) its centre, G the normal density, L the lid:

    c = sum over puffs of m G(x - x_p, sigma_y) G(y - y_p, sigma_y) V(z),
    V = sum over n of G(z - h - 2 n L, sigma_z) + G(z + h + 2 n L, sigma_z)

Frames are means over cells, without error: along each axis G is integrated from face to face, a difference of two
values of the error function. A puff does not know that the wind differs above and below its centre.

Turner (1994), Workbook of Atmospheric Dispersion Estimates; Hanna, Briggs and Hosker (1982), Handbook on Atmospheric
Diffusion.
"""

import math

import numpy as np
from scipy.special import ndtr

from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.run import Stacks
from kmodels.plume.simulator.stability import Stability

SPACING = 0.25  # of a cell's width, at most, between two puffs: in the mean of a cell they are one plume
REACH = 5.0  # sigma_y from the box: of puffs farther away less than 1e-6 is inside, and they are left out
WELL_MIXED = 1.5  # of the lid's height: under a sigma_z like that V is even to 1e-4, and images are counted so far


def clouds(
    domain: Domain,
    plumes: Stacks,
    speeds: np.ndarray,
    stability: Stability,
    directions: np.ndarray,
    seconds: float,
    first: int = 0,
) -> np.ndarray:
    """Compute the frames of a cloud that stacks emit into clean air.

    Parameters
    ----------
    domain : Domain
        Flat, with a lid or without one.
    plumes : Stacks
        n of them; their height is that of the risen plume [m].
    speeds : array (n,)
        Of the wind at that height [m s-1].
    stability : Stability
        Says how puffs spread.
    directions : array (steps,)
        Where the wind blows to in each step, counter-clockwise from east [rad].
    seconds : float
        Of a step.
    first : int
        Steps before the first frame.

    Returns
    -------
    array (steps - first, z, y, x)
        Mean concentrations of cells [kg m-3]; frame k is at the beginning of step first + k.
    """
    frames = np.zeros((len(directions) - first, *domain.shape))
    for x, y, height, emission, speed in zip(plumes.x, plumes.y, plumes.height, plumes.emission, speeds, strict=True):
        parts = math.ceil(speed * seconds / (SPACING * domain.grid.dx))  # puffs a step
        travelled, moved = paths(speed * seconds, directions, parts)
        sigma_y, sigma_z = stability.sigmas(travelled)
        columns = column_shares(domain, height, sigma_z)
        density = emission * seconds / parts / math.prod(domain.spacing)  # of a puff that is in one cell
        for k, frame in enumerate(frames):
            n = (first + k) * parts
            places = np.array([x, y]) + moved(n)
            frame += density * _spread(domain, places, sigma_y[:n], columns[:n])
    return frames


def paths(length: float, directions: np.ndarray, parts: int):
    """Follow the puffs of a stack; each leaves in the middle of its part of a step.

    Parameters
    ----------
    length : float
        That the wind goes in a step [m].
    directions : array (steps,)
        See `clouds`.
    parts : int
        Puffs a step.

    Returns
    -------
    travelled : array (steps * parts,)
        How far the youngest, the second youngest, ... has gone at the end of a part [m].
    moved : callable
        ``moved(n)`` gives (n, 2), how far east and north the first n puffs are after n parts, the youngest first [m].
    """
    length /= parts
    steps = length * np.stack([np.cos(directions), np.sin(directions)], axis=1).repeat(parts, axis=0)
    ends = steps.cumsum(axis=0)
    starts = ends - steps / 2
    return length * (np.arange(len(steps)) + 0.5), lambda n: ends[n - 1 : n] - starts[:n][::-1]


def column_shares(domain: Domain, height: float, sigma_z: np.ndarray) -> np.ndarray:
    """Integrate V over the cells of a column: (puffs, z), the share of each puff's mass in them.

    Parameters
    ----------
    domain : Domain
        Says where cells and lid are.
    height : float
        Of the puffs' centres above ground [m].
    sigma_z : array (puffs,)
        Their spread [m].
    """
    lid = domain.lid
    sigma_z = np.minimum(sigma_z, WELL_MIXED * lid)
    images = 0 if math.isinf(lid) else math.ceil(REACH / 2 * float(sigma_z.max(initial=0)) / lid) + 1
    faces = np.minimum(np.arange(domain.grid.nz + 1) * domain.grid.dz, lid)  # nothing is above the lid
    shifts = [2 * n * lid if n else 0.0 for n in range(-images, images + 1)]
    centres = [sign * height + shift for shift in shifts for sign in (1, -1)]
    return sum(shares(faces, np.full_like(sigma_z, centre), sigma_z) for centre in centres)


def shares(faces: np.ndarray, centres: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Integrate normal densities, of these centres and sigmas (puffs,) [m], between faces (n + 1,): (puffs, n)."""
    return np.diff(ndtr((faces - centres[:, None]) / sigmas[:, None]), axis=1)


def _spread(domain: Domain, places: np.ndarray, sigma_y: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sum puffs of mass 1 at places (puffs, 2) over the cells: (z, y, x)."""
    size = domain.grid.dx * np.array([domain.grid.nx, domain.grid.ny])
    reach = REACH * sigma_y[:, None]
    near = ((places > -reach) & (places < size + reach)).all(axis=1)
    east, north = (
        shares(np.arange(n + 1) * domain.grid.dx, places[near, axis], sigma_y[near])
        for axis, n in enumerate((domain.grid.nx, domain.grid.ny))
    )
    flat = north[:, :, None] * east[:, None, :]
    return np.tensordot(columns[near], flat, axes=(0, 0))
