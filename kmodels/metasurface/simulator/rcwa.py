"""The rigorous solver: Maxwell's equations by rigorous coupled-wave analysis (the Fourier modal method).

Lengths are in units of 1 / k0, k0 = 2 pi / wavelength, and D = (d/dx, d/dy). With h = i Z0 H, E_z and h_z eliminated,

    E' = P g,  g' = Q E,  P = 1 + D eps^-1 D^T,  Q = -(eps + R R^T)

for E = (E_x, E_y), g = (h_y, -h_x), ' = d/dz, and R = (d/dy, -d/dx). Fields are sums of the period's plane waves, those
within a circle; a product with the permittivity is Laurent's rule ("FFT formulation": Li 1996, J. Opt. Soc. Am. A 13,
1870), with the exact Fourier coefficients of a pattern of square pixels. At normal incidence plane waves G and -G join
to cosine and sine, in which P and Q are real.

No modes are needed. What a layer of thickness t does to the tangential field at its faces, E'' = P Q E says:

    E'(0) = -M1 E(0) + M2 E(t),  E'(t) = -M2 E(0) + M1 E(t)

With the power series of cosh and sinh M1 and M2 are known for a thin layer, and that of two equal layers is
M1 - M2 (2 M1)^-1 M2 and M2 (2 M1)^-1 M2, until the pattern's height is reached. Above and below are half-spaces, whose
plane waves have g = -+ Y E. Both polarisations are solved, and their mean is what unpolarised light does. What a camera
pixel gets is the Poynting flux through its quadrant at its depth in the spacer.

R + T = 1 holds to rounding with any number of orders, so it is no test of convergence.
"""

import numpy as np
import scipy.linalg

from kmodels.metasurface.simulator.materials import refractive_index
from kmodels.metasurface.simulator.scalar import Solution, half_period_weights

# A diffraction order that runs exactly along the surface (500 nm at a period of 1 um in air) carries no flux, and its
# amplitude is 0 / 0. Every wavelength is longer by this, which changes the transmittance by less than 1e-5 where it
# changes fastest.
OFF_GRAZING = 1 + 1e-9
THIN = 0.25  # largest norm of t^2 P Q for which a thin layer's series is cut: what is left out is below 1e-12


class RcwaSolver:
    """Rigorous coupled-wave analysis of patterns of one geometry.

    Parameters
    ----------
    data : kmodels.metasurface.recipe.Data
        A recipe's data section.
    wavelength : array_like, optional
        (w,) [nm]; by default the recipe's.
    """

    def __init__(self, data, wavelength=None):
        self.wavelength = data.wavelengths() if wavelength is None else np.asarray(wavelength, "float64")
        self.data, self.waves = data, RealWaves(data.orders)
        # The flux is of twice the fields' order: so many samples along an axis know its mean over half a period.
        samples = 4 * (self.waves.highest + 1)
        self.values, self.quadrature = self.waves.values(samples), half_period_weights(samples)

    def solve(self, pattern: np.ndarray) -> Solution:
        """Solve a pattern (y, x) of 0 and 1."""
        filled = self.waves.product_with(np.asarray(pattern, "float64"))
        solved = [self._at_wavelength(filled, wavelength) for wavelength in OFF_GRAZING * self.wavelength]
        transmitted, reflected = (np.stack(part, axis=-1) for part in zip(*solved, strict=True))
        return Solution(transmitted, reflected)

    def _at_wavelength(self, filled: np.ndarray, wavelength: float):
        """Solve a wavelength [nm]: (transmittance (2, 2), reflectance); filled: the product with the pattern."""
        data, k0 = self.data, 2 * np.pi / wavelength
        names = (data.cover, data.gap, "silicon_nitride", data.spacer)
        cover, gap, solid, spacer = (refractive_index(name, wavelength) ** 2 for name in names)
        scale = 2 * np.pi / (k0 * data.period)
        p, pq = _operators(self.waves.derivatives * scale, gap * np.eye(len(filled)) + (solid - gap) * filled)
        m1, m2 = _layer(pq, k0 * data.height)
        g = self.waves.orders.T * scale
        above, below = admittance(g, cover), admittance(g, spacer)
        incident = self._incident()
        down = scipy.linalg.solve(m1 + _times(p, below), m2, overwrite_a=True, check_finite=False)
        entry = _times(p, above)
        right = 2 * entry @ incident
        entering = scipy.linalg.solve(m1 + entry - m2 @ down, right, overwrite_a=True, check_finite=False)
        back, arriving = entering - incident, down @ entering
        reflected = -_flux(back, _dot(above, back)).sum(0) / np.sqrt(cover)
        arriving *= np.tile(np.exp(-normal(g, spacer) * k0 * data.distance), 2)[:, None]
        through = self._flux_by_pixel(arriving, -_dot(below, arriving)) / np.sqrt(cover)
        return through.mean(0), reflected.mean()

    def _incident(self) -> np.ndarray:
        """Make the incident field (2 n, 2): normal incidence, in one polarisation and in the other."""
        n = len(self.waves.orders)
        field = np.zeros((2 * n, 2))
        field[0, 0] = field[n, 1] = 1.0
        return field

    def _flux_by_pixel(self, e: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Compute the flux through each quadrant, (polarisation, 2, 2), times 2."""
        n, samples = len(self.waves.orders), self.quadrature.shape[1]
        flux = sum(_flux(self.values @ e[part], self.values @ g[part]) for part in (slice(n), slice(n, None)))
        flux = flux.T.reshape(-1, samples, samples)
        return self.quadrature @ flux @ self.quadrature.T


class RealWaves:
    """The period's constant, cosines and sines within a circle: at most so many functions, of mean square 1.

    Attributes
    ----------
    orders : ndarray
        (n, 2) numbers of periods along x and y: of the constant, of all cosines, of all sines.
    pairs : ndarray
        ((n - 1) / 2, 2) those of the cosines, and of the sines.
    highest : int
        Largest of them.
    derivatives : ndarray
        (2, n, n) d/dx and d/dy, for a period of 2 pi.
    """

    def __init__(self, most: int):
        reach = int(np.sqrt(most)) + 1
        x, y = (of.ravel() for of in np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"))
        radius = x**2 + y**2
        radii = np.unique(radius)
        largest = radii[np.searchsorted([np.sum(radius <= r) for r in radii], most, "right") - 1]
        half = (radius <= largest) & ((x > 0) | ((x == 0) & (y > 0)))
        self.pairs = pairs = np.stack([x[half], y[half]], axis=1)
        self.orders = np.concatenate([[[0, 0]], pairs, pairs])
        self.highest = int(np.abs(self.orders).max())
        cosine, sine = 1 + np.arange(2 * len(pairs)).reshape(2, -1)
        self.derivatives = np.zeros((2, len(self.orders), len(self.orders)))
        for axis in range(2):  # of sin(G r) it is G cos(G r), of cos(G r) -G sin(G r)
            self.derivatives[axis, cosine, sine] = pairs[:, axis]
            self.derivatives[axis, sine, cosine] = -pairs[:, axis]

    def values(self, samples: int) -> np.ndarray:
        """Evaluate them in the middle of each cell of a period, (samples * samples, n): y, x."""
        place = 2 * np.pi * (np.arange(samples) + 0.5) / samples
        x, y = (np.multiply.outer(place, of) for of in self.pairs.T)
        phase = (y[:, None] + x[None]).reshape(samples**2, -1)
        parts = np.ones((samples**2, 1)), np.sqrt(2) * np.cos(phase), np.sqrt(2) * np.sin(phase)
        return np.concatenate(parts, axis=1)

    def product_with(self, pattern: np.ndarray) -> np.ndarray:
        """Compute the matrix (n, n) of multiplying by a function that is constant on each pixel (y, x)."""
        size, reach = len(pattern), 2 * self.highest
        order = np.arange(-reach, reach + 1)
        wave = np.exp(-2j * np.pi * np.outer(order, (np.arange(size) + 0.5) / size)) / size
        wave *= np.sinc(order / size)[:, None]  # the mean over a pixel by the value in its middle
        coefficients = wave @ pattern @ wave.T  # by order along y, x
        x, y = self.pairs.T

        def of(a, b):  # 2 mean(pattern exp(-i (a + b) r)), real: with cosine, -imaginary: with sine
            return 2 * coefficients[(a[1][:, None] + b[1]) + reach, (a[0][:, None] + b[0]) + reach]

        both, apart = of((x, y), (x, y)), of((x, y), (-x, -y))
        first = np.sqrt(2) * coefficients[y + reach, x + reach]
        cosines, sines = (apart + both).real / 2, (apart - both).real / 2
        mixed = (-both.imag + apart.imag) / 2  # cosine of the row, sine of the column
        head = np.concatenate([[coefficients[reach, reach].real], first.real, -first.imag])
        body = np.block([[cosines, mixed], [mixed.T, sines]])
        return np.block([[head[:1, None], head[None, 1:]], [head[1:, None], body]])


def _operators(d: np.ndarray, permittivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute P and P Q of a layer, (2 n, 2 n) each."""
    dx, dy = d
    inverse = np.linalg.inv(permittivity)
    along = np.concatenate([dx, dy])
    p = np.eye(len(along)) + along @ inverse @ np.concatenate([dx, dy], axis=1)
    q = -np.block([[permittivity + dy @ dy, -dy @ dx], [-dx @ dy, permittivity + dx @ dx]])
    return p, p @ q


def _layer(pq: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute M1 and M2 of a layer by doubling a thin one."""
    doublings = max(0, int(np.ceil(np.log2(thickness * np.sqrt(np.linalg.norm(pq, 1) / THIN)))))
    t = thickness / 2**doublings
    b = t * t * pq
    b2 = b @ b
    b3 = b2 @ b
    one = np.eye(len(b))
    # cosh(x) and sinh(x) / x in powers of x^2 = b.
    cosh = one + b / 2 + b2 / 24 + b3 @ (one / 720 + b / 40320 + b2 / 3628800)
    sinh = one + b / 6 + b2 / 120 + b3 @ (one / 5040 + b / 362880 + b2 / 39916800)
    m2 = np.linalg.inv(sinh) / t
    m1 = m2 @ cosh
    for _ in range(doublings):
        between = m2 @ scipy.linalg.solve(2 * m1, m2, overwrite_a=True, check_finite=False)
        m1, m2 = m1 - between, between
    return m1, m2


def normal(g: np.ndarray, permittivity: float) -> np.ndarray:
    """Compute Gamma (n,) of plane waves exp(-Gamma z) that go down, or fade there; g: (2, n) along x and y."""
    return np.sqrt((g**2).sum(0) - permittivity + 0j).conj()  # -i times a positive number where they go on


def admittance(g: np.ndarray, permittivity: float) -> np.ndarray:
    """Compute Y, (2, 2, n), of plane waves in a half-space: Gamma - G G^T / Gamma for each."""
    gamma = normal(g, permittivity)
    return np.eye(2)[:, :, None] * gamma - g[:, None] * g[None] / gamma


def _dot(y: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Multiply a field (2 n, polarisation) by an admittance (2, 2, n)."""
    parts = field.reshape(2, -1, field.shape[1])
    return np.einsum("abn,bnp->anp", y, parts).reshape(field.shape)


def _times(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Multiply a matrix (2 n, 2 n) by an admittance (2, 2, n)."""
    n = y.shape[2]
    left, right = p[:, :n], p[:, n:]
    return np.concatenate([left * y[0, b] + right * y[1, b] for b in range(2)], axis=1)


def _flux(e: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Compute twice the flux along z of the product of two parts of the field."""
    return (e.conj() * g).imag
