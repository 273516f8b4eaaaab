"""Days of weather: a latent Gaussian field for each, the rain that it stands for, and what a coarse model knows of it.

    Z = sqrt(rho) A + sqrt(1 - rho) g          latent field of a day: (y, x), mean 0, variance 1
    Y = F^-1(Phi(Z))                            its rain (marginal.py) [mm/day]
    A' = a A + sqrt(1 - a^2) e                  the number that a whole day has in common, from day to day
    g'(s) = b g(s - d) + sqrt(1 - b^2) h(s)     the rest (gaussian_field.py), moved by d cells a day and renewed

e standard normal, h a field like g, a = day_memory, b = field_memory, d = wind. B: means over blocks of cells. Where
mountains, seasons or fronts are asked for (conditions.py), Z has a mean M that depends on the cell and the day,

    Z = (sqrt(rho) A + sqrt(1 - rho) g + M) / sqrt(1 + V),   V the variance of M over cells and years

and the patches of h are stretched across the wind.

    X_0 = B Y, the coarse rain; with `exact_posterior`, X_0 = B Z + noise, a number without a unit
    X_c = mean_c + sd_c (l_c B Z + sqrt(1 - l_c^2) n_c)

for the covariates c, n_c a coarse field of its own for each day, with the spectrum of g; a part of it is the same all
over the coarse grid where it tells the day's wind or season.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kmodels.precip.data.variables import COVARIATES
from kmodels.precip.simulator import marginal
from kmodels.precip.simulator.conditions import Conditions, renewed, with_common
from kmodels.precip.simulator.gaussian_field import Torus


class Day(NamedTuple):
    """latent: (y, x). rain: (y, x) [mm/day]. state: (Y, X, C), the predictors in their units, rain in mm/day."""

    latent: np.ndarray
    rain: np.ndarray
    state: np.ndarray


def block_mean(fields: np.ndarray, block: int) -> np.ndarray:
    """Average over blocks of block x block cells: (..., y, x) -> (..., y / block, x / block)."""
    *front, ny, nx = fields.shape
    return fields.reshape(*front, ny // block, block, nx // block, block).mean((-3, -1))


class Weather:
    """The laws of a recipe's weather. data: its section. height: (y, x) of the land [m], flat for None."""

    def __init__(self, data, height: np.ndarray | None = None):
        self.data = data
        self.conditions = Conditions(data, np.zeros(data.grid.fine) if height is None else height)
        self.torus = Torus(data.grid.fine, data.slope, data.outer_scale)
        self.coarse_torus = Torus(data.grid.coarse_shape, data.slope, data.outer_scale / data.grid.block)

    def days(self, rng: np.random.Generator) -> Iterator[Day]:
        """Simulate day after day without end, the first one from the stationary law."""
        for latent, common in self.latents(rng):
            yield self._day(rng, latent, common)

    def latents(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, dict[str, float]]]:
        """Simulate day after day Z, (y, x), and what covariates have in common all over the grid."""
        data, conditions = self.data, self.conditions.days(rng)
        now = next(conditions)
        common, field = rng.standard_normal(), self._field(rng, now)
        while True:
            free = np.sqrt(data.rho) * common + np.sqrt(1 - data.rho) * self.torus.grid(field)
            yield self.conditions.shifted(free, now), self.conditions.told(now)
            now = next(conditions)
            common = renewed(common, rng.standard_normal(), data.day_memory)
            field = renewed(np.roll(field, data.wind, (0, 1)), self._field(rng, now), data.field_memory)

    def _field(self, rng: np.random.Generator, now) -> np.ndarray:
        """Sample h of a day, on the torus."""
        stretched = now.stretch > 1
        return self.torus.sample(rng, spectrum=self.torus.spectrum(now.stretch, now.angle) if stretched else None)

    def independent(self, rng: np.random.Generator, count: int) -> Day:
        """Simulate `count` independent days, stacked: (count, ...)."""
        latent = np.sqrt(self.data.rho) * rng.standard_normal((count, 1, 1))
        latent = latent + np.sqrt(1 - self.data.rho) * self.torus.grid(self.torus.sample(rng, count))
        return self._day(rng, latent)

    def _day(self, rng: np.random.Generator, latent: np.ndarray, common: dict[str, float] | None = None) -> Day:
        """Make what belongs to latent fields (..., y, x). common: as `Conditions.told` says it."""
        rain = marginal.from_latent(latent, self.data.marginal)
        block = self.data.grid.block
        latent_mean = block_mean(latent, block)
        if self.data.exact_posterior:
            first = latent_mean + self.data.noise * rng.standard_normal(latent_mean.shape)
        else:
            first = block_mean(rain, block)
        own = self.coarse_torus.grid(self.coarse_torus.sample(rng, len(COVARIATES), *latent_mean.shape[:-2]))
        others = (
            c.mean + c.sd * (c.loading * latent_mean + np.sqrt(1 - c.loading**2) * with_common(n, c.name, common or {}))
            for c, n in zip(COVARIATES, own, strict=True)
        )
        return Day(latent, rain, np.stack([first, *others], axis=-1))
