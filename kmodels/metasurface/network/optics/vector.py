"""Split-step propagation of both polarisations, whose two field components are coupled by learned matrices."""

import keras
import numpy as np
from keras import ops

from kmodels.metasurface.network.blocks import norm_silu, periodic_conv, residual
from kmodels.metasurface.network.optics.pairs import cis, matmul_right, multiply, tensors, transposed
from kmodels.metasurface.network.optics.split_step import SplitStepPropagation

POLARISATIONS = 2
PLACES = 3  # where matrices differ: before the slices, between them, behind them
MATRIX = (2, POLARISATIONS, POLARISATIONS)  # real and imaginary part, component that is made, component it is made of
RATE = 0.3  # of the learned numbers that count: Adam's steps then move the field gently


def local_features(pattern, grid: int, width: int, blocks: int, dtype):
    """Turn each cell of a pattern and its neighbourhood into features: (batch, grid, grid, width).

    A patch embedding and residual blocks at the resolution of the solver's grid.

    Parameters
    ----------
    pattern : KerasTensor
        (batch, y, x, 1) of 0 and 1, whose size is a multiple of the grid's.
    grid, width, blocks : int
        Cells along an axis, features of a cell, residual blocks of 3 x 3 cells.
    dtype
        Of the layers.
    """
    cell = pattern.shape[1] // grid
    x = periodic_conv(pattern, width, cell, cell, dtype, "cell")
    for block in range(blocks):
        x = residual(x, width, 1, 0.0, dtype, f"cell_{block}")
    return norm_silu(x, dtype, "cells")


@keras.saving.register_keras_serializable("kmodels.metasurface")
class VectorPropagation(SplitStepPropagation):
    """Transmittance of each pixel and reflectance, of unpolarised light, by split-step propagation of E_x and E_y.

    Maxwell's equations couple the components where the permittivity changes, which no scalar equation knows. Here
    light of either polarisation comes in, and two kinds of learned complex 2 x 2 matrices act on (E_x, E_y):

        E(r) <- exp(i phase(r)) (1 + A(r)) E(r),   A: linear in the features of the cell at r
        E(G) <- (1 + N(G)) exp(i phase(G)) E(G),   N: for each diffraction order G

    A has one form before the slices, one between them and one behind them, as slices are alike; both A and N depend on
    the wavelength node. Both start at 0: untrained, this is `SplitStepPropagation`. Transmittance and reflectance sum
    to 1 whatever is learned, for the film of each cell's index parts the light behind the slices.

    Inputs: pattern (batch, y, x, 1), wavelength (batch, w) [nm], and features (batch, grid, grid, f) of
    `local_features`. Output (batch, w, 5) in float32, and parameters: as of `SplitStepPropagation`.
    """

    def build(self, pattern_shape, wavelength_shape, features_shape):
        """Create phases and matrices."""
        super().build(pattern_shape, wavelength_shape)
        learned = dict(initializer="zeros", dtype="float32", autocast=False)
        local = features_shape[-1], PLACES * self.nodes * int(np.prod(MATRIX))
        self.local_kernel = self.add_weight(name="local_kernel", shape=local, **learned)
        orders = 2, self.nodes, *MATRIX[1:], self.grid, self.grid
        self.order_matrices = self.add_weight(name="order_matrices", shape=orders, **learned)

    def call(self, pattern, wavelength, features):
        """Propagate through the pattern at the nodes, and from there to the pixels at every wavelength."""
        fill, index = self._cells(pattern)
        field = self._through(fill, index, self._local_matrices(features))
        return self._at_pixels(*self._film(field, index), wavelength)

    def _local_matrices(self, features):
        """Compute A: (batch, places, 2, nodes, 2, 2, grid, grid)."""
        cells = ops.reshape(ops.cast(features, "float32"), (-1, self.grid**2, features.shape[-1]))
        matrices = ops.transpose(ops.matmul(cells, self.local_kernel), (0, 2, 1))
        shape = PLACES, 2, self.nodes, *MATRIX[1:], self.grid, self.grid
        return RATE * ops.reshape(matrices, (-1, *shape))

    def _through(self, fill, index, local):
        """Propagate through all slices: (batch, nodes, polarisation, component, grid, grid) each part."""
        reference, vacuum = tensors(self.reference, self.vacuum)
        phase = (index - reference) * (vacuum * (self.height / self.slices))
        (incident,) = tensors(np.eye(POLARISATIONS, dtype="float32")[:, :, None, None])
        field = tuple(part * incident for part in _for_both(cis(self._screen(0, phase / 2, fill)), 2))
        field = _coupled(field, local[:, 0])
        orders = RATE * ops.expand_dims(self.order_matrices, 0)
        for k in range(self.slices):
            last = k == self.slices - 1
            spectrum = multiply(ops.fft2(field), _for_both(cis(ops.add(self.order_phases[k], self.diffraction)), 1))
            field = ops.ifft2(_coupled(spectrum, orders))
            screen = cis(self._screen(k + 1, phase / 2 if last else phase, fill))
            field = _coupled(multiply(field, _for_both(screen, 2)), local[:, 2 if last else 1])
        return field

    def _film(self, field, index):
        """Airy's film of each grid cell's index: (field behind it, transmittance (batch, nodes), reflectance)."""
        amplitude, passed = self._film_of(index)
        flux = ops.sum(ops.square(field[0]) + ops.square(field[1]), axis=(2, 3))
        transmitted = ops.mean(flux * passed, axis=(2, 3)) / ops.mean(flux, axis=(2, 3))
        return multiply(field, _for_both(amplitude, 2)), transmitted, 1 - transmitted

    def _intensity(self, orders, wavelength, factors):
        """Sum up the intensity of both components in both polarisations: (batch, w, grid, grid)."""
        size = ops.shape(wavelength)
        orders = tuple(ops.reshape(part, (*size, POLARISATIONS**2, *self.transverse.shape)) for part in orders)
        field = multiply(orders, tuple(ops.expand_dims(part, 2) for part in factors))
        field = matmul_right(transposed(matmul_right(field, self.to_grid)), self.to_grid)
        return ops.sum(ops.square(field[0]) + ops.square(field[1]), axis=2)

    def compute_output_shape(self, pattern_shape, wavelength_shape, features_shape):
        """Return (batch, w, 5)."""
        return (*wavelength_shape, 5)


def _for_both(parts, axis: int):
    """Give real and imaginary part axes of polarisation and component, the first of which is `axis`."""
    return tuple(ops.expand_dims(ops.expand_dims(part, axis), axis) for part in parts)


def _coupled(field, matrices):
    """Apply 1 + matrices to the components of a field.

    Parameters
    ----------
    field : (tensor, tensor)
        (batch, nodes, polarisation, component, grid, grid).
    matrices : tensor
        (batch or 1, 2, nodes, component made, component it is made of, grid, grid).
    """
    real, imaginary = matrices[:, 0], matrices[:, 1]

    def product(matrix, part):
        return sum(ops.expand_dims(matrix[:, :, :, k], 2) * part[:, :, :, k : k + 1] for k in range(POLARISATIONS))

    return (
        field[0] + product(real, field[0]) - product(imaginary, field[1]),
        field[1] + product(real, field[1]) + product(imaginary, field[0]),
    )
