"""What a day's weather depends on: mountains, the wind, the season, and how far its rain lies in bands.

    M = relief (h + W . g) / 2 + seasons C,   C = sqrt(2) cos(2 pi (day - 15) / 365.25)

is what the latent gains in a cell (weather.py). h: square root of the height of the land, less its mean, in its
standard deviations over cells; g: its slope (eastward, northward), large ones bounded, over its root mean square;
W: the day's wind (eastward, northward), less its mean, in its standard deviations, W' = a W + sqrt(1 - a^2) e with
a = day_memory. So high land is wet, and more so where the wind blows up the slope (Smith and Barstad 2004, J. Atmos.
Sci. 61, 1377-1391, without their delay); winters are wet. The variance of M over cells and years is

    V = relief^2 / 2 + seasons^2

Patches of rain are fronts^u times as long across the wind as along it, u uniform from 0 to 1 and larger in winter:
Phi((C + e) / sqrt(2)).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from kmodels.precip.data.variables import COVARIATES

DAYS_A_YEAR = 365.25
COLDEST = 15.0  # day of the year
TOLD = 0.8  # share of the variance of a covariate's own part that tells the day's wind, or the season
WINDS = [c for c in COVARIATES if c.name in ("uas", "vas")]


class Condition(NamedTuple):
    """A day's. wind: (eastward, northward) W. season: C. stretch, angle: of its patches [1, radians]."""

    wind: np.ndarray
    season: float
    stretch: float
    angle: float


class Conditions:
    """The laws of a recipe's conditions. data: its section. height: (y, x) of the land [m]."""

    def __init__(self, data, height: np.ndarray):
        self.data = data
        self.relief = data.relief if height.any() else 0.0
        self.slopes = _slopes(height)  # (2, y, x)
        root = np.sqrt(height)
        self.height = (root - root.mean()) / (root.std() or 1.0)
        self.variance = self.relief**2 / 2 + data.seasons**2
        self.are_plain = not (data.relief or data.seasons) and data.fronts == 1

    def days(self, rng: np.random.Generator) -> Iterator[Condition]:
        """Simulate day after day; without anything asked for, no random number is used."""
        wind, day = np.zeros(2), 0
        if self.are_plain:
            while True:
                yield Condition(wind, 0.0, 1.0, 0.0)
        wind = rng.standard_normal(2)
        while True:
            season = np.sqrt(2) * np.cos(2 * np.pi * (day + 0.5 - COLDEST) / DAYS_A_YEAR)
            yield self._condition(rng, wind, season if self.data.seasons else 0.0)
            wind, day = renewed(wind, rng.standard_normal(2), self.data.day_memory), day + 1

    def _condition(self, rng, wind: np.ndarray, season: float) -> Condition:
        variance = 2 if self.data.seasons else 1
        stretch = self.data.fronts ** ndtr((season + rng.standard_normal()) / np.sqrt(variance))
        east, north = (c.mean + c.sd * w for c, w in zip(WINDS, wind, strict=True))
        return Condition(wind, season, float(stretch), float(np.arctan2(north, east) + np.pi / 2))

    def shifted(self, latent: np.ndarray, now: Condition) -> np.ndarray:
        """Add M to a latent field (y, x) of variance 1, and divide so that it has variance 1 again."""
        if not self.variance:
            return latent
        lift = np.tensordot(now.wind, self.slopes, 1)
        mean = self.relief * (self.height + lift) / 2 + self.data.seasons * now.season
        return (latent + mean) / np.sqrt(1 + self.variance)

    def told(self, now: Condition) -> dict[str, float]:
        """List what covariates tell of a day all over the coarse grid, by name, in their standard deviations."""
        told = {} if self.are_plain else {c.name: w for c, w in zip(WINDS, now.wind.tolist(), strict=True)}
        return told | ({"tas": -now.season} if self.data.seasons else {})


def _slopes(height: np.ndarray) -> np.ndarray:
    """Compute g, (2, y, x) eastward and northward."""
    slopes = np.stack(np.gradient(height)[::-1])
    steepness = (slopes**2).sum(0)
    slopes = slopes / np.sqrt(steepness.mean() + steepness / 2) if height.any() else slopes
    return slopes / (np.sqrt((slopes**2).sum(0).mean()) or 1.0)


def with_common(own: np.ndarray, name: str, common: dict[str, float]) -> np.ndarray:
    """Mix a covariate's own field with what it tells, a number of variance 1, where it tells anything."""
    return np.sqrt(TOLD) * common[name] + np.sqrt(1 - TOLD) * own if name in common else own


def renewed(old, new, memory: float):
    """Mix two things of one variance into one of that variance, whose correlation with the old one is `memory`."""
    return memory * old + np.sqrt(1 - memory**2) * new
