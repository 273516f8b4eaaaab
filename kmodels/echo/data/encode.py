"""Pairs as the network's inputs and targets."""

from dataclasses import dataclass

import numpy as np

from kmodels.echo.data.records import EchoPairs
from kmodels.echo.recipe import EchoRecipe

QUIET = 1e-3  # magnitude, in parts of full scale: log1p(magnitude / QUIET) makes late echoes visible beside early ones


class EchoPreprocessor:
    """Make a network's arrays of pairs: ``x, y = EchoPreprocessor()(pairs)``.

    Parameters
    ----------
    recipe : EchoRecipe, optional
        Its `model.spectrogram` and `train.lowpass` count; None: the default recipe.
    """

    def __init__(self, recipe: EchoRecipe | None = None):
        self.recipe = recipe or EchoRecipe()

    def __call__(self, pairs: EchoPairs) -> tuple[dict, dict]:
        """Encode all pairs.

        Parameters
        ----------
        pairs : EchoPairs
            As `kmodels.echo.data.load.load` returns them.

        Returns
        -------
        x : dict
            What the front end makes: "correlation" (n, ranges, directions, bands) and "profile" (n, ranges, profiles),
            "profile" alone, or "spectrogram" (n, size, size x moments, 2).
        y : dict
            "depth" and, for the base, "coarse_depth", each (n, size, size) [m], 0 = unknown; empty where no depth is
            known.
        """
        return encode(pairs, self.recipe).take(np.arange(len(pairs)))


@dataclass(frozen=True)
class EchoExamples:
    """Examples that are read from disk when they are taken.

    Parameters
    ----------
    pairs : EchoPairs
        Recordings and, where they are known, depths.
    scale : {"log", "magnitude"}
        Of a spectrogram; see `scale_magnitude`.
    lowpass : int, optional
        Width of the average that makes the coarse depth [pixels]; None: the network has no use for it.
    """

    pairs: EchoPairs
    scale: str
    lowpass: int | None

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, rows) -> tuple[dict, dict]:
        """Return (inputs, targets) of these rows, as `EchoPreprocessor` describes them."""
        inputs = self.pairs.sound(rows)
        if "spectrogram" in inputs:
            inputs["spectrogram"] = scale_magnitude(inputs["spectrogram"], self.scale)
        if self.pairs.depths is None:
            return inputs, {}
        targets = {"depth": self.pairs.depth(rows)}
        if self.lowpass is not None:
            targets["coarse_depth"] = lowpass_depth(targets["depth"], self.lowpass)
        return inputs, targets


def scale_magnitude(magnitude: np.ndarray, scale: str) -> np.ndarray:
    """Return magnitudes as the network reads them: "magnitude", as they are, or "log", log1p(magnitude / QUIET)."""
    return np.log1p(magnitude / np.float32(QUIET)) if scale == "log" else magnitude


def lowpass_depth(depth: np.ndarray, width: int) -> np.ndarray:
    """Average the known depths within `width` x `width` pixels around each pixel.

    Parameters
    ----------
    depth : array
        (rows, y, x) [m], 0 = unknown.
    width : int
        Of the window [pixels].

    Returns
    -------
    array
        (rows, y, x) [m], the target "coarse_depth"; 0 where nothing is known within the window.
    """
    from scipy import ndimage

    known = (depth > 0).astype("float32")
    size = (1, width, width)
    weight = ndimage.uniform_filter(known, size, mode="constant")
    total = ndimage.uniform_filter(depth, size, mode="constant")
    least = 0.5 / width**2  # running sums leave rounding errors where there is nothing
    return np.where(weight > least, total / np.maximum(weight, least), np.float32(0))


@dataclass(frozen=True)
class MirroredExamples:
    """Examples, and behind them each as it would be in a mirrored room.

    The ears are exchanged, and left and right of the images as well. Acoustics and optics know no left and right, so
    these are as true; only which pixels are unknown is not, for the camera's second eye sits on the right.

    Parameters
    ----------
    examples : EchoExamples
        To be mirrored.
    """

    examples: EchoExamples

    def __len__(self) -> int:
        return 2 * len(self.examples)

    def take(self, rows) -> tuple[dict, dict]:
        """Return (inputs, targets) of these rows."""
        rows = np.asarray(rows)
        mirrored = rows >= len(self.examples)
        parts = self.examples.take(rows % len(self.examples))
        for part in parts:
            for name, values in part.items():
                here = mirrored.reshape(-1, *(1,) * (values.ndim - 1))
                part[name] = np.where(here, MIRRORED.get(name, _last_reversed)(values), values)
        return parts


def _last_reversed(values: np.ndarray) -> np.ndarray:
    """Exchange left and right of images (rows, y, x), or the ears of spectrograms (rows, frequency, time, ear)."""
    return values[..., ::-1]


def _ears_exchanged(profile: np.ndarray) -> np.ndarray:
    """Exchange the ears of profiles (rows, ranges, kinds x ears)."""
    return profile.reshape(*profile.shape[:2], -1, 2)[..., ::-1].reshape(profile.shape)


# How inputs are mirrored; directions run from left to right.
MIRRORED = {"correlation": lambda values: values[:, :, ::-1], "profile": _ears_exchanged}


def encode(pairs: EchoPairs, recipe: EchoRecipe) -> EchoExamples:
    """Return the examples of these pairs."""
    lowpass = recipe.train.lowpass if recipe.has_base else None
    return EchoExamples(pairs, recipe.model.spectrogram, lowpass)


def training_examples(pairs: EchoPairs, recipe: EchoRecipe) -> EchoExamples | MirroredExamples:
    """Return the examples to train on."""
    examples = encode(pairs, recipe)
    return MirroredExamples(examples) if recipe.train.mirror else examples
