"""Keras' layers that look at a batch as a whole, so that they do the same on one device and on many."""

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
        if not (training and self.rate > 0 and devices.apart):
            return super().call(inputs, training=training)

        def draw(shape):
            return keras.random.dropout(ops.ones(shape, inputs.dtype), self.rate, seed=self.seed_generator)

        return inputs * devices.drawn(draw, ops.shape(inputs))


@keras.saving.register_keras_serializable("kmodels")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, by mean and variance of the whole batch wherever the rows of that are.

    Arguments are those of `keras.layers.BatchNormalization`, but for `renorm` and masks; channels come last.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalise inputs (batch, ..., channels)."""
        devices = distribution.current()
        if not (training and self.trainable and devices.apart):
            return super().call(inputs, training=training, mask=mask)
        x = ops.cast(inputs, "float32")
        normalised, mean, variance = devices.normalized(x, self.gamma, self.beta, self.epsilon)
        for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + ops.stop_gradient(new) * (1.0 - self.momentum))
        return ops.cast(normalised, self.compute_dtype)
