"""Pairs as the network's inputs and targets."""

from dataclasses import dataclass

import numpy as np

from kmodels.echo.pairs import EchoPairs

QUIET = 1e-3  # magnitude, in parts of full scale: log1p(magnitude / QUIET) makes late echoes visible beside early ones


@dataclass(frozen=True)
class EchoExamples:
    """Examples that are read from disk when they are taken.

    inputs: spectrogram (rows, frequency, time, 2). targets, where depth is known: depth (rows, y, x) [m], 0 =
    unknown, and coarse (rows, y, x) [m], what the base is compared with.
    """

    pairs: EchoPairs
    scale: str
    lowpass: int

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows."""
        inputs = {"spectrogram": scaled(self.pairs.spectrogram(rows), self.scale)}
        if self.pairs.depths is None:
            return inputs, {}
        depth = self.pairs.depth(rows)
        return inputs, {"depth": depth, "coarse": coarse(depth, self.lowpass)}


def scaled(magnitude: np.ndarray, scale: str) -> np.ndarray:
    """Magnitudes as the network reads them: as they are, or as log1p(magnitude / QUIET)."""
    return np.log1p(magnitude / np.float32(QUIET)) if scale == "log" else magnitude


def coarse(depth: np.ndarray, width: int) -> np.ndarray:
    """The mean of what is known within `width` x `width` pixels around each: (rows, y, x) [m], 0 where nothing is."""
    from scipy import ndimage

    known = (depth > 0).astype("float32")
    size = (1, width, width)
    weight = ndimage.uniform_filter(known, size, mode="constant")
    total = ndimage.uniform_filter(depth, size, mode="constant")
    least = 0.5 / width**2  # running sums leave rounding errors where there is nothing
    return np.where(weight > least, total / np.maximum(weight, least), np.float32(0))


def encode(pairs: EchoPairs, recipe) -> EchoExamples:
    """Examples of these pairs."""
    return EchoExamples(pairs, recipe.model.spectrogram, recipe.train.lowpass)
