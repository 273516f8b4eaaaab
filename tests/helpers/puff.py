"""The second opinion on the simulator: Gaussian puffs over flat open country.

A stack is a row of puffs. Each is carried by the wind of its time and spreads with the distance that it has travelled
as Briggs measured (`stability.Stability.sigmas`); ground and lid reflect it, as image puffs:

    c = sum over puffs of m G(x - x_p, sigma_y) G(y - y_p, sigma_y) V(z, h, sigma_z),
    V = sum over n of G(z - h - 2 n L, sigma_z) + G(z + h + 2 n L, sigma_z),   G: the normal density, L: the lid

Turner (1994), Workbook of Atmospheric Dispersion Estimates; Hanna, Briggs and Hosker (1982), Handbook on Atmospheric
Diffusion.
"""

import numpy as np

from kmodels.plume.simulator.stability import Stability


def normal(offset, sigma):
    """Density of the normal distribution at this offset from its mean [1/m]."""
    return np.exp(-0.5 * (offset / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


def vertical(z, height: float, sigma_z, lid: float = np.inf):
    """V [1/m]: how a puff at `height` [m] is spread in the vertical between ground and lid [m]; its integral is 1."""
    reach = 0 if np.isinf(lid) else int(np.ceil(3 * np.max(sigma_z) / lid)) + 1
    shifts = [2 * n * lid for n in range(-reach, reach + 1)] if reach else [0.0]
    return sum(normal(z - height - s, sigma_z) + normal(z + height + s, sigma_z) for s in shifts)


def plume(x, y, z, height: float, emission: float, wind_speed: float, sigmas, lid: float = np.inf):
    """The steady Gaussian plume, q / u G(y, sigma_y) V(z) [kg m-3], at x > 0 downwind, y across, z above ground [m].

    height: of the release [m]. emission: [kg s-1]. sigmas: x -> (sigma_y, sigma_z) [m].
    """
    sigma_y, sigma_z = sigmas(x)
    return emission / wind_speed * normal(y, sigma_y) * vertical(z, height, sigma_z, lid)


def cloud(x, y, z, release, emission: float, wind, seconds: float, stability: Stability, lid: float = np.inf):
    """Concentration of one stack's puffs (z, y, x) [kg m-3] at the end of a wind record.

    x, y, z: axes of the points [m]. release: (x, y, height) of the source [m]. emission: [kg s-1]. wind: (steps, 2)
    eastward and northward [m s-1], one puff a step. seconds: of a step; puffs should overlap, u dt < sigma_y.
    """
    path = np.asarray(wind, dtype=float) * seconds
    # A puff leaves in the middle of its step and is moved by the second half of it and by all later steps.
    moved = path[::-1].cumsum(axis=0)[::-1] - path / 2
    length = np.hypot(*path.T)
    travelled = length[::-1].cumsum()[::-1] - length / 2
    sigma_y, sigma_z = (sigma[:, None] for sigma in stability.sigmas(travelled))
    east = normal(x - release[0] - moved[:, :1], sigma_y)
    north = normal(y - release[1] - moved[:, 1:], sigma_y)
    return emission * seconds * np.einsum("pz,py,px->zyx", vertical(z, release[2], sigma_z, lid), north, east)
