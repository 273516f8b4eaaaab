"""A map that is set once and added to logits."""

import keras
from keras import layers


@keras.saving.register_keras_serializable("kmodels.echo")
class StartMap(layers.Layer):
    """Add a map that is set once and not trained: (batch, y, x) -> the same.

    Parameters
    ----------
    name : str, optional
        Of the layer.
    """

    def __init__(self, name: str | None = None, trainable: bool = True, dtype=None):
        super().__init__(name=name, trainable=trainable, dtype=dtype or "float32")

    def build(self, input_shape):
        """Create the map, of zeros."""
        self.map = self.add_weight(name="map", shape=input_shape[1:], initializer="zeros", trainable=False)

    def call(self, inputs):
        """Add the map to inputs (batch, y, x)."""
        return inputs + self.map
