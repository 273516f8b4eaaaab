"""Gaussian fields on a grid, of mean 0 and variance 1, whose power spectrum is a power law with an outer scale.

The spectral density over wavenumbers f [1/cell] is flat below f0 = 1 / L and falls as f^-slope above:

    S(f) ~ (f0^2 + f^2)^(-slope/2)

That is Whittle's and Matern's covariance (Whittle 1954, Biometrika 41, 434-449), of smoothness nu = slope / 2 - 1:

    C(r) = 2^(1-nu) / Gamma(nu) (2 pi f0 r)^nu K_nu(2 pi f0 r),   for slope = 3: exp(-2 pi r / L)

Drawn exactly on a torus larger than the grid, whose covariance matrix the Fourier transform makes diagonal (circulant
embedding; Dietrich and Newsam 1997, SIAM J. Sci. Comput. 18, 1088-1107).
"""

import math

import numpy as np
from scipy import fft
from scipy.special import gamma, kv

NEGATIVE = 1e-3  # share of the variance in negative eigenvalues, which no field has, above which a torus is too small


def covariance(distance, slope: float, outer_scale: float) -> np.ndarray:
    """Compute C(r). distance, outer_scale: [cells]."""
    nu = slope / 2 - 1
    scaled = np.maximum(2 * np.pi * np.asarray(distance, float) / outer_scale, 1e-10)  # K_nu(0) is infinite, C(0) is 1
    return 2 ** (1 - nu) / gamma(nu) * scaled**nu * kv(nu, scaled)


class Torus:
    """A periodic grid that holds the wanted one in its corner, with so wide a margin that no cell sees itself.

    shape: (y, x) of the wanted grid [cells]. `size` is the torus' own.
    """

    def __init__(self, shape: tuple[int, int], slope: float, outer_scale: float):
        self.shape = shape
        margin = math.ceil(2 * outer_scale)
        self.size = tuple(fft.next_fast_len(max(n + margin, 2 * n), real=True) for n in shape)
        self.slope, self.outer_scale = slope, outer_scale
        self._spectrum = self.spectrum()

    def spectrum(self, stretch: float = 1.0, angle: float = 0.0) -> np.ndarray:
        """Compute the power of each mode of a field whose patches are `stretch` times as long as wide.

        They are as large as those of a field that is the same in all directions: sqrt(stretch) times as long along
        `angle`, counted from eastward to northward, and so many times narrower across it [radians].

        Raises
        ------
        ValueError
            Where the torus is too small for such patches.
        """
        north, east = (np.where(2 * np.arange(n) > n, np.arange(n) - n, np.arange(n)) for n in self.size)
        along = np.cos(angle) * east + np.sin(angle) * north[:, None]
        across = np.cos(angle) * north[:, None] - np.sin(angle) * east
        distance = np.hypot(along / np.sqrt(stretch), across * np.sqrt(stretch))
        eigenvalues = fft.rfft2(covariance(distance, self.slope, self.outer_scale)).real
        lost = -eigenvalues.clip(max=0).sum() / eigenvalues.clip(min=0).sum()
        if lost > NEGATIVE:
            scale = np.sqrt(stretch) * self.outer_scale
            raise ValueError(f"a torus of {self.size} cells is too small for an outer scale of {scale:g} cells")
        return eigenvalues.clip(min=0)

    def sample(self, rng: np.random.Generator, *count: int, spectrum: np.ndarray | None = None) -> np.ndarray:
        """Sample a field on the whole torus, or `count` independent ones: (*count, Y, X)."""
        spectrum = self._spectrum if spectrum is None else spectrum
        return self._filtered(rng.standard_normal((*count, *self.size)), np.sqrt(spectrum))

    def covariance_with(self, weights: np.ndarray) -> np.ndarray:
        """Compute the covariance (y, x) of each cell of the grid with a weighted sum of its cells. weights: (y, x)."""
        padded = np.zeros(self.size)
        padded[: self.shape[0], : self.shape[1]] = weights
        return self.grid(self._filtered(padded, self._spectrum))

    def grid(self, field: np.ndarray) -> np.ndarray:
        """Cut the wanted grid out of a field on the torus."""
        return field[..., : self.shape[0], : self.shape[1]]

    def _filtered(self, field: np.ndarray, response: np.ndarray) -> np.ndarray:
        return fft.irfft2(fft.rfft2(field) * response, s=self.size)
