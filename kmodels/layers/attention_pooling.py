"""Attention pooling: a sequence of features to one vector."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kmodels.layers")
class AttentionPooling(keras.layers.Layer):
    """Weighted mean over time, the weights learned from the features.

    ::

        u_t = tanh(W x_t + b),  a = softmax_t(v . u_t),  y = sum_t a_t x_t

    Input (batch, time, features), output (batch, features). A mask (batch, time) leaves steps out; a row without any
    step gives the mean over all of them.

    Parameters
    ----------
    units : int
        Width of u.
    **kwargs
        Of `keras.layers.Layer`.

    References
    ----------
    Yang et al. 2016, Hierarchical Attention Networks for Document Classification, equations 5 to 7.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True
        self.hidden = keras.layers.Dense(units, activation="tanh", dtype=self.dtype_policy, name="hidden")
        self.score = keras.layers.Dense(1, use_bias=False, dtype=self.dtype_policy, name="score")

    def build(self, input_shape):
        """Create W, b and v."""
        self.hidden.build(input_shape)
        self.score.build((*input_shape[:-1], self.units))

    def call(self, inputs, mask=None):
        """Pool; the softmax is taken in float32 whatever the policy."""
        score = ops.cast(self.score(self.hidden(inputs)), "float32")
        if mask is not None:
            score = ops.where(ops.expand_dims(mask, -1), score, -1e9)
        weight = ops.cast(ops.softmax(score, axis=1), inputs.dtype)
        return ops.sum(weight * inputs, axis=1)

    def compute_mask(self, inputs, mask=None):
        """Return no mask: time is gone."""
        return None

    def compute_output_shape(self, input_shape):
        """Return (batch, features)."""
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
