"""Split-step propagation inside the network: a few slices, at a few wavelengths, with learned phases."""

import keras
import numpy as np
from keras import ops

from kmodels.metasurface.network.optics.pairs import cis, interpolate, matmul_right, multiply, pair, tensors, transposed
from kmodels.metasurface.network.optics.structure_layer import StructureLayer
from kmodels.metasurface.network.optics.wave_numbers import WaveNumbers
from kmodels.metasurface.recipe import LARGEST_INDEX
from kmodels.metasurface.simulator.materials import refractive_index, squared_index
from kmodels.metasurface.simulator.scalar import diffraction_phase, half_period_weights, transverse

TINY = 1e-9  # [1/nm] in place of vanishing wave numbers: square roots have no slope there
SMALLEST = 1e-4  # least transmittance whose logarithm is taken


@keras.saving.register_keras_serializable("kmodels.metasurface")
class SplitStepPropagation(StructureLayer):
    """Transmittance of each pixel and reflectance by the scalar solver's equations, differentiable, with two shortcuts.

    Few slices: phase screens and diffraction alternate `slices` times. Few wavelengths: this and the film are computed
    at `nodes` of them, the Chebyshev points of the band's wave numbers; behind the pattern an order's amplitude is
    smooth in the wave number, and a polynomial interpolates. From there to the pixels only the orders that can reach
    them are propagated, exactly, at every wavelength of the input.

    The error of few slices is reduced by learned phases: at each node and slice one for each order, and one that is a
    parabola in the fill of a grid cell. Phases conserve energy, whatever their values. They start at 0.

    Inputs: pattern (batch, y, x, 1) and wavelength (batch, w) [nm]. Output (batch, w, 5) in float32: the transmittance
    of four pixels, row by row, and the reflectance; they sum to 1.

    Parameters
    ----------
    slices : int
        Slices of the pattern.
    nodes : int
        Wavelengths at which they are computed.
    grid : int
        Grid points per axis, a multiple of 4 that divides the pattern's pixels.
    **optics
        As of `StructureLayer`.

    References
    ----------
    Feit and Fleck (1978), Appl. Opt. 17, 3990.
    """

    def __init__(
        self,
        slices: int = 6,
        nodes: int = 12,
        *,
        grid: int = 16,
        **optics,
    ):
        super().__init__(**optics)
        needed = 4 * LARGEST_INDEX * self.period / self.band[0]
        if grid % 4 or grid <= needed:
            owner = type(self).__name__
            raise ValueError(f"{owner}: grid = {grid}; needs a multiple of 4 above 6 period / band[0] = {needed:g}")
        self.slices, self.nodes, self.grid = slices, nodes, grid

    def build(self, pattern_shape, wavelength_shape):
        """Create the phases, and the constants that all patterns have in common."""
        grid = self.grid
        if pattern_shape[1] is None or pattern_shape[1] % grid:
            raise ValueError(f"{type(self).__name__}: grid = {grid} does not divide {pattern_shape[1]} pixels")
        phases = dict(initializer="zeros", dtype="float32", autocast=False)
        self.order_phases = self.add_weight(name="order_phases", shape=(self.slices, self.nodes, grid, grid), **phases)
        self.cell_phases = self.add_weight(name="cell_phases", shape=(self.slices + 1, self.nodes, 3), **phases)
        self._set_nodes()
        self._set_orders()

    def _set_nodes(self) -> None:
        """Constants at the nodes, (nodes, 1, 1) or (nodes, grid, grid), and the polynomials through them."""
        self.wave_numbers = WaveNumbers(self.band, self.nodes)
        vacuum = self.wave_numbers.nodes
        index = {name: refractive_index(material, 2 * np.pi / vacuum) for name, material in self._materials().items()}
        reference = np.sqrt((index["solid"] ** 2 + index["gap"] ** 2) / 2)
        step = self.height / self.slices
        phase = diffraction_phase(reference * vacuum, transverse(self.grid, self.period), step)
        self.diffraction = phase.astype("float32")
        self.vacuum, self.reference = _column(vacuum), _column(reference)
        self.index = {name: _column(values) for name, values in index.items()}

    def _materials(self) -> dict[str, str]:
        return {"cover": self.cover, "gap": self.gap, "spacer": self.spacer, "solid": "silicon_nitride"}

    def _set_orders(self) -> None:
        """Set transforms between grid points and orders that reach the pixels: pairs of real and imaginary part."""
        grid = self.grid
        highest = int(LARGEST_INDEX * self.period / self.band[0])
        orders = np.arange(-highest, highest + 1)
        harmonics = np.exp(2j * np.pi * np.outer(orders, np.arange(grid)) / grid)
        self.to_orders, self.to_grid = pair(harmonics.conj().T / grid), pair(harmonics)
        k = 2 * np.pi * orders / self.period
        self.transverse = (k[:, None] ** 2 + k**2).astype("float32")
        self.quadrature = half_period_weights(grid).T.astype("float32")

    def call(self, pattern, wavelength):
        """Propagate through the pattern at the nodes, and from there to the pixels at every wavelength."""
        fill, index = self._cells(pattern)
        return self._at_pixels(*self._film(self._through(fill, index), index), wavelength)

    def _cells(self, pattern):
        """Compute the fill of each grid cell, (batch, 1, grid, grid), and its index, (batch, nodes, grid, grid)."""
        grid = self.grid
        width = pattern.shape[1] // grid
        fill = ops.mean(ops.reshape(ops.cast(pattern, "float32"), (-1, grid, width, grid, width)), axis=(2, 4))
        fill = ops.expand_dims(fill, 1)
        gap, solid = tensors(self.index["gap"] ** 2, self.index["solid"] ** 2)
        return fill, ops.sqrt(fill * (solid - gap) + gap)  # of the mean permittivity

    def _at_pixels(self, field, transmitted, reflected, wavelength):
        """Propagate from behind the pattern to the pixels: (batch, w, 5)."""
        field = matmul_right(transposed(matmul_right(field, self.to_orders)), self.to_orders)
        wavelength = ops.cast(wavelength, "float32")
        between = self.wave_numbers.polynomials(wavelength)
        orders = tuple(interpolate(between, part) for part in field)
        pixels = self._pixels(orders, wavelength)
        pixels = pixels / ops.sum(pixels, axis=-1, keepdims=True) * interpolate(between, transmitted)
        return ops.concatenate([pixels, interpolate(between, reflected)], axis=-1)

    def _through(self, fill, index):
        """Propagate through all slices, without the phase of the reference index: (batch, nodes, grid, grid) each."""
        step = self.height / self.slices
        reference, vacuum = tensors(self.reference, self.vacuum)
        phase = (index - reference) * (vacuum * step)
        field = cis(self._screen(0, phase / 2, fill))
        for k in range(self.slices):
            spectrum = multiply(ops.fft2(field), cis(ops.add(self.order_phases[k], self.diffraction)))
            part = 1.0 if k < self.slices - 1 else 0.5
            field = multiply(ops.ifft2(spectrum), cis(self._screen(k + 1, part * phase, fill)))
        return field

    def _screen(self, k: int, phase, fill):
        """Compute the phase of screen k, the learned one included."""
        learned = ops.reshape(self.cell_phases[k], (self.nodes, 3, 1, 1))
        centred = fill - 0.5
        return phase + learned[:, 0] + centred * (learned[:, 1] + centred * learned[:, 2])

    def _film(self, field, index):
        """Airy's film of each grid cell's index: (field behind it, transmittance (batch, nodes), reflectance)."""
        amplitude, passed = self._film_of(index)
        flux = ops.square(field[0]) + ops.square(field[1])
        behind = multiply(field, amplitude)
        return behind, ops.mean(flux * passed, axis=(2, 3)), ops.mean(flux * (1 - passed), axis=(2, 3))

    def _film_of(self, index):
        """Compute the film's amplitude (real, imaginary) and transmittance, (batch, nodes, grid, grid) each."""
        cover, spacer, vacuum = tensors(self.index["cover"], self.index["spacer"], self.vacuum)
        r1, r2 = (cover - index) / (cover + index), (index - spacer) / (index + spacer)
        t12 = 4 * index * ops.sqrt(cover * spacer) / ((cover + index) * (index + spacer))
        cosine, sine = cis(index * (2 * vacuum * self.height))
        real, imaginary = 1 + r1 * r2 * cosine, r1 * r2 * sine
        squared = ops.square(real) + ops.square(imaginary)
        return (t12 * real / squared, -t12 * imaginary / squared), ops.square(t12) / squared

    def _pixels(self, orders, wavelength):
        """Compute the light in the pixels, before it is scaled to the total transmittance: (batch, w, 4)."""
        solid, gap, spacer = (squared_index(m, wavelength) for m in ("silicon_nitride", self.gap, self.spacer))
        vacuum2, (transverse,) = ops.square(2 * np.pi / wavelength), tensors(self.transverse)
        above, below = (
            ops.sqrt(ops.maximum(ops.reshape(n2 * vacuum2, (*ops.shape(wavelength), 1, 1)) - transverse, TINY**2))
            for n2 in ((solid + gap) / 2, spacer)
        )
        slope = 2 * ops.sqrt(above * below) / (above + below) * ops.cast(below > TINY, "float32")
        cosine, sine = cis(below * self.distance)
        intensity = self._intensity(orders, wavelength, (slope * cosine, slope * sine))
        halves = ops.swapaxes(ops.matmul(intensity, self.quadrature), -1, -2)
        pixels = ops.swapaxes(ops.matmul(halves, self.quadrature), -1, -2)
        return ops.reshape(pixels, (*ops.shape(wavelength), 4))

    def _intensity(self, orders, wavelength, factors):
        """Sum up the orders, times factors (real, imaginary), at the grid's points: (batch, w, grid, grid)."""
        orders = tuple(ops.reshape(part, (*ops.shape(wavelength), *self.transverse.shape)) for part in orders)
        field = matmul_right(multiply(orders, factors), self.to_grid)
        field = matmul_right(transposed(field), self.to_grid)
        return ops.square(field[0]) + ops.square(field[1])

    def compute_output_shape(self, pattern_shape, wavelength_shape):
        """Return (batch, w, 5)."""
        return (*wavelength_shape, 5)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "slices": self.slices, "nodes": self.nodes, "grid": self.grid}


def logits_of(transmittance, outputs: int):
    """Compute logits: a sigmoid (4 outputs, the pixels) or a softmax (5) is their inverse.

    Parameters
    ----------
    transmittance : tensor
        (batch, w, 5): of the pixels, and the reflectance.
    outputs : {4, 5}
        How many of them.

    Returns
    -------
    tensor
        (batch, w, outputs).
    """
    values = ops.clip(transmittance[..., :outputs], SMALLEST, 1 - SMALLEST)
    return ops.log(values) - ops.log(1 - values) if outputs == 4 else ops.log(values)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")[:, None, None]
