"""Conv3D in the form of convolution that is fastest where it runs."""

import keras

from kmodels.layers.convolution3d import convolution3d


@keras.saving.register_keras_serializable("kmodels.layers")
class Conv3D(keras.layers.Conv3D):
    """`keras.layers.Conv3D`, same arguments and weights, in the form of `convolution3d`.

    XLA's own gradient of a 3-D convolution takes twenty times as long on a CPU as sums of matrix products do. Where
    the form cannot do it (strides, dilation, groups, channels first) Keras' own runs.
    """

    def convolution_op(self, inputs, kernel):
        """Convolve (batch, z, y, x, channels) to (batch, z', y', x', filters)."""
        plain = max(*self.strides, *self.dilation_rate, self.groups) == 1
        if plain and self.padding in ("same", "valid") and self.data_format == "channels_last":
            return convolution3d(inputs, kernel, self.padding)
        return super().convolution_op(inputs, kernel)
