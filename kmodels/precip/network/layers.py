"""The network's own layers: scales of the training days, and noise that is new in every training step."""

import keras
import numpy as np
from keras import ops

TRACE = 0.02  # mm/day, added where blocks are scaled: one without any rain has no shape to scale
LARGEST = 2000.0  # mm/day, above the wettest day on record (1825 mm): an early step must not blow the exponential up


@keras.saving.register_keras_serializable("kmodels")
class Climate(keras.layers.Layer):
    """Keeps the statistics of the training days (see statistics.py) and scales rain and coarse state with them.

    shapes: {name: shape} of the statistics. Called with rain (batch, y, x) [mm/day] and states (batch, Y, X, C), it
    returns both as numbers of mean 0 and standard deviation 1.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], **kwargs):
        super().__init__(**kwargs)
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        for name, shape in self.shapes.items():
            start = "ones" if name.endswith("sd") or name == "mean_weight" else "zeros"
            weight = self.add_weight(name=name, shape=shape, initializer=start, trainable=False, autocast=False)
            setattr(self, name, weight)

    def call(self, rain, states):
        """(scaled log1p of the rain, scaled states)."""
        rain = (ops.log1p(ops.cast(rain, "float32")) - self.rain_mean) / self.rain_sd
        return rain, (ops.cast(states, "float32") - self.state_mean) / self.state_sd

    def to_rain(self, scaled):
        """The rain [mm/day] of scaled fields (..., y, x): expm1(sd x + mean), from none to LARGEST."""
        return ops.expm1(ops.clip(scaled * self.rain_sd + self.rain_mean, 0.0, np.log1p(LARGEST)))

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "shapes": self.shapes}


@keras.saving.register_keras_serializable("kmodels")
class Rain(keras.layers.Layer):
    """Scaled fields (batch, y, x) as rain [mm/day], by the statistics of a Climate.

    Given coarse rain (batch, Y, X) [mm/day], too, whose cells are blocks of fine ones, it scales every block so that
    its mean is that rain (Harder et al. 2023, J. Mach. Learn. Res. 24, 365); what is dry there is dry here.
    """

    def __init__(self, climate: Climate, **kwargs):
        super().__init__(**kwargs)
        self.climate = climate

    def call(self, scaled, coarse=None):
        """The rain."""
        rain = self.climate.to_rain(ops.cast(scaled, "float32"))
        return rain if coarse is None else with_block_means(rain, coarse)

    def get_config(self):
        """Not saved alone: the model that holds both layers is built anew."""
        return super().get_config()


def with_block_means(rain, coarse):
    """rain (batch, y, x), each block of its cells multiplied so that its mean is that of coarse (batch, Y, X)."""
    (ny, nx), (rows, columns) = rain.shape[1:], coarse.shape[1:]
    blocks = ops.reshape(rain, (-1, rows, ny // rows, columns, nx // columns)) + TRACE
    factor = ops.expand_dims(coarse, (2, 4)) / ops.mean(blocks, axis=(2, 4), keepdims=True)
    return ops.reshape(blocks * factor, (-1, ny, nx))


@keras.saving.register_keras_serializable("kmodels")
class FreshNoise(keras.layers.Layer):
    """Hands on the noise that it is given; in training standard normal noise of that shape, new in every step."""

    def __init__(self, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, noise, training=None):
        """Noise of the same shape."""
        return keras.random.normal(ops.shape(noise), dtype="float32", seed=self.generator) if training else noise

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "seed": self.seed}
