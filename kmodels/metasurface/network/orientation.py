"""The 32 symmetries inside a network: one orientation for a pattern, and the inverse for its four pixels.

Symmetries are numbered as in `symmetry`. The network sees a pattern in some orientation; its predictions are permuted
back to the pixels of the pattern that was given.
"""

import keras
import numpy as np
from keras import ops

from kmodels.core.spec.arguments import check_choice
from kmodels.core.training.devices import distribution
from kmodels.core.training.term_model import dropout_seed
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra

KEYS = 3  # two orientations are taken for the same pattern where so many sums are equal
EXACT = 2**24  # integers below it are exact in float32, in whatever order they are summed


@keras.saving.register_keras_serializable("kmodels.metasurface")
class Orientation(keras.layers.Layer):
    """Transpose, flip and shift each pattern by one of the 32 symmetries.

    Input (batch, y, x, 1). Output: the moved patterns, and (batch, 32) weights of the symmetries: 1 for one; 1 / k each
    where k of them give the same pattern.

    Parameters
    ----------
    mode : {"random", "canonical"}
        "random": a new one for each pattern and step in training, the identity otherwise. "canonical": the one that
        maximises a weighted sum of the pattern's pixels, so that all 32 copies of a pattern come out the same.
    seed : int, optional
        Of the random ones.
    **kwargs
        `name`, `dtype` and `trainable` of a `keras.layers.Layer`.
    """

    def __init__(self, mode: str, seed: int | None = None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_choice(type(self).__name__, "mode", mode, ("random", "canonical"))
        self.mode = mode
        self.seed = dropout_seed() if seed is None else seed
        self.generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        """Create the weights of the sums: integers, so that equal patterns have exactly equal sums."""
        size = input_shape[1]
        if self.mode == "canonical":
            fields = np.random.default_rng(0).integers(0, EXACT // size**2, (KEYS, size, size))
            # <w, g p> = <g^-1 w, p>
            fields = np.stack([_move_back(fields, g) for g in range(COUNT)])
            self.fields = fields.reshape(COUNT * KEYS, size * size).T.astype("float32")

    def call(self, patterns, training=None):
        """Choose a symmetry for each pattern, and move it."""
        batch = ops.shape(patterns)[0]
        if self.mode == "canonical":
            weights = self._canonical(patterns)
        elif training:
            chosen = distribution.current().drawn(
                lambda shape: keras.random.randint(shape, 0, COUNT, seed=self.generator), (batch,)
            )
            weights = ops.one_hot(chosen, COUNT, dtype="float32")
        else:
            weights = ops.one_hot(ops.zeros((batch,), "int32"), COUNT, dtype="float32")
        return move(patterns, ops.argmax(weights, axis=-1)), weights

    def _canonical(self, patterns):
        """Weights (batch, 32) of the symmetries with the largest sums."""
        sums = ops.matmul(ops.reshape(patterns, (-1, self.fields.shape[0])), self.fields)
        sums = ops.reshape(sums, (-1, COUNT, KEYS))
        best = ops.ones_like(sums[..., 0])
        for key in range(KEYS):
            candidates = ops.where(best > 0, sums[..., key], -1.0)
            best = best * ops.cast(candidates == ops.max(candidates, axis=-1, keepdims=True), "float32")
        return best / ops.sum(best, axis=-1, keepdims=True)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}


@keras.saving.register_keras_serializable("kmodels.metasurface")
class BackToPixels(keras.layers.Layer):
    """Permute the predictions for a moved pattern's pixels back to the pixels of the pattern that was given.

    Inputs: values (batch, w, 4) of the pixels, row by row, and `Orientation`'s weights (batch, 32). Where several
    symmetries give the same pattern their predictions are averaged: they differ by the network's error only.
    Output (batch, w, 4).
    """

    def build(self, values_shape, weights_shape):
        """Create (32, 4, 4): of each symmetry the permutation that moves pixels back."""
        pixels = np.arange(4).reshape(2, 2, 1)
        places = [move_spectra(pixels, g).ravel() for g in range(COUNT)]  # the pixel that was moved here
        self.permutations = np.eye(4, dtype="float32")[np.stack(places)]

    def call(self, values, weights):
        """Permute, and average."""
        back = ops.tensordot(weights, self.permutations, axes=1)
        return ops.matmul(values, back)

    def compute_output_shape(self, values_shape, weights_shape):
        """Return the shape of the values."""
        return values_shape


@keras.saving.register_keras_serializable("kmodels.metasurface")
class ToPixels(BackToPixels):
    """Permute values of a given pattern's pixels to those of the pattern that `Orientation` made of it."""

    def call(self, values, weights):
        """Permute, and average."""
        back = ops.tensordot(weights, self.permutations, axes=1)
        return ops.matmul(values, ops.swapaxes(back, -1, -2))


def move(patterns, symmetry):
    """Apply a symmetry of its own to each pattern, as `symmetry.move_patterns` does.

    Parameters
    ----------
    patterns : tensor
        (batch, y, x, 1).
    symmetry : tensor
        (batch,) 0 .. 31.

    Returns
    -------
    tensor
        (batch, y, x, 1).
    """
    half = patterns.shape[1] // 2
    steps = (
        lambda p: ops.roll(p, half, axis=1),
        lambda p: ops.roll(p, half, axis=2),
        lambda p: ops.flip(p, axis=1),
        lambda p: ops.flip(p, axis=2),
        lambda p: ops.transpose(p, (0, 2, 1, 3)),
    )
    for bit, step in enumerate(steps):
        on = ops.reshape((ops.cast(symmetry, "int32") // 2**bit) % 2 == 1, (-1, 1, 1, 1))
        patterns = ops.where(on, step(patterns), patterns)
    return patterns


def _move_back(fields: np.ndarray, symmetry: int) -> np.ndarray:
    """Fields (..., y, x) under the inverse of a symmetry."""
    index = np.arange(fields.shape[-1] * fields.shape[-2]).reshape(fields.shape[-2:])
    source = move_patterns(index, symmetry).ravel()  # the place that each place's value comes from
    back = np.empty_like(fields).reshape(*fields.shape[:-2], -1)
    back[..., source] = fields.reshape(*fields.shape[:-2], -1)
    return back.reshape(fields.shape)
