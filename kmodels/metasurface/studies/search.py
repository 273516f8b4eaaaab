"""Inverse design: a search, by gradients through the network, for patterns that route colours to their pixels."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

from kmodels.core.training.inference import gradient
from kmodels.layers.fourier_mixing import irfft2, rfft2
from kmodels.metasurface.network.head import to_pixel_grid
from kmodels.metasurface.simulator.patterns import feature_disc, remove_small_features

SHARPNESS = 4.0  # of the soft step whose slope replaces that of the hard one
OUTSIDE_FILL = 10.0  # weight of the squared excess of fill outside the recipe's range
NODES = 12  # wavelengths at which few orders are solved in a search, half of what predictions take
BETA1, BETA2, TINY = 0.9, 0.99, 1e-12  # Adam's


@dataclass(frozen=True)
class Search:
    """A search for patterns by Adam.

    Parameters
    ----------
    model : MetasurfaceNet
        Of a trained run.
    data : kmodels.metasurface.recipe.Data
        Its recipe's data section.
    weights : ndarray
        (2, 2, w) of the transmittance on the recipe's wavelengths; the weighted sum is maximised.
    starts : int
        Patterns that are optimised side by side.
    steps : int
        Of Adam.
    rate : float
        Adam's step size at the start, falling to 0 along half a cosine.
    """

    model: object
    data: object
    weights: np.ndarray
    starts: int = 16
    steps: int = 200
    rate: float = 0.02

    @functools.cached_property
    def few_orders(self):
        """The layer that solves patterns with few orders, where the network asks for that; None elsewhere."""
        return self.model.few_order_layer(NODES)

    def objective(self, noise):
        """Compute the loss: minus the weighted transmittance, summed over patterns, plus a penalty of fill.

        The network sees binary patterns; the gradient is that of a soft step (straight-through).

        Parameters
        ----------
        noise : tensor
            (starts, y, x).

        Returns
        -------
        tensor
            Scalar.
        """
        level = self.smoothed(noise)
        soft = ops.sigmoid(SHARPNESS * level)
        hard = ops.cast(level > 0, "float32")
        patterns = soft + ops.stop_gradient(hard - soft)
        wavelength = np.tile(self.data.wavelengths().astype("float32"), (self.starts, 1))
        inputs = {"pattern": ops.expand_dims(patterns, -1), "wavelength": ops.convert_to_tensor(wavelength)}
        if self.few_orders is not None:
            inputs["few_orders"] = to_pixel_grid(self.few_orders(*inputs.values()))
        transmittance = self.model(inputs, training=False)["spectra"]
        fill = ops.mean(soft, axis=(1, 2))
        low, high = self.data.fill
        outside = ops.relu(low - fill) + ops.relu(fill - high)
        reached = ops.sum(ops.multiply(ops.cast(transmittance, "float32"), self.weights))
        return OUTSIDE_FILL * ops.sum(ops.square(outside)) - reached

    def smoothed(self, noise):
        """Smooth periodic noise by a Gaussian as wide as the smallest feature; its variance stays 1."""
        n = noise.shape[-1]
        width = max(self.data.smallest_feature / self.data.period * n, 1.0)
        k = 2 * np.pi * np.fft.fftfreq(n)
        gaussian = np.exp(-0.5 * width**2 * (k[:, None] ** 2 + k[: n // 2 + 1] ** 2))
        gaussian = (gaussian * 2 * width * np.sqrt(np.pi)).astype("float32")
        return irfft2(tuple(ops.multiply(part, gaussian) for part in rfft2(noise)), (n, n))

    def run(self, rng: np.random.Generator, report: Callable[[int, int, str], None]) -> np.ndarray:
        """Run the search.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of randomness.
        report : callable
            report(done, total, text) is called to show progress.

        Returns
        -------
        ndarray
            (designs, y, x) uint8: patterns that keep the rules of the recipe, one for each start that leads to one.
        """
        noise = rng.standard_normal((self.starts, self.data.pixels, self.data.pixels)).astype("float32")
        slope_of = gradient(self.objective)
        mean, square = np.zeros_like(noise), np.zeros_like(noise)
        for step in range(self.steps):
            value, slope = slope_of(noise)
            mean = BETA1 * mean + (1 - BETA1) * slope
            square = BETA2 * square + (1 - BETA2) * slope**2
            unbiased = mean / (1 - BETA1 ** (step + 1)), square / (1 - BETA2 ** (step + 1))
            rate = self.rate * (1 + np.cos(np.pi * step / self.steps)) / 2
            noise -= rate * unbiased[0] / (np.sqrt(unbiased[1]) + TINY)
            report(step + 1, self.steps, f"{-value / self.starts:.3f} (network)")
        return self.allowed(np.asarray(ops.convert_to_numpy(self.smoothed(ops.convert_to_tensor(noise)))) > 0)

    def allowed(self, patterns: np.ndarray) -> np.ndarray:
        """Remove small features; patterns whose fill then leaves the recipe's range are left out."""
        disc = feature_disc(self.data)
        cleaned = [remove_small_features(pattern.astype("uint8"), disc) for pattern in patterns]
        low, high = self.data.fill
        kept = [p for p in cleaned if p is not None and low <= p.mean() <= high]
        return np.array(kept, "uint8").reshape(-1, *patterns.shape[1:])
