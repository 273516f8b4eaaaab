"""The exact law of fine rain given the coarse state of simulated days: the forecast that no model can beat.

With data.exact_posterior the coarse state is linear in the latent field and Gaussian noise, so that Z given X is
Gaussian, with

    mean  = K X,   K = Cov(Z, X) Cov(X)^-1,   covariance = Cov(Z) - K Cov(X, Z)

where X stands for its deviations from the covariates' means in units of their sd. All of X looks at B Z, so that K is
Cov(Z, B Z) times a small matrix. Members are sampled by conditioning free ones: Z' + K (X - X'), Z' and X' from the
joint law (Matheron's rule; Chiles and Delfiner 2012, Geostatistics, 2nd ed., ch. 7). Rain is a rising function of Z,
cell by cell, so quantiles, probabilities and the CRPS of each cell follow from the mean and standard deviation of its
Z.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from kmodels.precip.data.variables import COVARIATES
from kmodels.precip.simulator import marginal
from kmodels.precip.simulator.weather import Weather

LEVELS = 400  # quantiles that stand for a law when its CRPS is computed


class ExactPosterior:
    """p(Y | X) of simulated days; states are (n, Y, X, C) as `weather.Day` has them.

    Parameters
    ----------
    data : Data
        The recipe's section, with `exact_posterior`.

    Raises
    ------
    ValueError
        Where `data.exact_posterior` is false.
    """

    def __init__(self, data):
        if not data.exact_posterior:
            raise ValueError("data.exact_posterior is false: p(Y|X) is not known exactly where X has averages of rain")
        self.data = data
        self.weather = Weather(data)
        grid = data.grid
        n = grid.coarse_shape[0] * grid.coarse_shape[1]
        # Column b: covariance of every fine cell with the mean of block b.
        with_block = (1 - data.rho) * np.stack([self._with_block(b) for b in range(n)], axis=-1) + data.rho
        between = with_block.reshape(grid.coarse_shape[0], grid.block, grid.coarse_shape[1], grid.block, n)
        between = between.mean((1, 3)).reshape(n, n)
        loadings = np.array([1.0, *(c.loading for c in COVARIATES)])
        views = np.kron(loadings[:, None], np.eye(n))  # (C n, n): X = views B Z + noise
        to_blocks = np.linalg.solve(views @ between @ views.T + self._noise_covariance(n), views).T
        self._gain = with_block.reshape(-1, n), to_blocks  # K as a product
        explained = ((self._gain[0] @ (to_blocks @ views)) * self._gain[0]).sum(1)
        self.sd = np.sqrt(np.maximum(1 - explained, 0)).reshape(grid.fine)

    def _with_block(self, b: int) -> np.ndarray:
        """Covariance (y, x) of g with its mean over block b."""
        weights = np.zeros(self.data.grid.coarse_shape)
        weights.flat[b] = 1 / self.data.grid.block**2
        return self.weather.torus.covariance_with(np.kron(weights, np.ones((self.data.grid.block,) * 2)))

    def _noise_covariance(self, n: int) -> np.ndarray:
        """Compute the covariance of the part of X that does not come from Z, (C n, C n)."""
        torus = self.weather.coarse_torus
        unit = np.eye(n).reshape(n, *self.data.grid.coarse_shape)
        own = np.stack([torus.covariance_with(cell).ravel() for cell in unit])
        covariance = np.zeros((1 + len(COVARIATES), n, 1 + len(COVARIATES), n))
        covariance[0, :, 0, :] = self.data.noise**2 * np.eye(n)
        for k, c in enumerate(COVARIATES, 1):
            covariance[k, :, k, :] = (1 - c.loading**2) * own
        return covariance.reshape(len(COVARIATES) * n + n, -1)

    def mean(self, states: np.ndarray) -> np.ndarray:
        """Compute the mean of the latent field, (n, y, x); its standard deviation is `sd`, (y, x), for all days."""
        states = np.asarray(states, float)
        centre = np.array([0.0, *(c.mean for c in COVARIATES)])
        scale = np.array([1.0, *(c.sd for c in COVARIATES)])
        flat = np.moveaxis((states - centre) / scale, -1, 1).reshape(len(states), -1)
        return (flat @ self._gain[1].T @ self._gain[0].T).reshape(-1, *self.data.grid.fine)

    def members(self, rng: np.random.Generator, state: np.ndarray, count: int) -> np.ndarray:
        """Sample p(Y | X) of one day: (count, y, x) [mm/day]. state: (Y, X, C)."""
        free = self.weather.independent(rng, count)
        latent = free.latent + self.mean(state[None]) - self.mean(free.state)
        return marginal.from_latent(latent, self.data.marginal)

    def quantile(self, states: np.ndarray, level: float) -> np.ndarray:
        """Compute the amount that a cell's rain stays below with probability `level`: (n, y, x) [mm/day]."""
        return marginal.from_latent(self.mean(states) + self.sd * ndtri(level), self.data.marginal)

    def exceedance(self, states: np.ndarray, rain: float) -> np.ndarray:
        """Compute P(Y > rain | X) of each cell: (n, y, x). rain: [mm/day], 0 or more."""
        return ndtr((self.mean(states) - marginal.to_latent(rain, self.data.marginal)) / self.sd)

    def crps(self, states: np.ndarray, rain: np.ndarray) -> np.ndarray:
        """Compute the CRPS of p(Y | X) in each cell: (n, y, x) [mm/day]. rain: the truth there.

        Twice the mean pinball loss of LEVELS quantiles (Gneiting and Ranjan 2011, J. Bus. Econ. Stat. 29, 411-422).
        """
        levels = (np.arange(LEVELS) + 0.5) / LEVELS
        mean, total = self.mean(states), np.zeros(np.shape(rain))
        for level, shift in zip(levels, ndtri(levels), strict=True):
            quantile = marginal.from_latent(mean + self.sd * shift, self.data.marginal)
            total += ((rain < quantile) - level) * (quantile - rain)
        return 2 * total / LEVELS
