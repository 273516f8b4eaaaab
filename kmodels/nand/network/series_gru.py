"""Series GRU: one GRU over several series of an example."""

import keras
from keras import ops

from kmodels.nand.network.gru import GRU


@keras.saving.register_keras_serializable("kmodels.nand")
class SeriesGRU(keras.layers.Layer):
    """One GRU, the same weights, over every series of an example; each series has a state of its own.

    Input (batch, series, time, features); output (batch, series, time, units). `cell` is the GRU's cell, to be stepped
    by hand on (batch * series, features).

    Parameters
    ----------
    units : int
        Of the GRU.
    **kwargs
        `name`, `dtype` and `trainable` of a `keras.layers.Layer`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gru = GRU(units, return_sequences=True, dtype=self.dtype_policy, name="gru")

    @property
    def cell(self):
        """The GRU's cell."""
        return self.gru.cell

    def build(self, input_shape):
        """Create the GRU's weights."""
        self.gru.build((None, *input_shape[2:]))

    def call(self, inputs):
        """Fold the series into the batch, run, unfold."""
        _, series, time, features = ops.shape(inputs)
        outputs = self.gru(ops.reshape(inputs, (-1, time, features)))
        return ops.reshape(outputs, (-1, series, time, self.units))

    def compute_output_shape(self, input_shape):
        """Give (batch, series, time, units) for (batch, series, time, features)."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
