"""The network's own layers: scales of the training days, and noise that is new in every training step."""

import keras
import numpy as np
from keras import ops

from kmodels.core.training.devices import distribution
from kmodels.precip.data.grids import nested_places, sampled
from kmodels.precip.data.statistics import Statistics

TRACE = 0.02  # mm/day, added where blocks are scaled: one without any rain has no shape to scale
LARGEST = 2000.0  # mm/day, above the wettest day on record (1825 mm): an early step must not blow the exponential up


@keras.saving.register_keras_serializable("kmodels.precip")
class RainNormalization(keras.layers.Layer):
    """Scale rain and coarse state to mean 0 and standard deviation 1, by the statistics of the training days.

    Called with rain (batch, y, x) [mm/day] and states (batch, Y, X, C), it returns both scaled, the rain as log1p.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Of the statistics (see `statistics.Statistics`), which are weights that are not trained.
    **kwargs
        name and dtype of a `keras.layers.Layer`.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], **kwargs):
        super().__init__(**kwargs)
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        for name, shape in self.shapes.items():
            start = "ones" if name.endswith("sd") or name == "mean_weight" else "zeros"
            weight = self.add_weight(name=name, shape=shape, initializer=start, trainable=False, autocast=False)
            setattr(self, name, weight)

    def call(self, rain, states):
        """Scale log1p of the rain, and the states."""
        rain = (ops.log1p(ops.cast(rain, "float32")) - self.rain_mean) / self.rain_sd
        return rain, (ops.cast(states, "float32") - self.state_mean) / self.state_sd

    def to_log(self, scaled):
        """Compute log1p of the rain of scaled fields (..., y, x), sd x + mean; negative where it is dry."""
        return scaled * self.rain_sd + self.rain_mean

    def to_rain(self, scaled):
        """Compute the rain [mm/day] of scaled fields (..., y, x): expm1(sd x + mean), from none to LARGEST."""
        return ops.expm1(ops.clip(self.to_log(scaled), 0.0, np.log1p(LARGEST)))

    def statistics(self) -> Statistics:
        """Return the statistics."""
        arrays = {name: ops.convert_to_numpy(getattr(self, name)) for name in self.shapes}
        return Statistics(**{name: value if value.ndim else value.item() for name, value in arrays.items()})

    def assign(self, known: Statistics) -> None:
        """Take up statistics."""
        for name, value in known.arrays().items():
            getattr(self, name).assign(value)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "shapes": self.shapes}


@keras.saving.register_keras_serializable("kmodels.precip")
class Places(keras.layers.Layer):
    """Interpolate maps (batch, Y, X, channels) of a coarse grid bilinearly to where the cells of another lie on it.

    At first as if both covered the same area.

    Parameters
    ----------
    size, coarse_grid : tuple of int
        (y, x) of the cells' grid and of the maps' [cells].
    **kwargs
        name and dtype of a `keras.layers.Layer`.
    """

    def __init__(self, size: tuple[int, int], coarse_grid: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.size, self.coarse_grid = tuple(size), tuple(coarse_grid)
        self.at = self.add_weight(name="at", shape=(*size, 2), trainable=False, autocast=False, dtype="float32")
        self.at.assign(nested_places(self.size, self.coarse_grid))

    def assign(self, places: np.ndarray) -> None:
        """Take up the places of fine cells over the same area, (y, x, 2) row and column on the coarse grid."""
        self.at.assign(self._middles(places))

    def difference(self, places: np.ndarray) -> float:
        """Measure by how many coarse cells places differ at most from those that were taken up."""
        return float(np.abs(ops.convert_to_numpy(self.at) - self._middles(places)).max())

    def _middles(self, places: np.ndarray) -> np.ndarray:
        """Interpolate places of fine cells to the middles of this grid's, (y, x, 2)."""
        inside = nested_places(self.size, places.shape[:2])
        return np.moveaxis(sampled(np.moveaxis(places, -1, 0), inside), 0, -1).astype("float32")

    def call(self, maps):
        """Interpolate the maps: (batch, y, x, channels)."""
        at, (rows, columns) = ops.convert_to_tensor(self.at), self.coarse_grid
        flat = ops.reshape(maps, (-1, rows * columns, maps.shape[-1]))
        low = ops.floor(at)
        north, east = (ops.cast(at - low, maps.dtype)[..., k : k + 1] for k in (0, 1))
        south, west = (ops.cast(low[..., k], "int32") for k in (0, 1))
        above, beyond = ops.minimum(south + 1, rows - 1), ops.minimum(west + 1, columns - 1)

        def row(number):
            one, other = (ops.take(flat, number * columns + column, axis=1) for column in (west, beyond))
            return (1 - east) * one + east * other

        return (1 - north) * row(south) + north * row(above)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "size": self.size, "coarse_grid": self.coarse_grid}


@keras.saving.register_keras_serializable("kmodels.precip")
class RainDenormalization(keras.layers.Layer):
    """Turn scaled fields (batch, y, x) into rain [mm/day].

    Given coarse rain (batch, Y, X) [mm/day], too, whose cells are blocks of fine ones, the mean of every block is that
    rain; what is dry there is dry here.

    Parameters
    ----------
    normalization : RainNormalization
        Whose statistics are used.
    block_means : {"scaled", "shifted"}
        How the coarse rain is kept: see `scaled_blocks` and `shifted_blocks`.
    rain_unit : float
        Of shifted blocks [mm/day].
    **kwargs
        name and dtype of a `keras.layers.Layer`.
    """

    def __init__(self, normalization: RainNormalization, block_means: str, rain_unit: float, **kwargs):
        super().__init__(**kwargs)
        self.normalization, self.block_means, self.rain_unit = normalization, block_means, rain_unit

    def call(self, scaled, coarse_rain=None):
        """Compute the rain."""
        scaled = ops.cast(scaled, "float32")
        if coarse_rain is None:
            return self.normalization.to_rain(scaled)
        if self.block_means == "scaled":
            return scaled_blocks(self.normalization.to_rain(scaled), coarse_rain)
        return self.rain_unit * shifted_blocks(self.normalization.to_log(scaled), coarse_rain / self.rain_unit)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "normalization": keras.saving.serialize_keras_object(self.normalization),
            "block_means": self.block_means,
            "rain_unit": self.rain_unit,
        }

    @classmethod
    def from_config(cls, config: dict) -> "RainDenormalization":
        """Make the layer of a configuration, with a normalization of its own."""
        config = dict(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("normalization")), **config)


def scaled_blocks(rain, coarse_rain):
    """Multiply each block of rain (batch, y, x) so that its mean is that of coarse_rain (batch, Y, X).

    Harder et al. 2023, J. Mach. Learn. Res. 24, 365. A block with any rain is wet all over.
    """
    (ny, nx), (rows, columns) = rain.shape[1:], coarse_rain.shape[1:]
    blocks = ops.reshape(rain, (-1, rows, ny // rows, columns, nx // columns)) + TRACE
    factor = ops.expand_dims(coarse_rain, (2, 4)) / ops.mean(blocks, axis=(2, 4), keepdims=True)
    return ops.reshape(blocks * factor, (-1, ny, nx))


def shifted_blocks(latent, coarse_rain):
    """Shift the latent of each block so that its rain has the mean c of coarse_rain (batch, Y, X).

    ::

        rain_i = max(e_i / t - 1, 0),   e = exp(latent),   t = sum of the k largest e / (n c + k)

    of the block's n cells, k the most for which the k-th largest e lies above t: the mean of the rain is then c. Cells
    whose e lies below t are dry. It is the projection onto a simplex (Duchi, Shalev-Shwartz, Singer and Chandra 2008,
    ICML, 272-279) of e / t.

    Parameters
    ----------
    latent : tensor
        (batch, y, x).
    coarse_rain : tensor
        (batch, Y, X), 0 or more, in the unit of the result.

    Returns
    -------
    tensor
        (batch, y, x), 0 or more.
    """
    (ny, nx), (rows, columns) = latent.shape[1:], coarse_rain.shape[1:]
    blocks = ops.reshape(latent, (-1, rows, ny // rows, columns, nx // columns))
    cells = ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, rows, columns, ny // rows * (nx // columns)))
    cells = ops.exp(cells - ops.stop_gradient(ops.max(cells, axis=-1, keepdims=True)))
    total = cells.shape[-1] * ops.expand_dims(coarse_rain, -1)
    wet = ops.cast(cells >= _threshold(ops.stop_gradient(cells), total), "float32")
    threshold = ops.sum(cells * wet, axis=-1, keepdims=True) / (total + ops.sum(wet, axis=-1, keepdims=True))
    rain = ops.reshape(ops.relu(cells / threshold - 1.0), (-1, rows, columns, ny // rows, nx // columns))
    return ops.reshape(ops.transpose(rain, (0, 1, 3, 2, 4)), (-1, ny, nx))


def _threshold(cells, total):
    """Find the t of `shifted_blocks` (..., 1). cells: (..., n), the largest 1. total: n c, (..., 1)."""
    falling = -ops.sort(-cells, axis=-1)
    levels = ops.cumsum(falling, axis=-1) / (total + ops.arange(1.0, cells.shape[-1] + 1.0, dtype="float32"))
    # They rise as long as the next cell lies above the level before it, and fall from there on.
    return ops.max(levels, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable("kmodels.precip")
class FreshNoise(keras.layers.Layer):
    """Hand on the noise that is given; in training standard normal noise of that shape, new in every step.

    Parameters
    ----------
    seed : int
        Of the noise in training.
    **kwargs
        name and dtype of a `keras.layers.Layer`.
    """

    def __init__(self, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, noise, training=None):
        """Return noise of the same shape."""
        if not training:
            return noise
        return distribution.current().drawn(
            lambda shape: keras.random.normal(shape, dtype="float32", seed=self.generator), ops.shape(noise)
        )

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "seed": self.seed}
