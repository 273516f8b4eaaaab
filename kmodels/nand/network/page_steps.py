"""Page steps: how far an operation's page lies from the page before it in the same block."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kmodels.nand")
class PageSteps(keras.layers.Layer):
    """The step from the page of the operation before, in the same block, as a token.

    ::

        s_t = clip(p_t - p_u, -farthest, farthest) + farthest + 1,   u the last operation before t with g_u = g_t

    and 0 at the first operation of a block. A page number by itself means nothing beyond those trained on; its steps
    mean the same anywhere in a block. What the steps add up to is left to the layers behind.

    Inputs: pages (batch, time) and blocks (batch, time), integers. Output (batch, time) int32 in 0 .. 2 farthest + 1.

    Parameters
    ----------
    farthest : int
        Steps told apart, either sign [pages].
    **kwargs
        Of `keras.layers.Layer`.
    """

    def __init__(self, farthest: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.farthest = farthest

    def call(self, pages, blocks):
        """Sort by block, subtract the page before, put back."""
        time = ops.shape(pages)[1]
        pages, blocks = ops.cast(pages, "int32"), ops.cast(blocks, "int32")
        order = ops.argsort(blocks * time + ops.arange(time, dtype="int32"), axis=1)
        pages, blocks = (ops.take_along_axis(values, order, axis=1) for values in (pages, blocks))
        step = ops.clip(pages[:, 1:] - pages[:, :-1], -self.farthest, self.farthest) + self.farthest + 1
        step = ops.where(blocks[:, 1:] == blocks[:, :-1], step, 0)
        step = ops.pad(step, ((0, 0), (1, 0)))
        return ops.take_along_axis(step, ops.argsort(order, axis=1), axis=1)

    def compute_output_spec(self, pages, blocks):
        """Return (batch, time) int32."""
        return keras.KerasTensor(pages.shape, "int32")

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "farthest": self.farthest}
