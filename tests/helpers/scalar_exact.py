"""The scalar wave equation behind a pattern, solved with nothing neglected: slow, and simple on purpose.

Fields are sums over orders within a circle. In the pattern they are the eigenvectors of d^2/dx^2 + d^2/dy^2 + k0^2 eps;
above and below they are plane waves; the field and its slope along z are the same on both sides of each face.
"""

import numpy as np

from kmodels.metasurface.simulator.materials import refractive_index
from kmodels.metasurface.simulator.scalar import half_period_weights

GRID = 64


def solve(pattern, data, wavelength, radius):
    """(transmittance (2, 2), reflectance) at one wavelength [nm]; orders up to `radius`."""
    k0 = 2 * np.pi / wavelength
    above, gap, solid, below = (
        float(refractive_index(m, wavelength)) for m in (data.cover, data.gap, "silicon_nitride", data.spacer)
    )
    y, x = _orders(radius)
    k_t2 = (2 * np.pi / data.period) ** 2 * (x**2 + y**2)
    operator = k0**2 * _products(gap**2 + (solid**2 - gap**2) * pattern, y, x) - np.diag(k_t2)
    squared, modes = np.linalg.eigh(operator)
    k_z = np.sqrt(squared.astype(complex))
    k_above, k_below = (np.sqrt(((n * k0) ** 2 - k_t2).astype(complex)) for n in (above, below))
    way = np.exp(1j * k_z * data.height)
    down, up = _matched(modes, k_z, way, k_above, k_below, (x == 0) & (y == 0))
    back = modes @ (down + way * up) - ((x == 0) & (y == 0))
    reflected = (np.abs(back) ** 2 * k_above.real).sum() / (above * k0)
    through = modes @ (way * down + up) * np.exp(1j * k_below * data.distance)
    amplitude = np.zeros((GRID, GRID), complex)
    # Half a cell's phase: a field's value at k stands for the cell's centre.
    amplitude[y % GRID, x % GRID] = through * np.sqrt(k_below.real / (above * k0)) * np.exp(1j * np.pi * (x + y) / GRID)
    flux = np.abs(np.fft.ifft2(amplitude) * GRID**2) ** 2
    weights = half_period_weights(GRID)
    return weights @ flux @ weights.T, reflected


def _orders(radius):
    m = np.arange(-radius, radius + 1)
    y, x = (part.ravel() for part in np.meshgrid(m, m, indexing="ij"))
    inside = x**2 + y**2 <= radius**2
    return y[inside], x[inside]


def _products(values, y, x):
    """The matrix that multiplies a field by `values`, given at cell centres."""
    n = len(values)
    dy, dx = y[:, None] - y, x[:, None] - x
    return (np.fft.fft2(values) / n**2)[dy % n, dx % n] * np.exp(-1j * np.pi * (dy + dx) / n)


def _matched(modes, k_z, way, k_above, k_below, incoming):
    """Amplitudes of the modes going down, at the top, and of those going up, at the bottom."""
    slope = modes * k_z
    above, below = k_above[:, None] * modes, k_below[:, None] * modes
    equations = np.block([[above + slope, (above - slope) * way], [(below - slope) * way, below + slope]])
    right = np.concatenate([2 * k_above * incoming, np.zeros(len(k_z))])
    return np.split(np.linalg.solve(equations, right), 2)
