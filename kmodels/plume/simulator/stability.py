"""Pasquill's stability classes A (very unstable) to F (moderately stable), and what follows from them.

Pasquill (1961), Meteorol. Mag. 90, 33-49: which class comes with which wind. Irwin (1979), Atmos. Environ. 13,
191-194: exponents of the wind profile, rural. Briggs (1973), ATDL contribution 79, in Hanna, Briggs and Hosker (1982),
Handbook on Atmospheric Diffusion: sigmas over open country. US EPA (1995), ISC3 user's guide, EPA-454/B-95-003b:
temperature gradients.
"""

from dataclasses import dataclass

import numpy as np

REFERENCE_DISTANCE = 1000.0  # m downwind, where diffusivity and sigma give the same spread
GRAVITY = 9.81  # m s-2
AIR_TEMPERATURE = 290.0  # K


@dataclass(frozen=True)
class Stability:
    """One class.

    Parameters
    ----------
    name : str
        A to F.
    exponent : float
        p of the wind profile u(z) = u10 (z / 10 m)^p.
    sigma_y, sigma_z : (a, b, c)
        Of Briggs' spread of a plume over open country, sigma = a x (1 + b x)^c [m], x: distance downwind [m].
    gradient : float
        Of the potential temperature [K/m], 0 where the air is not stable.
    """

    name: str
    exponent: float
    sigma_y: tuple[float, float, float]
    sigma_z: tuple[float, float, float]
    gradient: float = 0.0

    def sigmas(self, distance) -> tuple[np.ndarray, np.ndarray]:
        """Compute (sigma_y, sigma_z) [m] of a plume at this distance downwind [m]."""
        x = np.asarray(distance, dtype=float)
        return tuple(a * x * (1 + b * x) ** c for a, b, c in (self.sigma_y, self.sigma_z))

    def diffusivities(self, wind_speed: float) -> tuple[float, float]:
        """Compute (horizontal, vertical) eddy diffusivity [m2 s-1], K = sigma^2 u / (2 x) at x = 1 km.

        A constant K spreads a plume as sigma^2 = 2 K x / u: this one has Briggs' spread at 1 km, is wider before and,
        where sigma grows faster than the square root of x, narrower behind. wind_speed: at 10 m [m s-1].
        """
        sigma_y, sigma_z = self.sigmas(REFERENCE_DISTANCE)
        half = wind_speed / (2 * REFERENCE_DISTANCE)
        return float(sigma_y**2 * half), float(sigma_z**2 * half)

    def buoyancy_frequency_squared(self) -> float:
        """Compute N^2 = g / T dtheta/dz [s-2]."""
        return GRAVITY / AIR_TEMPERATURE * self.gradient


CLASSES = {
    one.name: one
    for one in (
        Stability("A", 0.07, (0.22, 0.0001, -0.5), (0.20, 0.0, 0.0)),
        Stability("B", 0.07, (0.16, 0.0001, -0.5), (0.12, 0.0, 0.0)),
        Stability("C", 0.10, (0.11, 0.0001, -0.5), (0.08, 0.0002, -0.5)),
        Stability("D", 0.15, (0.08, 0.0001, -0.5), (0.06, 0.0015, -0.5)),
        Stability("E", 0.35, (0.06, 0.0001, -0.5), (0.03, 0.0003, -1.0), gradient=0.020),
        Stability("F", 0.55, (0.04, 0.0001, -0.5), (0.016, 0.0003, -1.0), gradient=0.035),
    )
}

# Pasquill's table by day and night: winds below [m s-1] -> the classes that they come with.
POSSIBLE = ((2.0, "ABF"), (3.0, "ABCEF"), (5.0, "BCDE"), (np.inf, "CD"))


def sample_stability(rng: np.random.Generator, wind_speed: float) -> Stability:
    """Sample one of the classes that Pasquill's table has for a wind speed at 10 m [m s-1], all equally likely."""
    names = next(names for below, names in POSSIBLE if wind_speed < below)
    return CLASSES[names[rng.integers(len(names))]]
