"""The scalar solver: split-step propagation, one way through the pattern.

Light of flux 1 comes in at normal incidence; |a|^2 is flux at a place, so that energy is a mean of squares.

1. Slices. On the way through the pattern phase screens exp(i k0 (n(x, y) - n_ref) dz) take turns with diffraction,
   a -> F^-1 exp(i (k_z - k) dz) F a, where k = n_ref k0 and k_z - k = -k_t^2 / (k + Re sqrt(k^2 - k_t^2)). Both keep
   the energy, in orders that would be evanescent too (Feit and Fleck 1978, Appl. Opt. 17, 3990).
2. Film. Reflections at top and bottom are those of a film of the local index (Airy 1833): with the Fresnel
   coefficients r, t of both faces and phi = k0 n h, t t' / (1 + r r' exp(2 i phi)) of the amplitude goes on.
3. Spacer. The angular spectrum at the camera pixels: orders with k_t < n k0 by exp(i k_z d), each with the Fresnel
   coefficient of its slope. What that holds back, all beyond the light cone among it, is shared out in proportion.
4. Pixels. |a|^2 over each quadrant, the exact integral of the trigonometric polynomial that |a|^2 is.

Exact are a uniform film, the 32 symmetries and transmitted + reflected = 1. Limits: no vector effects (polarisation,
fields that jump at walls); light turns round straight back alone, hence no guided resonances; and one way in slices is
no solution of the scalar wave equation either. Against one in which nothing is neglected (as in the tests), from 520 to
700 nm and at the prototype's period of 2 um, its mean absolute error is 0.02 to 0.03 where the pixels differ by 0.04,
and the pixels' differences correlate by 0.8 to 0.9.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from kmodels.metasurface.simulator.materials import refractive_index

BLOCK = 16  # wavelengths at a time: their fields fit into a core's cache


@dataclass(frozen=True)
class Solution:
    """A solved structure.

    Attributes
    ----------
    transmitted : ndarray
        (2, 2, w) transmittance of each pixel.
    reflected : ndarray
        (w,) reflectance.
    """

    transmitted: np.ndarray
    reflected: np.ndarray


class ScalarSolver:
    """Split-step propagation through patterns of one geometry; propagators are computed once.

    Parameters
    ----------
    data : kmodels.metasurface.recipe.Data
        A recipe's data section.
    wavelength : array_like, optional
        (w,) [nm]; by default the recipe's.
    """

    def __init__(self, data, wavelength=None):
        self.wavelength = data.wavelengths() if wavelength is None else np.asarray(wavelength, "float64")
        self.n_cells, self.height, self.slices = data.grid, data.height, data.slices
        self.k0 = 2 * np.pi / self.wavelength
        self.cover, self.gap, self.spacer, self.solid = (
            refractive_index(m, self.wavelength) for m in (data.cover, data.gap, data.spacer, "silicon_nitride")
        )
        self.reference = np.sqrt((self.gap**2 + self.solid**2) / 2)
        k_t2 = transverse(data.grid, data.period)
        phase = diffraction_phase(self.reference * self.k0, k_t2, data.height / data.slices)
        self._diffraction = np.exp(1j * phase).astype("complex64")
        self._to_pixels = _angular_spectrum(self.reference * self.k0, self.spacer * self.k0, k_t2, data.distance)
        self._quadrature = half_period_weights(data.grid)

    def solve(self, pattern: np.ndarray) -> Solution:
        """Solve a pattern (y, x) of 0 and 1, whose size is a multiple of the grid's."""
        count, per_cell = self._filling(pattern)
        fill = np.arange(per_cell + 1) / per_cell
        parts = [self._block(slice(k, k + BLOCK), count, fill) for k in range(0, len(self.k0), BLOCK)]
        transmitted, reflected = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Solution(np.moveaxis(transmitted, 0, -1), reflected)

    def _filling(self, pattern: np.ndarray) -> tuple[np.ndarray, int]:
        """Count the solid pixels in each cell, (cells, cells), and how many pixels it has."""
        size = pattern.shape[-1]
        if pattern.shape != (size, size) or size % self.n_cells:
            raise ValueError(f"pattern of shape {pattern.shape}; expected a square multiple of {self.n_cells}")
        width = size // self.n_cells
        cells = np.asarray(pattern, "int64").reshape(self.n_cells, width, self.n_cells, width)
        return cells.sum((1, 3)), width * width

    def _block(self, block: slice, count: np.ndarray, fill: np.ndarray):
        """Solve some wavelengths: (transmitted (w, 2, 2), reflected (w,)).

        A cell has one of a few indices, so that what depends on it is computed once each and looked up.
        """
        solid, gap = self.solid[block, None] ** 2, self.gap[block, None] ** 2
        n = np.sqrt(gap + fill * (solid - gap))  # the cell's mean permittivity
        k0 = self.k0[block, None]
        half = np.exp(0.5j * k0 * (n - self.reference[block, None]) * self.height / self.slices)
        t, r = film(self.cover[block, None], n, self.spacer[block, None], k0 * n * self.height)
        screen = _looked_up(half**2, count)
        field = _looked_up(half, count)
        for step in range(self.slices):
            field = _convolved(field, self._diffraction[block])
            if step < self.slices - 1:
                field *= screen
        reflected = (_flux(field) * _looked_up(np.abs(r) ** 2, count, "float32")).mean((1, 2), dtype="float64")
        field *= _looked_up(half * t, count)
        through = _flux(field).mean((1, 2), dtype="float64")
        intensity = _flux(_convolved(field, self._to_pixels[block]))
        transmittance = self._quadrature @ intensity @ self._quadrature.T
        return transmittance * (through / transmittance.sum((1, 2)))[:, None, None], reflected


def film(n_above, n, n_below, phase) -> tuple[np.ndarray, np.ndarray]:
    """Compute (t, r) of a film at normal incidence, as amplitudes of flux: |t|^2 + |r|^2 = 1.

        t = t1 t2 / (1 + r1 r2 e),  r = (r1 + r2 e) / (1 + r1 r2 e),  e = exp(2 i phase)

    Parameters
    ----------
    n_above, n, n_below : array_like
        Refractive indices above, in and below the film.
    phase : array_like
        k0 n h [rad].

    Returns
    -------
    tuple of ndarray
        (t, r), broadcast; t is without the factor exp(i phase) of the way through.

    References
    ----------
    Airy (1833), Phil. Mag. 2, 20.
    """
    r1, r2 = (n_above - n) / (n_above + n), (n - n_below) / (n + n_below)
    t1 = 2 * np.sqrt(n_above * n) / (n_above + n)
    t2 = 2 * np.sqrt(n * n_below) / (n + n_below)
    echo = np.exp(2j * phase)
    return t1 * t2 / (1 + r1 * r2 * echo), (r1 + r2 * echo) / (1 + r1 * r2 * echo)


def half_period_weights(n: int) -> np.ndarray:
    """Compute quadrature weights of the two halves of a period.

    Parameters
    ----------
    n : int
        Grid points in a period of length 1, a multiple of 4.

    Returns
    -------
    ndarray
        (2, n) weights w of cell centres: sum_j w[q, j] f(x_j) is the integral of f over the first or second half,
        exact for trigonometric polynomials f of order below n / 2.
    """
    x = (np.arange(n) + 0.5) / n
    odd = np.arange(1, n // 2, 2)
    square = (2 / (np.pi * odd) * np.sin(2 * np.pi * np.outer(x, odd))).sum(axis=1)
    return np.stack([0.5 + square, 0.5 - square]) / n


def transverse(n: int, period: float) -> np.ndarray:
    """Compute squared transverse wave numbers k_t^2 in the order of the FFT: (n, n)."""
    k = 2 * np.pi * np.fft.fftfreq(n, period / n)
    return k[:, None] ** 2 + k**2


def diffraction_phase(k: np.ndarray, k_t2: np.ndarray, dz: float) -> np.ndarray:
    """Compute the phases (k_z - k) dz of one slice: (w, n, n)."""
    k = k[:, None, None]
    return -dz * k_t2 / (k + np.sqrt(np.maximum(k**2 - k_t2, 0.0)))


def _angular_spectrum(k_above: np.ndarray, k: np.ndarray, k_t2: np.ndarray, distance: float) -> np.ndarray:
    """Compute the factors t exp(i k_z distance), (w, n, n) complex64, 0 beyond the light cone.

    t = 2 sqrt(k_z k_z') / (k_z + k_z') goes to 0 there: without it spectra jump where an order starts to exist.
    """
    above, below = (np.sqrt(np.maximum(k0[:, None, None] ** 2 - k_t2, 0.0)) for k0 in (k_above, k))
    t = 2 * np.sqrt(above * below) / np.maximum(above + below, np.finfo(float).tiny)
    return (t * np.exp(1j * distance * below)).astype("complex64")


def _looked_up(table: np.ndarray, index: np.ndarray, dtype="complex64") -> np.ndarray:
    """Look up table[w, index], (w, n, n)."""
    return np.take(table.astype(dtype), index, axis=1)


def _convolved(field: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """F^-1 factors F field."""
    spectrum = scipy.fft.fft2(field, overwrite_x=True)
    spectrum *= factors
    return scipy.fft.ifft2(spectrum, overwrite_x=True)


def _flux(field: np.ndarray) -> np.ndarray:
    return field.real**2 + field.imag**2
