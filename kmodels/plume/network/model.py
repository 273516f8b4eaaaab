"""The networks: one that keeps the volume while it remembers, and the flawed ancestor that pools it away."""

import keras
from keras import layers, ops

from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed
from kmodels.layers.conv3d import Conv3D
from kmodels.layers.conv_lstm3d import ConvLSTM3D
from kmodels.plume.network.losses import log_error, mass_error, peak_error
from kmodels.plume.network.transport_layers import OFFSETS, Mixing, Spread
from kmodels.plume.recipe import GIVEN_BASES, PlumeRecipe

ERRORS = {"log": log_error, "mass": mass_error, "peak": peak_error}
LOWEST_BASE = 0.01  # log1p(c / c0) below which the base counts as clean air: its inverse softplus must be finite


@keras.saving.register_keras_serializable("kmodels")
class PlumeModel(TermModel):
    """Inputs as `encode.WindowExamples` gives them; output "future" (batch, z, y, x) = log1p(c / c0), never negative;
    with base "transport" also "carried", see `_transported`.

    shape: (past, z, y, x). c0: the scale of the fields [kg m-3]. The other arguments are those of the recipe. Loss
    terms: log, mass, peak (see `losses`).
    """

    def __init__(
        self,
        shape,
        architecture="v2_convlstm",
        wind=True,
        transport=True,
        base="transport",
        memory=0.9,
        filters=12,
        depth=1,
        kernel=3,
        remat=False,
        c0=1e-8,
        mass_weight=1.0,
        peak_weight=1.0,
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
            inputs["transport"] = keras.Input((*volume, 4), name="transport")
        if base in GIVEN_BASES:
            inputs["base"] = keras.Input(tuple(volume), name="base")
        network = {"v1_ensemble": _ensemble, "v2_convlstm": _convlstm}[architecture]
        outputs = network(inputs, **self_config)
        weights = {"log": 1.0, "mass": mass_weight, "peak": peak_weight}
        super().__init__(weights, inputs=inputs, outputs=outputs, **kwargs)
        self._config = self_config
        self.c0 = c0

    def terms(self, x, y, y_pred):
        """log: mean squared error in log space. mass: squared logarithm of the ratio of the masses. peak: relative
        squared error of the concentrations. Each the mean over the outputs, so what is carried is trained beside."""
        fields = [ops.cast(field, "float32") for field in y_pred.values()]
        return {
            name: sum(error(y["future"], field, y["air"]) for field in fields) / len(fields)
            for name, error in ERRORS.items()
        }

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}


def _convlstm(inputs, shape, wind, transport, base, memory, filters, depth, kernel, remat, policy, **_):
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
    if base == "transport":
        return _transported(convolved(x, filters, "decoder_1"), inputs, memory, policy)
    x = convolved(x, max(filters // 2, 1), "decoder_1")
    kernels = "glorot_uniform" if base == "none" else "zeros"  # training starts at the base
    field = Conv3D(1, kernel, padding="same", kernel_initializer=kernels, dtype=policy, name="field")(x)
    return {"future": _positive(ops.squeeze(field, -1), inputs)}


def _transported(x, inputs, memory, policy):
    """The last frame carried on, and what the same transport missed in the last step.

        p(k) = mixing(spread(moved c(k) + level * emitted at k)),   c(t+1) = p(t) + memory (c(t) - p(t-1))

    x: features, which shares, level and diffusivity are 1 x 1 x 1 convolutions of. memory below 1 lets that
    correction fade in a roll-out, where c(t) is a forecast itself. Outputs: future, and p(t) as "carried".
    """
    air = 1.0 - inputs["static"][..., 0]

    def of(n, name, **options):
        return ops.cast(Conv3D(n, 1, dtype=policy, name=name, **options)(x), "float32")

    level = of(1, "level")[..., 0] - 1e9 * (1.0 - air)
    diffusivity = ops.softplus(of(1, "diffusivity", bias_initializer=keras.initializers.Constant(-1.0))[..., 0])
    by_wind = ops.expm1(inputs["transport"])
    carried = by_wind[..., :2] + ops.softmax(level, axis=1)[..., None] * by_wind[..., 2:]
    carried = Spread(name="spread")(carried, of(len(OFFSETS), "shares"), air)
    carried = Mixing(name="mixing")(carried, diffusivity, air)
    missed = ops.expm1(inputs["past"][:, -1]) - carried[..., 1]
    future = ops.maximum(carried[..., 0] + memory * missed, 0.0) * air
    return {"future": ops.log1p(future), "carried": ops.log1p(carried[..., 0] * air)}


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
    return {"future": _positive(ops.squeeze(x[:, : volume[0], : volume[1], : volume[2]], -1), inputs)}


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
        base=model.base,
        memory=model.memory,
        filters=model.filters,
        depth=model.layers,
        kernel=model.kernel,
        remat=model.remat,
        c0=model.c0,
        mass_weight=recipe.train.mass_weight,
        peak_weight=recipe.train.peak_weight,
        policy=recipe.train.dtype,
        name="plume",
    )
    network.compile(optimizer=adam(recipe.train, steps))
    return network
