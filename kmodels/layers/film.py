"""FiLM: one vector changes the features of many places."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kmodels.layers")
class FiLM(keras.layers.Layer):
    """Feature-wise linear modulation: y = gamma x + beta, the same at every place.

    ::

        (gamma - 1, beta) = W c + b        mode "scale_shift"
                     beta = W c + b        mode "shift", gamma = 1

    Inputs: x (batch, ..., features) and the condition c (batch, width). Output: the shape of x.

    Parameters
    ----------
    mode : {"scale_shift", "shift"}
        Which of the two.
    kernel_initializer : str or keras.initializers.Initializer
        Of W; b starts at 0.
    **kwargs
        Of `keras.layers.Layer`.

    References
    ----------
    Perez et al. 2018, FiLM: Visual Reasoning with a General Conditioning Layer, arXiv:1709.07871.
    """

    def __init__(self, mode: str = "scale_shift", kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if mode not in ("shift", "scale_shift"):
            raise ValueError(f"FiLM: mode = {mode!r}; allowed: shift, scale_shift")
        self.mode = mode
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, inputs_shape, condition_shape):
        """Create W and b."""
        features = inputs_shape[-1]
        units = features if self.mode == "shift" else 2 * features
        self.modulation = keras.layers.Dense(
            units, kernel_initializer=self.kernel_initializer, dtype=self.dtype_policy, name="modulation"
        )
        self.modulation.build(condition_shape)

    def call(self, inputs, condition):
        """Scale and shift."""
        places = (-1, *[1] * (len(inputs.shape) - 2), inputs.shape[-1])
        change = self.modulation(condition)
        if self.mode == "shift":
            return inputs + ops.reshape(change, places)
        scale, shift = (ops.reshape(part, places) for part in ops.split(change, 2, axis=-1))
        return (1 + scale) * inputs + shift

    def compute_output_shape(self, inputs_shape, condition_shape):
        """Return the shape of the inputs."""
        return inputs_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "mode": self.mode,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
