"""Closed forms of Gaussian dispersion at a point, which simulators are compared with.

    plume: c = q / u G(y, sigma_y) V(z, h, sigma_z),
    V = sum over n of G(z - h - 2 n L, sigma_z) + G(z + h + 2 n L, sigma_z),   G: the normal density, L: the lid

Turner (1994), Workbook of Atmospheric Dispersion Estimates.
"""

import numpy as np


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
