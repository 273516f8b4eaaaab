"""The networks: one that keeps the volume while it remembers, and the flawed ancestor that pools it away."""

import keras
from keras import layers, ops

from kmodels.core.model import TermModel, adam, dropout_seed
from kmodels.layers.conv3d import Conv3D
from kmodels.layers.conv_lstm3d import ConvLSTM3D
from kmodels.plume.losses import log_error, mass_error, peak_error
from kmodels.plume.recipe import PlumeRecipe

LOWEST_BASE = 0.01  # log1p(c / c0) below which the base counts as clean air: its inverse softplus must be finite


@keras.saving.register_keras_serializable("kmodels")
class PlumeModel(TermModel):
    """Inputs as `encode.WindowExamples` gives them; output "future" (batch, z, y, x) = log1p(c / c0), never negative.

    shape: (past, z, y, x). c0: the scale of the fields [kg m-3]. The other arguments are those of the recipe. Loss
    terms: log, mass, peak (see `losses`).
    """

    def __init__(
        self,
        shape,
        architecture="v2_convlstm",
        wind=True,
        transport=True,
        base=False,
        filters=8,
        depth=2,
        kernel=3,
        remat=False,
        c0=1e-8,
        mass_weight=0.1,
        peak_weight=0.1,
        policy="float32",
        **kwargs,
    ):
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        past, *volume = shape
        inputs = {
            "past": keras.Input((past, *volume), name="past"),
            "static": keras.Input((*volume, 3), name="static"),
        }
        if wind:
            inputs["wind"] = keras.Input((past, volume[0], 2), name="wind")
        if transport:
            inputs["transport"] = keras.Input((*volume, 2), name="transport")
        if base:
            inputs["base"] = keras.Input(tuple(volume), name="base")
        network = {"v1_ensemble": _ensemble, "v2_convlstm": _convlstm}[architecture]
        outputs = {"future": _positive(network(inputs, **self_config), inputs)}
        weights = {"log": 1.0, "mass": mass_weight, "peak": peak_weight}
        super().__init__(weights, inputs=inputs, outputs=outputs, **kwargs)
        self._config = self_config
        self.c0 = c0

    def terms(self, x, y, y_pred):
        """log: mean squared error in log space. mass: squared logarithm of the ratio of the masses. peak: relative
        squared error of the concentrations."""
        fields = y["future"], ops.cast(y_pred["future"], "float32"), y["air"]
        return {"log": log_error(*fields), "mass": mass_error(*fields), "peak": peak_error(*fields)}

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a configuration."""
        return cls(**config)


def _convlstm(inputs, shape, wind, transport, filters, depth, kernel, remat, policy, **_):
    """v2: frames -> ConvLSTM -> fused with the maps -> back to one field, all of it at the volume's resolution."""
    past, *volume = shape

    def convolved(x, n, name, activation="relu"):
        return Conv3D(n, kernel, padding="same", activation=activation, dtype=policy, name=name)(x)

    frames = _frames(inputs, past, volume, wind)
    # All frames at once: time joins the batch.
    frames = convolved(ops.reshape(frames, (-1, *volume, frames.shape[-1])), filters, "frame", None)
    frames = layers.ReLU(dtype=policy)(layers.BatchNormalization(dtype=policy, name="frame_norm")(frames))
    frames = ops.reshape(frames, (-1, past, *volume, filters))
    x = frames
    for k in range(depth):
        last = k == depth - 1
        x = ConvLSTM3D(
            filters, kernel, padding="same", return_sequences=not last, remat=remat, dtype=policy, name=f"memory_{k}"
        )(x)
    maps = inputs["static"]
    if transport:
        maps = ops.concatenate([maps, inputs["transport"]], -1)
    coarse = convolved(maps, max(filters // 2, 1), "maps_0")
    maps = convolved(coarse, filters, "maps_1")
    x = convolved(ops.concatenate([x, maps], -1), filters, "fusion")
    x = convolved(ops.concatenate([x, frames[:, -1]], -1), filters, "decoder_0")
    x = ops.concatenate([x, coarse], -1)
    if transport:
        x = ops.concatenate([x, inputs["transport"], inputs["past"][:, -1, ..., None]], -1)
    x = convolved(x, max(filters // 2, 1), "decoder_1")
    return ops.squeeze(convolved(x, 1, "field", None), -1)


def _ensemble(inputs, shape, wind, filters, policy, **_):
    """v1: every frame pooled to 128 numbers, a Transformer over them, the last one blown up to a volume."""
    past, *volume = shape
    x = ops.reshape(_frames(inputs, past, volume, wind), (-1, *volume, 1 + 2 * wind))
    for n in (filters, 2 * filters, 128):
        x = layers.Conv3D(n, 3, strides=2, padding="same", activation="relu", dtype=policy)(x)
    x = ops.reshape(layers.GlobalAveragePooling3D(dtype=policy)(x), (-1, past, 128))
    for _ in range(2):
        heads = layers.MultiHeadAttention(4, 32, dropout=0.1, seed=dropout_seed(), dtype=policy)(x, x)
        x = layers.LayerNormalization(dtype=policy)(x + heads)
        wide = layers.Dense(128, dtype=policy)(layers.Dense(256, activation="relu", dtype=policy)(x))
        x = layers.LayerNormalization(dtype=policy)(x + layers.Dropout(0.1, seed=dropout_seed(), dtype=policy)(wide))
    seed = [-(-n // 8) for n in volume]
    x = layers.Dense(seed[0] * seed[1] * seed[2] * filters, activation="relu", dtype=policy)(x[:, -1])
    x = ops.reshape(x, (-1, *seed, filters))
    for n in (filters, filters, 1):
        activation = None if n == 1 else "relu"
        x = layers.Conv3DTranspose(n, 3, strides=2, padding="same", activation=activation, dtype=policy)(x)
    return ops.squeeze(x[:, : volume[0], : volume[1], : volume[2]], -1)


def _frames(inputs, past, volume, wind):
    """(batch, past, z, y, x, 1 or 3): concentration, and the wind of every level in all its cells."""
    frames = ops.expand_dims(inputs["past"], -1)
    if not wind:
        return frames
    winds = ops.reshape(inputs["wind"], (-1, past, volume[0], 1, 1, 2))
    # Times one: broadcast_to wants to know the batch.
    return ops.concatenate([frames, winds * ops.ones_like(frames)], -1)


def _positive(logit, inputs):
    """softplus, on top of the base where there is one; nothing below ground."""
    logit = ops.cast(logit, "float32")
    if "base" in inputs:
        logit = logit + ops.log(ops.expm1(ops.maximum(inputs["base"], LOWEST_BASE)))
    return ops.softplus(logit) * (1.0 - inputs["static"][..., 0])


def build(recipe: PlumeRecipe, steps: int) -> PlumeModel:
    """The compiled model of a recipe for a training of `steps` steps."""
    grid, model = recipe.data.grid, recipe.model
    network = PlumeModel(
        shape=(recipe.data.past, grid.nz, grid.ny, grid.nx),
        architecture=model.architecture,
        wind=model.wind,
        transport=model.transport,
        base=model.base != "none",
        filters=model.filters,
        depth=model.layers,
        kernel=model.kernel,
        remat=model.remat,
        c0=model.c0,
        mass_weight=recipe.train.mass_weight,
        peak_weight=recipe.train.peak_weight,
        policy=recipe.train.precision,
        name="plume",
    )
    network.compile(optimizer=adam(recipe.train, steps))
    return network
