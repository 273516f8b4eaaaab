"""Rain as a function of a Gaussian field that is conditioned on the coarse rain: an ensemble without a network.

    Y(s) = a(s) Q_w(s)(Z(s)),   Corr(Z(s), Z(s')) = rho + (1 - rho) exp(-2 pi |s - s'| / L)

Of training days are fitted: the share w of wet days and the mean wet amount a of each cell, the law Q of Y / a over
all cells, and the two numbers rho and L (the simulator's own covariance, its slope 3; gaussian_field.py), by how often
two cells are both among their rainiest days. What coarse rain says of the mean of Z over its block is read off free
fields: their blocks' mean of Z, given the block's rain, has a mean and a variance. Fields of a day are free ones
conditioned on that by kriging (Matheron's rule; Chiles and Delfiner 2012, Geostatistics, 2nd ed., ch. 7), shifted block
by block until the block's rain is the coarse rain. Meta-Gaussian models of rain: Bardossy and Plate 1992, Water Resour.
Res. 28, 1247-1259; Allard and Bourotte 2015, Stoch. Environ. Res. Risk Assess. 29, 453-462.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from scipy.special import log_ndtr, ndtri

from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Days
from kmodels.precip.simulator.gaussian_field import Torus, covariance
from kmodels.precip.simulator.weather import block_mean

SLOPE = 3.0  # of the spectrum
RAINY = 0.8  # quantile of a cell's days from which it is among its rainiest
LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24)  # at which the covariance is fitted [cells]
FREE = 400  # fields from which the law of a block's latent mean is read
CLASSES = 30  # of the coarse rain there
SPACING, RAREST = 0.01, 12.0  # of the table of amounts
REACH = 3.0  # a block's latent is shifted by at most this much
STEPS = 12  # of bisection
MOST_DAYS = 2000  # of training, that are looked at


@dataclass(frozen=True, eq=False)
class Law:
    """How rain and the latent belong together.

    wet_share, amount: (y, x), of days and of wet days' rain [mm/day]. table: (k,), the rain / amount that a wet cell
    exceeds with probability exp(-x), x = 0, SPACING, 2 SPACING, ...
    """

    wet_share: np.ndarray
    amount: np.ndarray
    table: np.ndarray

    @classmethod
    def fit(cls, rain: np.ndarray) -> "Law":
        """Fit rain (days, y, x) [mm/day]."""
        wet = rain >= WET
        share = np.clip(wet.mean(0), 1 / len(rain), 1)
        amount = np.where(wet, rain, 0).sum(0) / np.maximum(wet.sum(0), 1)
        amount = np.where(amount > 0, amount, WET)
        table = np.quantile((rain / amount)[wet], -np.expm1(-SPACING * np.arange(RAREST / SPACING)))
        table[0] = 0.0
        return cls(share, amount, table)

    def rain(self, latent: np.ndarray) -> np.ndarray:
        """Compute rain (..., y, x) [mm/day] of a latent field."""
        at = ((np.log(self.wet_share) - log_ndtr(-latent)) / SPACING).clip(0, len(self.table) - 1.001)
        below = at.astype(int)
        lower = self.table[below]
        return self.amount * (lower + (at - below) * (self.table[below + 1] - lower))


def fit_covariance(rain: np.ndarray) -> tuple[float, float]:
    """Fit (rho, L [cells]) to rain (days, y, x)."""
    rainy = (rain > np.maximum(np.quantile(rain, RAINY, axis=0), WET)).astype("float32")
    lags = [lag for lag in LAGS if lag < min(rain.shape[1:])]
    found = []
    for lag in lags:
        pairs = [(rainy[:, lag:], rainy[:, :-lag]), (rainy[..., lag:], rainy[..., :-lag])]
        both = np.mean([(one * other).mean() for one, other in pairs])
        found.append(tetrachoric(both, np.mean([one.mean() for pair in pairs for one in pair])))

    def off(x):
        return x[0] + (1 - x[0]) * covariance(lags, SLOPE, np.exp(x[1])) - found

    bounds = (0, np.log(2)), (0.99, np.log(4 * max(rain.shape[1:])))
    rho, scale = optimize.least_squares(off, (0.3, np.log(8.0)), bounds=bounds).x
    return float(rho), float(np.exp(scale))


def tetrachoric(both: float, share: float) -> float:
    """Find the correlation of two standard normal numbers that exceed their 1 - share quantile together so often."""
    level = ndtri(1 - share)

    def off(r):
        return stats.multivariate_normal.cdf([-level, -level], cov=[[1, r], [r, 1]]) - both

    return optimize.brentq(off, -0.99, 0.999) if off(-0.99) < 0 < off(0.999) else float(off(0.999) <= 0)


class LatentGaussian:
    """The ensemble of training days' laws. grid: a recipe's data.grid. law: of rain. rho, scale: the covariance."""

    def __init__(self, grid, law: Law, rho: float, scale: float):
        self.grid, self.law, self.rho = grid, law, rho
        self.torus = Torus(grid.fine, SLOPE, scale)
        n = grid.coarse_shape[0] * grid.coarse_shape[1]
        units = np.eye(n).reshape(n, *grid.coarse_shape) / grid.block**2
        own = [self.torus.covariance_with(np.kron(unit, np.ones((grid.block,) * 2))) for unit in units]
        with_block = (1 - rho) * np.stack(own) + rho
        self.with_block = with_block.reshape(n, -1).T  # (cells, blocks)
        self.between = block_mean(with_block, grid.block).reshape(n, n)
        self.usual = block_mean(law.wet_share * law.amount, grid.block)  # mean rain of each block
        self.seen = self._seen(np.random.default_rng(0))

    @classmethod
    def fit(cls, train: Days, grid) -> "LatentGaussian":
        """Fit training days."""
        rain = train.rain(np.unique(np.linspace(0, len(train) - 1, MOST_DAYS).astype(int)))
        return cls(grid, Law.fit(rain), *fit_covariance(rain))

    def free(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Sample latent fields that know nothing, (count, y, x)."""
        common = np.sqrt(self.rho) * rng.standard_normal((count, 1, 1))
        return common + np.sqrt(1 - self.rho) * self.torus.grid(self.torus.sample(rng, count))

    def _seen(self, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tabulate (log(1 + rain / usual), mean, variance) of a block's latent mean given its rain."""
        latent = self.free(rng, FREE)
        rain = np.log1p(block_mean(self.law.rain(latent), self.grid.block) / self.usual).ravel()
        mean, order = block_mean(latent, self.grid.block).ravel(), np.argsort(rain)
        wet = order[rain[order] > 0]
        classes = [order[rain[order] == 0], *np.array_split(wet, CLASSES)]
        rows = [(rain[c].mean(), mean[c].mean(), mean[c].var()) for c in classes if len(c) > 1]
        return tuple(np.array(rows).T)

    def observed(self, coarse_rain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn coarse rain (Y, X) [mm/day] into what is seen of the blocks' latent means: value and variance (Y X,).

        What a block's rain says without its neighbours is the law in `seen`, which holds the free law, too: that is
        taken out, for conditioning puts it in.
        """
        at = np.log1p(coarse_rain / self.usual).ravel()
        mean, variance = (np.interp(at, self.seen[0], values) for values in self.seen[1:])
        alone = 1 / np.maximum(1 / variance - 1 / self.between.diagonal(), 1e-3)
        return mean / variance * alone, alone

    def sample(self, rng: np.random.Generator, coarse_rain: np.ndarray, count: int) -> np.ndarray:
        """Sample (count, y, x) [mm/day] for coarse rain (Y, X)."""
        value, variance = self.observed(coarse_rain)
        free = self.free(rng, count)
        means = block_mean(free, self.grid.block).reshape(count, -1)
        off = value - means - np.sqrt(variance) * rng.standard_normal(means.shape)
        weights = np.linalg.solve(self.between + np.diag(variance), off.T)
        latent = free + (self.with_block @ weights).T.reshape(free.shape)
        rain = self._shifted(latent, coarse_rain)
        return np.where(rain < WET, 0, rain).astype("float32")

    def _shifted(self, latent: np.ndarray, coarse_rain: np.ndarray) -> np.ndarray:
        """Shift the latent of each block until its rain is the coarse rain, and scale what is left of a difference."""
        block = self.grid.block
        shift = np.zeros((len(latent), *coarse_rain.shape))
        for step in REACH * 0.5 ** np.arange(STEPS):
            rain = self.law.rain(latent + spread(shift, block))
            shift += np.where(block_mean(rain, block) < coarse_rain, step, -step)
        return with_block_means(self.law.rain(latent + spread(shift, block)), coarse_rain, block)


def spread(blocks: np.ndarray, block: int) -> np.ndarray:
    """Give all cells of a block its value: (..., Y, X) -> (..., y, x)."""
    return blocks.repeat(block, axis=-2).repeat(block, axis=-1)


def with_block_means(rain: np.ndarray, coarse_rain: np.ndarray, block: int) -> np.ndarray:
    """Scale each block of rain (..., y, x) to the mean that coarse_rain (Y, X) says; one without rain stays dry."""
    mean = block_mean(rain, block)
    factor = np.divide(coarse_rain, mean, out=np.zeros_like(mean), where=mean > 0)
    return rain * spread(factor, block)
