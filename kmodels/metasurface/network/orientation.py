"""The 32 symmetries inside a network: one orientation for a pattern, and the way back for its four pixels.

Symmetries are numbered as in `symmetry`. The network sees a pattern in some orientation; what it says of the pixels
there is put back to where they are in the pattern that was given.
"""

import keras
import numpy as np
from keras import ops

from kmodels.core.training.term_model import dropout_seed
from kmodels.metasurface.data.symmetry import COUNT, moved_patterns, moved_spectra

KEYS = 3  # sums that must all be equal before two orientations are taken for the same pattern
EXACT = 2**24  # integers below it are exact in float32, in whatever order they are summed


@keras.saving.register_keras_serializable("kmodels")
class Orientation(keras.layers.Layer):
    """Turns, flips and shifts each pattern by one of the 32 symmetries.

    mode: "random": another one each time while training, none else; "canonical": the one that makes a weighted sum
    of the pattern's pixels largest, so that all 32 copies of a pattern come out as the same.
    Input (batch, y, x, 1). Output: the patterns, moved, and (batch, 32), how much each symmetry has a part in that: 1
    for one; 1 / k each where k of them give the same pattern. seed: of the random ones.
    """

    def __init__(self, mode: str, seed: int | None = None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if mode not in ("random", "canonical"):
            raise ValueError(f"mode = {mode!r}; allowed: random, canonical")
        self.mode = mode
        self.seed = dropout_seed() if seed is None else seed
        self.generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        """The weights of the sums: whole numbers, so that equal patterns have exactly equal sums."""
        size = input_shape[1]
        if self.mode == "canonical":
            fields = np.random.default_rng(0).integers(0, EXACT // size**2, (KEYS, size, size))
            # <w, g p> = <g^-1 w, p>
            moved = np.stack([_moved_back(fields, g) for g in range(COUNT)])
            self.fields = moved.reshape(COUNT * KEYS, size * size).T.astype("float32")

    def call(self, patterns, training=None):
        """Choose a symmetry for each pattern, and move it."""
        batch = ops.shape(patterns)[0]
        if self.mode == "canonical":
            share = self._canonical(patterns)
        elif training:
            chosen = keras.random.randint((batch,), 0, COUNT, seed=self.generator)
            share = ops.one_hot(chosen, COUNT, dtype="float32")
        else:
            share = ops.one_hot(ops.zeros((batch,), "int32"), COUNT, dtype="float32")
        return moved(patterns, ops.argmax(share, axis=-1)), share

    def _canonical(self, patterns):
        """(batch, 32) shares of the symmetries with the largest sums."""
        sums = ops.matmul(ops.reshape(patterns, (-1, self.fields.shape[0])), self.fields)
        sums = ops.reshape(sums, (-1, COUNT, KEYS))
        best = ops.ones_like(sums[..., 0])
        for key in range(KEYS):
            rival = ops.where(best > 0, sums[..., key], -1.0)
            best = best * ops.cast(rival == ops.max(rival, axis=-1, keepdims=True), "float32")
        return best / ops.sum(best, axis=-1, keepdims=True)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}


@keras.saving.register_keras_serializable("kmodels")
class BackToPixels(keras.layers.Layer):
    """Puts what was said of the moved pattern's pixels back to the pixels of the pattern that was given.

    Inputs: values (batch, w, 4) of the pixels, row by row, and `Orientation`'s shares (batch, 32). Where several
    symmetries give the same pattern their answers are averaged: they differ in nothing but the network's error.
    """

    def build(self, values_shape, share_shape):
        """(32, 4, 4): of each symmetry the permutation that takes the moved pixels back."""
        pixels = np.arange(4).reshape(2, 2, 1)
        places = [moved_spectra(pixels, g).ravel() for g in range(COUNT)]  # which pixel has come here
        self.permutations = np.eye(4, dtype="float32")[np.stack(places)]

    def call(self, values, share):
        """Permute, and average."""
        back = ops.tensordot(share, self.permutations, axes=1)
        return ops.matmul(values, back)

    def compute_output_shape(self, values_shape, share_shape):
        """That of the values."""
        return values_shape


def moved(patterns, symmetry):
    """Patterns (batch, y, x, 1), each under its own symmetry (batch,), as `symmetry.moved_patterns` does it."""
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


def _moved_back(fields: np.ndarray, symmetry: int) -> np.ndarray:
    """Fields (..., y, x) under the inverse of a symmetry."""
    index = np.arange(fields.shape[-1] * fields.shape[-2]).reshape(fields.shape[-2:])
    came = moved_patterns(index, symmetry).ravel()  # the place that each place's value has come from
    back = np.empty_like(fields).reshape(*fields.shape[:-2], -1)
    back[..., came] = fields.reshape(*fields.shape[:-2], -1)
    return back.reshape(fields.shape)
