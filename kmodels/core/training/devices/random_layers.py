"""Dropout that drops the same features of an example on one device and on many."""

import keras
from keras import ops

from kmodels.core.training.devices import distribution


@keras.saving.register_keras_serializable("kmodels")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, whose mask is drawn for the whole batch wherever the rows of that are.

    Arguments are those of `keras.layers.Dropout`, but for `noise_shape`.
    """

    def call(self, inputs, training=False):
        """Drop features in training."""
        devices = distribution.current()
        if not (training and self.rate > 0 and devices.draws_apart):
            return super().call(inputs, training=training)

        def draw(shape):
            return keras.random.dropout(ops.ones(shape, inputs.dtype), self.rate, seed=self.seed_generator)

        return inputs * devices.drawn(draw, ops.shape(inputs))
