"""Waves inside the network: a few slices of wave optics, at a few wavelengths, that learn what this leaves out."""

import keras
import numpy as np
from keras import ops

from kmodels.metasurface.recipe import LARGEST_INDEX
from kmodels.metasurface.simulator.materials import refractive_index, squared_index
from kmodels.metasurface.simulator.scalar import diffraction_phase, half_period_weights, transverse

TINY = 1e-9  # [1/nm] in place of wave numbers that are 0: square roots have no slope there
SMALLEST = 1e-4  # share whose logarithm is still taken


@keras.saving.register_keras_serializable("kmodels")
class WaveSlices(keras.layers.Layer):
    """Share of light in each pixel and reflected, by the scalar solver's equations (see `scalar`) with two shortcuts.

    Few slices: phase screens and diffraction take turns `slices` times. Few wavelengths: this and the film are
    computed at `nodes` of them, the Chebyshev points of the band's wave numbers; behind the pattern an order's
    amplitude is smooth in the wave number, and a polynomial gives the others. From there to the pixels only the orders
    go on that can reach them, exactly, at every wavelength asked.

    What few slices get wrong is learned: at each node and slice a phase for each order, and a phase that depends on a
    cell's share of silicon nitride, a parabola. Phases alone: light is kept, whatever was learned. At the start they
    are 0.

    optics: period, height, distance [nm], cover, gap, spacer (names of materials), grid (cells along an axis) and
    wavelength (the band [nm]) of the recipe's `data`. Inputs: pattern (batch, y, x, 1) and wavelength (batch, w) [nm].
    Output (batch, w, 5) in float32: four pixels, row by row, and what is reflected; they sum to 1.
    """

    def __init__(self, optics: dict, slices: int, nodes: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.optics, self.slices, self.nodes = dict(optics), slices, nodes

    def build(self, pattern_shape, wavelength_shape):
        """Create the phases, and what all patterns share."""
        grid = self.optics["grid"]
        phases = dict(initializer="zeros", dtype="float32", autocast=False)
        self.order_phases = self.add_weight(name="order_phases", shape=(self.slices, self.nodes, grid, grid), **phases)
        self.cell_phases = self.add_weight(name="cell_phases", shape=(self.slices + 1, self.nodes, 3), **phases)
        self._set_nodes()
        self._set_orders()

    def _set_nodes(self) -> None:
        """Constants at the nodes, (nodes, 1, 1) or (nodes, grid, grid), and the polynomials through them."""
        optics, grid = self.optics, self.optics["grid"]
        self.center, self.reach = _center_and_reach(optics["wavelength"])
        places = np.cos(np.pi * (np.arange(self.nodes) + 0.5) / self.nodes)
        vacuum = self.center + self.reach * places
        index = {
            name: refractive_index(material, 2 * np.pi / vacuum)
            for name, material in (*((k, optics[k]) for k in ("cover", "gap", "spacer")), ("solid", "silicon_nitride"))
        }
        reference = np.sqrt((index["solid"] ** 2 + index["gap"] ** 2) / 2)
        step = optics["height"] / self.slices
        phase = diffraction_phase(reference * vacuum, transverse(grid, optics["period"]), step)
        self.diffraction = phase.astype("float32")
        self.vacuum, self.reference = _column(vacuum), _column(reference)
        self.index = {name: _column(values) for name, values in index.items()}
        chebyshev = np.polynomial.chebyshev.chebvander(places, self.nodes - 1)
        self.coefficients = np.linalg.inv(chebyshev).astype("float32")

    def _set_orders(self) -> None:
        """Transforms between cells and the orders that reach the pixels: pairs of a real and an imaginary part."""
        optics, grid = self.optics, self.optics["grid"]
        highest = int(LARGEST_INDEX * optics["period"] / optics["wavelength"][0])
        orders = np.arange(-highest, highest + 1)
        wave = np.exp(2j * np.pi * np.outer(orders, np.arange(grid)) / grid)
        self.to_orders, self.to_cells = _pair(wave.conj().T / grid), _pair(wave)
        k = 2 * np.pi * orders / optics["period"]
        self.transverse = (k[:, None] ** 2 + k**2).astype("float32")
        self.quadrature = half_period_weights(grid).T.astype("float32")

    def call(self, pattern, wavelength):
        """Through the pattern at the nodes; from there to the pixels at every wavelength."""
        grid = self.optics["grid"]
        width = pattern.shape[1] // grid
        share = ops.mean(ops.reshape(ops.cast(pattern, "float32"), (-1, grid, width, grid, width)), axis=(2, 4))
        share = ops.expand_dims(share, 1)
        gap, solid = _tensors(self.index["gap"] ** 2, self.index["solid"] ** 2)
        index = ops.sqrt(share * (solid - gap) + gap)  # of the cell's mean permittivity
        field, transmitted, reflected = self._film(self._through(share, index), index)
        field = _right(tuple(ops.swapaxes(part, -1, -2) for part in _right(field, self.to_orders)), self.to_orders)
        wavelength = ops.cast(wavelength, "float32")
        between = self._polynomials(wavelength)
        orders = tuple(_at(between, part) for part in field)
        pixels = self._pixels(orders, wavelength)
        pixels = pixels / ops.sum(pixels, axis=-1, keepdims=True) * _at(between, transmitted)
        return ops.concatenate([pixels, _at(between, reflected)], axis=-1)

    def _through(self, share, index):
        """The field behind all slices, without the phase of the reference index; (batch, nodes, grid, grid) each."""
        step = self.optics["height"] / self.slices
        reference, vacuum = _tensors(self.reference, self.vacuum)
        phase = (index - reference) * (vacuum * step)
        field = _turned(self._screen(0, phase / 2, share))
        for k in range(self.slices):
            spectrum = _times(ops.fft2(field), _turned(ops.add(self.order_phases[k], self.diffraction)))
            part = 1.0 if k < self.slices - 1 else 0.5
            field = _times(ops.ifft2(spectrum), _turned(self._screen(k + 1, part * phase, share)))
        return field

    def _screen(self, k: int, phase, share):
        """The phase of screen k, with what was learned of it."""
        learned = ops.reshape(self.cell_phases[k], (self.nodes, 3, 1, 1))
        centred = share - 0.5
        return phase + learned[:, 0] + centred * (learned[:, 1] + centred * learned[:, 2])

    def _film(self, field, index):
        """(field behind the film, share transmitted (batch, nodes), reflected): Airy's film of each cell's index."""
        cover, spacer, vacuum = _tensors(self.index["cover"], self.index["spacer"], self.vacuum)
        r1, r2 = (cover - index) / (cover + index), (index - spacer) / (index + spacer)
        t12 = 4 * index * ops.sqrt(cover * spacer) / ((cover + index) * (index + spacer))
        cosine, sine = _turned(index * (2 * vacuum * self.optics["height"]))
        real, imaginary = 1 + r1 * r2 * cosine, r1 * r2 * sine
        squared = ops.square(real) + ops.square(imaginary)
        passed = ops.square(t12) / squared
        flux = ops.square(field[0]) + ops.square(field[1])
        behind = _times(field, (t12 * real / squared, -t12 * imaginary / squared))
        return behind, ops.mean(flux * passed, axis=(2, 3)), ops.mean(flux * (1 - passed), axis=(2, 3))

    def _polynomials(self, wavelength):
        """(batch, w, nodes): what each node counts at each wavelength."""
        place = ops.clip((2 * np.pi / wavelength - self.center) / self.reach, -1.0, 1.0)
        order = ops.arange(self.nodes, dtype="float32")
        return ops.matmul(ops.cos(ops.expand_dims(ops.arccos(place), -1) * order), self.coefficients)

    def _pixels(self, orders, wavelength):
        """(batch, w, 4) light in the pixels, before it is scaled to what is transmitted."""
        optics = self.optics
        solid, gap, spacer = (
            squared_index(m, wavelength) for m in ("silicon_nitride", optics["gap"], optics["spacer"])
        )
        vacuum2, (transverse,) = ops.square(2 * np.pi / wavelength), _tensors(self.transverse)
        above, below = (
            ops.sqrt(ops.maximum(ops.reshape(n2 * vacuum2, (*ops.shape(wavelength), 1, 1)) - transverse, TINY**2))
            for n2 in ((solid + gap) / 2, spacer)
        )
        slope = 2 * ops.sqrt(above * below) / (above + below) * ops.cast(below > TINY, "float32")
        cosine, sine = _turned(below * optics["distance"])
        size = self.transverse.shape
        orders = tuple(ops.reshape(part, (*ops.shape(wavelength), *size)) for part in orders)
        field = _right(_times(orders, (slope * cosine, slope * sine)), self.to_cells)
        field = _right(tuple(ops.swapaxes(part, -1, -2) for part in field), self.to_cells)
        intensity = ops.square(field[0]) + ops.square(field[1])
        halves = ops.swapaxes(ops.matmul(intensity, self.quadrature), -1, -2)
        pixels = ops.swapaxes(ops.matmul(halves, self.quadrature), -1, -2)
        return ops.reshape(pixels, (*ops.shape(wavelength), 4))

    def compute_output_shape(self, pattern_shape, wavelength_shape):
        """(batch, w, 5)."""
        return (*wavelength_shape, 5)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "optics": self.optics, "slices": self.slices, "nodes": self.nodes}


def logits_of(shares, outputs: int):
    """What a sigmoid (4 outputs, the pixels) or a softmax (5) turns back into these shares (batch, w, 5)."""
    shares = ops.clip(shares[..., :outputs], SMALLEST, 1 - SMALLEST)
    return ops.log(shares) - ops.log(1 - shares) if outputs == 4 else ops.log(shares)


def _center_and_reach(band) -> tuple[float, float]:
    """Middle and half width of the band's wave numbers [1/nm]."""
    low, high = 2 * np.pi / band[1], 2 * np.pi / band[0]
    return (low + high) / 2, (high - low) / 2


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")[:, None, None]


def _tensors(*arrays: np.ndarray) -> list:
    """Constants as the backend's: torch multiplies no tensor that asks for a gradient with an array."""
    return [ops.convert_to_tensor(values) for values in arrays]


def _pair(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary part, as complex numbers are held here."""
    return values.real.astype("float32"), values.imag.astype("float32")


def _turned(phase):
    """exp(i phase)."""
    return ops.cos(phase), ops.sin(phase)


def _times(a, b):
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _right(a, matrix):
    """Complex fields times a complex matrix from the right."""
    real, imaginary = matrix
    return (
        ops.matmul(a[0], real) - ops.matmul(a[1], imaginary),
        ops.matmul(a[0], imaginary) + ops.matmul(a[1], real),
    )


def _at(between, values):
    """(batch, w, ...) of values at the nodes (batch, nodes, ...), the last axes as one."""
    nodes = values.shape[1]
    return ops.matmul(between, ops.reshape(values, (-1, nodes, int(np.prod(values.shape[2:], dtype=int)))))
