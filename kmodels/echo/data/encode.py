"""Pairs as the network's inputs and targets."""

from dataclasses import dataclass

import numpy as np

from kmodels.echo.data.records import EchoPairs

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


@dataclass(frozen=True)
class MirroredExamples:
    """Examples, and behind them each as it would be in a mirrored room: the ears exchanged, left and right of what is
    seen as well. Sound and light know no left and right, so these are as true; only which pixels are unknown is not,
    for the camera's second eye sits on the right.
    """

    examples: EchoExamples

    def __len__(self) -> int:
        return 2 * len(self.examples)

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows."""
        rows = np.asarray(rows)
        mirrored = rows >= len(self.examples)
        parts = self.examples.take(rows % len(self.examples))
        for part in parts:
            for name, values in part.items():  # (rows, y, x), or (rows, frequency, time, ear)
                part[name] = np.where(mirrored.reshape(-1, *(1,) * (values.ndim - 1)), values[..., ::-1], values)
        return parts


def encode(pairs: EchoPairs, recipe) -> EchoExamples:
    """Examples of these pairs."""
    return EchoExamples(pairs, recipe.model.spectrogram, recipe.train.lowpass)


def training_examples(pairs: EchoPairs, recipe) -> EchoExamples | MirroredExamples:
    """Examples to train on."""
    examples = encode(pairs, recipe)
    return MirroredExamples(examples) if recipe.train.mirror else examples
