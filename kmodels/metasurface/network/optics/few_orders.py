"""Rigorous coupled-wave analysis with few Fourier orders at few wavelengths, in operations of every backend."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmodels.core.spec.arguments import check_integers
from kmodels.metasurface.data.layout import GEOMETRY
from kmodels.metasurface.network.optics.pairs import multiply, pair, tensors
from kmodels.metasurface.network.optics.structure_layer import StructureLayer
from kmodels.metasurface.network.optics.wave_numbers import WaveNumbers
from kmodels.metasurface.simulator.materials import refractive_index, squared_index
from kmodels.metasurface.simulator.rcwa import OFF_GRAZING, RealWaves, admittance, normal
from kmodels.metasurface.simulator.scalar import half_period_weights

THIN = 0.81  # largest norm of t^2 P Q for which a thin layer's series is cut: what is left out is below 1e-7
LEAST = 1e-8  # of squared normal wave numbers whose root is taken


@keras.saving.register_keras_serializable("kmodels.metasurface")
class FewOrders(StructureLayer):
    """Transmittance of each pixel by the equations of `simulator.rcwa`, differentiable, in float32. Nothing is learned.

    E'' = P Q E in a layer. With C = cosh and S = sinh(.) / root, of the root of P Q times half the height, the fields
    at the bottom (b) and at the top (t) of the pattern give those in its middle, where they must be equal:

        (C + S P Y_b) E_b = (C + S P Y_a) E_t - S q,  -(P Q S + C P Y_b) E_b = (P Q S + C P Y_a) E_t - C q

    with the admittances Y of the half-spaces and q = 2 P Y_a E of the incident light. Nothing is inverted that is
    singular where a standing wave fits in, as in `simulator.rcwa`: float32 would lose gradients there.

    In P and Q stands the matrix of multiplying by the permittivity. With all orders Laurent's rule, [eps], and the
    inverse one, [1 / eps]^-1, are the same; with few they differ, and what the orders left out would add lies beyond
    Laurent's (`closure`):

        [1 / eps]^-1 + w ([eps] - [1 / eps]^-1),  w = exp(c0 + c1 x)

    with x from -1 at the longest wavelength to 1 at the shortest, c for Q and another one for P; w = 1 is Laurent's.

    The solution's amplitudes are computed at `nodes` wavelengths, the Chebyshev points of the band's wave numbers;
    behind the pattern they are smooth, and a polynomial interpolates. From there to the pixels every wavelength of the
    input is propagated exactly.

    Inputs: pattern (batch, y, x, 1) and wavelength (batch, w) [nm]. Output (batch, w, 4), pixels row by row.

    Parameters
    ----------
    orders : int
        Fourier orders, at most.
    nodes : int
        Wavelengths at which they are solved.
    closure : ((float, float), (float, float))
        c of Q and of P, found by `studies.closure`; zeros: `simulator.rcwa`'s equations.
    **optics
        As of `StructureLayer`.

    References
    ----------
    Moharam and others (1995), J. Opt. Soc. Am. A 12, 1077. Li (1996), J. Opt. Soc. Am. A 13, 1870.
    """

    def __init__(
        self,
        orders: int = 57,
        nodes: int = 24,
        closure: Sequence[Sequence[float]] = ((0.0, 0.0), (0.0, 0.0)),
        **optics,
    ):
        super().__init__(**{"trainable": False, **optics})
        owner = type(self).__name__
        check_integers(owner, orders=orders, nodes=nodes)
        if np.shape(closure) != (2, 2):
            raise ValueError(f"{owner}: closure = {closure!r}; expected ((c0, c1), (c0, c1))")
        self.orders, self.nodes, self.closure = orders, nodes, tuple(map(tuple, closure))

    @classmethod
    def from_recipe(cls, recipe, **changes) -> "FewOrders":
        """Make the layer whose spectra a recipe's network is given; `changes` are arguments that are others."""
        model, data = recipe.model, recipe.data
        size = {"orders": model.few_orders, "nodes": model.few_order_nodes, "closure": model.few_order_closure}
        optics = {"band": data.wavelength, **{name: getattr(data, name) for name in GEOMETRY}}
        return cls(**{**size, **optics, "dtype": "float32", **changes})

    def build(self, pattern_shape, wavelength_shape):
        """Set the constants that all patterns have in common."""
        self.waves, self.wave_numbers = RealWaves(self.orders), WaveNumbers(self.band, self.nodes)
        self.samples = 4 * (self.waves.highest + 1)
        self.values = self.waves.values(self.samples).astype("float32")
        self.quadrature = half_period_weights(self.samples).astype("float32")
        self.low_pass = _low_pass(pattern_shape[1], self.samples)
        self._set_pattern()
        self._set_half_spaces()

    def _set_pattern(self) -> None:
        """Constants of the pattern's layer, (nodes, 1, 1) or (nodes, 2 n, 2 n)."""
        k0 = self.wave_numbers.nodes
        lam = OFF_GRAZING * 2 * np.pi / k0
        gap, solid = (refractive_index(name, lam) ** 2 for name in (self.gap, "silicon_nitride"))
        scale = lam / self.period
        self.lowest, self.contrast, self.squared_scale = (_column(of) for of in (gap, solid - gap, scale**2))
        self.lowest_inverse, self.inverse_contrast = _column(1 / gap), _column(1 / solid - 1 / gap)
        self.closing = [_column(np.exp(c0 + c1 * self.wave_numbers.places)) for c0, c1 in self.closure]
        dx, dy = self.waves.derivatives
        self.down, self.across = (np.concatenate([dx, dy], axis).astype("float32") for axis in (0, 1))
        curl = np.block([[dy @ dy, -dy @ dx], [-dx @ dy, dx @ dx]])
        self.curl = (scale[:, None, None] ** 2 * curl).astype("float32")
        thickness = k0 * self.height / 2
        # Without evanescent waves of more than this, P Q would have the permittivity for its norm.
        largest = 1.5 * np.max(scale**2) * np.sum(self.waves.orders**2, 1).max() + 1.5 * solid.max()
        self.doublings = int(np.ceil(np.log2(thickness.max() * np.sqrt(largest / THIN))))
        self.thin = _column(thickness / 2**self.doublings)

    def _set_half_spaces(self) -> None:
        """Constants of plane waves above and below: pairs of real and imaginary part."""
        k0, n = self.wave_numbers.nodes, len(self.waves.orders)
        lam = OFF_GRAZING * 2 * np.pi / k0
        cover, gap, solid, spacer = (
            refractive_index(name, lam) ** 2 for name in (self.cover, self.gap, "silicon_nitride", self.spacer)
        )
        g = [self.waves.orders.T * scale for scale in lam / self.period]
        above, below = (np.stack([admittance(a, e) for a, e in zip(g, of, strict=True)]) for of in (cover, spacer))
        self.above, self.below = pair(above), pair(below)
        incident = np.zeros((2, n, 2))
        incident[0, 0, 0] = incident[1, 0, 1] = 1
        source = 2 * np.einsum("kabn,bnp->kanp", above, incident).reshape(self.nodes, 2 * n, 2)
        self.source = pair(source * cover[:, None, None] ** -0.25)  # a flux of 1 comes in
        self.along = _directions(self.waves.orders)
        gamma = np.stack([normal(a, e) for a, e in zip(g, spacer, strict=True)])
        self.to_magnetic = pair((spacer[:, None] / gamma)[:, :, None])
        # What waves gain in phase on their way through, about: without it amplitudes are smoother.
        self.slow = pair(np.exp(-1j * np.sqrt((gap + solid) / 2) * k0 * self.height)[:, None, None])
        self.squared_orders = np.sum(self.waves.orders**2, 1).astype("float32")

    def call(self, pattern, wavelength):
        """Solve at the nodes, and propagate from there to the pixels at every wavelength."""
        wavelength = ops.cast(wavelength, "float32")
        s, p = self._polarised(self._behind(self._product_with(pattern)))
        between = self.wave_numbers.polynomials(wavelength)

        def at_wavelengths(part):  # (batch, nodes, n, polarisation) -> (batch, w, n, polarisation)
            n = part.shape[2]
            flat = ops.matmul(between, ops.reshape(part, (-1, self.nodes, 2 * n)))
            return ops.reshape(flat, (*ops.shape(wavelength), n, 2))

        return self._flux(*(tuple(map(at_wavelengths, field)) for field in (s, p)), wavelength)

    def _product_with(self, pattern):
        """Compute the matrix of multiplying by a pattern: (batch, 1, n, n)."""
        low, values = tensors(self.low_pass, self.values)
        smooth = ops.matmul(ops.matmul(low, ops.cast(pattern, "float32")[..., 0]), ops.transpose(low))
        smooth = ops.reshape(smooth, (-1, 1, 1, self.samples**2))
        return ops.matmul(ops.transpose(values) * smooth, values) / self.samples**2

    def _behind(self, filled):
        """Compute the electric field at the bottom, (batch, nodes, 2 n, polarisation): real and imaginary part."""
        p, pq = self._operators(filled)
        c, s = self._half(pq)
        cp, sp, slope = ops.matmul(c, p), ops.matmul(s, p), ops.matmul(pq, s)

        def from_face(y):
            """Make the matrices from the field at a face to it and its derivative in the middle."""
            field, derivative = _times(sp, y), _times(cp, y)
            return (c + field[0], field[1]), (slope + derivative[0], derivative[1])

        (up, up_slope), (down, down_slope) = from_face(self.below), from_face(self.above)
        rows = [_beside(up, tuple(-part for part in down)), _beside(up_slope, down_slope)]
        real, imaginary = (ops.concatenate([row[k] for row in rows], -2) for k in range(2))
        source = [ops.concatenate([-ops.matmul(sp, part), ops.matmul(cp, part)], -2) for part in tensors(*self.source)]
        found = ops.solve(_beside_and_below(real, imaginary), ops.concatenate(source, -2))
        size = p.shape[-1]
        return self._no_more_than_comes_in((found[..., :size, :], found[..., 2 * size : 3 * size, :]))

    def _no_more_than_comes_in(self, field):
        """Scale a field at the bottom whose flux is above 1: float32 fails at a very sharp resonance, one in 10000."""
        size = -1, self.nodes, 2, len(self.waves.orders), 2
        parts = [ops.reshape(part, size) for part in field]
        below = [ops.expand_dims(part, -1) for part in tensors(*self.below)]
        admitted = [
            sum(multiply([y[:, a, b] for y in below], [part[:, :, b] for part in parts])[k] for b in range(2))
            for a in range(2)
            for k in range(2)
        ]
        flux = sum(parts[1][:, :, a] * admitted[2 * a] - parts[0][:, :, a] * admitted[2 * a + 1] for a in range(2))
        scale = ops.rsqrt(ops.maximum(ops.sum(flux, 2), 1.0))[:, :, None]
        return tuple(part * scale for part in field)

    def _operators(self, filled):
        """Compute P and P Q, (batch, nodes, 2 n, 2 n)."""
        scale, curl, down, across = tensors(self.squared_scale, self.curl, self.down, self.across)
        of_q, of_p = self._permittivities(filled)
        p = ops.eye(curl.shape[-1]) + scale * ops.matmul(ops.matmul(down, ops.linalg.inv(of_p)), across)
        zero = ops.zeros_like(of_q)
        rows = ops.concatenate([of_q, zero], -1), ops.concatenate([zero, of_q], -1)
        return p, -ops.matmul(p, ops.concatenate(rows, -2) + curl)

    def _permittivities(self, filled):
        """Compute the matrices of multiplying by the permittivity, in Q and in P: (batch, nodes, n, n)."""
        one = ops.eye(filled.shape[-1])
        lowest, contrast, lowest_inverse, inverse_contrast = tensors(
            self.lowest, self.contrast, self.lowest_inverse, self.inverse_contrast
        )
        laurent = lowest * one + contrast * filled
        if not np.any(self.closure):
            return laurent, laurent
        inverse_rule = ops.linalg.inv(lowest_inverse * one + inverse_contrast * filled)
        return [inverse_rule + weight * (laurent - inverse_rule) for weight in tensors(*self.closing)]

    def _half(self, pq):
        """Compute cosh and sinh / root of half the height, by doubling a thin layer."""
        (t,) = tensors(self.thin)
        one = ops.eye(pq.shape[-1])
        b = t * t * pq
        b2 = ops.matmul(b, b)
        c = one + b / 2 + ops.matmul(b2, one / 24 + b / 720 + b2 / 40320)
        s = t * (one + b / 6 + ops.matmul(b2, one / 120 + b / 5040 + b2 / 362880))
        for _ in range(self.doublings):
            s, c = 2 * ops.matmul(s, c), 2 * ops.matmul(c, c) - one
        return c, s

    def _polarised(self, field):
        """Part waves into s (electric) and p (magnetic), smooth at grazing: (batch, nodes, n, polarisation) each."""
        (along,), slow, to_magnetic = (tensors(*of) for of in ((self.along,), self.slow, self.to_magnetic))
        size = -1, self.nodes, 2, len(self.waves.orders), 2
        parts = [ops.reshape(part, size) for part in field]
        s, p = (
            tuple(sum(ops.expand_dims(along[kind, axis], -1) * part[:, :, axis] for axis in range(2)) for part in parts)
            for kind in range(2)
        )
        return multiply(s, slow), multiply(multiply(p, to_magnetic), slow)

    def _flux(self, s, p, wavelength):
        """Propagate to the pixels and compute the flux through each: (batch, w, 4)."""
        gamma, permittivity = self._normal(wavelength)
        far = ops.reshape(2 * np.pi / wavelength * self.distance, (*ops.shape(wavelength), 1, 1))
        fade = ops.exp(-gamma[0] * far)
        travel = fade * ops.cos(gamma[1] * far), -fade * ops.sin(gamma[1] * far)
        e_s, g_p = multiply(s, travel), multiply(p, travel)
        e_p = tuple(part / permittivity for part in multiply(gamma, g_p))
        g_s = tuple(-part for part in multiply(gamma, e_s))
        values, quadrature, along = tensors(self.values, self.quadrature, self.along)
        flux = 0.0
        for axis in range(2):
            to_s, to_p = (ops.expand_dims(along[kind, axis], -1) for kind in range(2))
            e, g = (
                [ops.matmul(values, to_s * a + to_p * b) for a, b in zip(*of, strict=True)]
                for of in ((e_s, e_p), (g_s, g_p))
            )
            flux = flux + ops.sum(e[0] * g[1] - e[1] * g[0], -1) / 2
        flux = ops.reshape(flux, (*ops.shape(wavelength), self.samples, self.samples))
        pixels = ops.matmul(ops.matmul(quadrature, flux), ops.transpose(quadrature))
        return ops.reshape(pixels, (*ops.shape(wavelength), 4))

    def _normal(self, wavelength):
        """Compute Gamma in the spacer as a pair, and its squared index: (batch, w, n, 1), (batch, w, 1, 1)."""
        permittivity = squared_index(self.spacer, wavelength)[..., None, None]
        stretch = ops.square(wavelength * (OFF_GRAZING / self.period))[..., None, None]
        (orders,) = tensors(self.squared_orders[:, None])
        squared = orders * stretch - permittivity
        goes_on = ops.cast(squared < 0, "float32")
        root = ops.sqrt(ops.maximum(ops.abs(squared), LEAST))
        return (root * (1 - goes_on), -root * goes_on), permittivity

    def compute_output_shape(self, pattern_shape, wavelength_shape):
        """Return (batch, w, 4)."""
        return (*wavelength_shape, 4)

    def get_config(self):
        """Return the constructor's arguments."""
        own = {name: getattr(self, name) for name in ("orders", "nodes", "closure")}
        return {**super().get_config(), **own}


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype("float32")[:, None, None]


def _low_pass(size: int, samples: int) -> np.ndarray:
    """Make the matrix that samples a pattern without its waves of half as many periods and more: (samples, size)."""
    order = np.arange(-samples // 2 + 1, samples // 2)
    there = np.exp(-2j * np.pi * np.outer(order, (np.arange(size) + 0.5) / size)) / size
    there *= np.sinc(order / size)[:, None]
    back = np.exp(2j * np.pi * np.outer((np.arange(samples) + 0.5) / samples, order))
    return (back @ there).real.astype("float32")


def _directions(orders: np.ndarray) -> np.ndarray:
    """Compute unit vectors across (s) and along (p) the orders: (kind, x or y, n)."""
    x, y = orders.T / np.maximum(np.hypot(*orders.T), 1.0)
    x[0] = 1.0
    return np.stack([[-y, x], [x, y]]).astype("float32")


def _times(m, y):
    """Multiply real matrices (.., 2 n, 2 n) by an admittance (nodes, 2, 2, n)."""
    n = m.shape[-1] // 2
    halves = m[..., :n], m[..., n:]
    parts = (ops.expand_dims(part, -2) for part in tensors(*y))
    return tuple(
        ops.concatenate([sum(halves[a] * part[:, a, b] for a in range(2)) for b in range(2)], -1) for part in parts
    )


def _beside(a, b):
    """Put complex matrices beside each other."""
    return tuple(ops.concatenate(parts, -1) for parts in zip(a, b, strict=True))


def _beside_and_below(real, imaginary):
    """Write a complex matrix as a real one of twice the size."""
    return ops.concatenate([ops.concatenate([real, -imaginary], -1), ops.concatenate([imaginary, real], -1)], -2)
