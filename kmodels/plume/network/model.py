"""The networks: one that keeps the volume while it remembers, and the flawed ancestor that pools it away."""

import keras
from keras import layers, ops

from kmodels.core.spec.arguments import as_sizes, check_choice, check_integers, check_numbers
from kmodels.core.training.cloning import Held
from kmodels.core.training.devices.layers import BatchNormalization, Dropout
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed, policy_name
from kmodels.layers.conv3d import Conv3D
from kmodels.layers.conv_lstm3d import ConvLSTM3D
from kmodels.plume.network.closures import solve_with_closures
from kmodels.plume.network.dispersion import AXES
from kmodels.plume.network.losses import log_error, mass_error, peak_error
from kmodels.plume.network.settings import Settings
from kmodels.plume.network.transport_layers import OFFSETS, ImplicitVerticalDiffusion, LocalRedistribution
from kmodels.plume.recipe import ARCHITECTURES, BASES, GIVEN_BASES, PlumeRecipe

ERRORS = {"log": log_error, "mass": mass_error, "peak": peak_error}
FIELDS = ("future", "carried")  # outputs that are concentrations
LOWEST_BASE = 0.01  # log1p(c / c0) below which the base counts as clean air: its inverse softplus must be finite


@keras.saving.register_keras_serializable("kmodels.plume")
class PlumeNet(TermModel):
    """Forecast the next concentration volume over terrain from the past ones.

    Inputs, a dictionary as `kmodels.plume.PlumePreprocessor` makes it: past (batch, past, z, y, x) = log1p(c / c0);
    static (batch, z, y, x, 3) = ground (1) or air (0), log1p(emission / 1 g/s), stack height / 100 m; with `wind`
    wind (batch, past, z, 2) in 10 m/s; with `transport` transport (batch, z, y, x, 4); with base "solver" flow_x,
    flow_y and flow_z, see `kmodels.plume.data.flow.courant`, and wind_before (batch, 2), cosine and sine of the wind
    before, relative to the last one; with base "persistence" or "wind_moved" base (batch, z, y, x). Outputs: future
    (batch, z, y, x) = log1p(c / c0), never negative, 0 in the ground; with base "transport" also carried, what
    transport alone gives; with base "solver" also that and what `solve_with_closures` tells. Target: future. Loss
    terms: log, mass and peak, see `kmodels.plume.network.losses`. `compile` takes metrics of future,
    ``metrics={"future": "mae"}``; with base "solver" they make a step of the training slower, which computes future for
    them alone.

    `export` writes a SavedModel on tensorflow and jax; on torch Keras exports no outputs in a dictionary: save the
    model, load it on one of those and export it there.

    Parameters
    ----------
    grid : (int, int, int)
        Cells along (z, y, x).
    past : int
        Frames that the network sees.
    filters : int
        Channels of the encoder and of each ConvLSTM.
    num_layers : int
        ConvLSTM layers.
    kernel_size : int
        Width of every convolution [cells].
    scales : int
        Resolutions of the U-Net, each half as fine along y and x as the one above; ConvLSTMs are at the coarsest.
    architecture : {"v2_convlstm", "v1_ensemble"}
        v2_convlstm keeps the volume; v1_ensemble, the flawed ancestor, pools every frame to a vector.
    wind : bool
        Whether the wind of every frame is an input.
    transport : bool
        Whether the maps of what transport alone does are an input.
    base : {"transport", "solver", "none", "persistence", "wind_moved"}
        What the forecast is made of: a step of transport whose coefficients the network gives (needs v2_convlstm and
        `transport`); the equation itself, solved with coefficients that the network gives (needs v2_convlstm and
        `wind`); nothing but the network's output; that added in log space to the input `base`.
    memory : float
        With base "transport" or "solver": share, 0 to 1, of what it missed in the last step that the next one adds.
    remat : bool
        Whether the ConvLSTM keeps fewer values for the gradient and computes them again.
    substeps : int
        With base "solver": steps from a frame to the next, an even number.
    cell : (float, float, float)
        With base "solver": size of a cell (z, y, x) [m].
    seconds : float
        With base "solver": from a frame to the next [s].
    c0 : float
        Scale of the concentrations, log1p(c / c0) [kg m-3].
    mass_weight, peak_weight : float
        Weights of the loss terms mass and peak; that of log is 1.
    dtype : str or keras.DTypePolicy, optional
        Policy of the layers; None: Keras' global policy. Transport and losses are float32 whatever it is.
    name : str, optional
        Of the model.

    Raises
    ------
    ValueError
        For a choice that there is not, or sizes that do not go together.

    References
    ----------
    Shi et al. (2015), Convolutional LSTM Network, NeurIPS.
    """

    def __init__(
        self,
        grid: tuple[int, int, int] = (8, 20, 20),
        past: int = 3,
        filters: int = 8,
        *,
        num_layers: int = 1,
        kernel_size: int = 3,
        scales: int = 2,
        architecture: str = "v2_convlstm",
        wind: bool = True,
        transport: bool = False,
        base: str = "solver",
        memory: float = 0.9,
        remat: bool = False,
        substeps: int = 10,
        cell: tuple[float, float, float] = (20.0, 100.0, 100.0),
        seconds: float = 60.0,
        c0: float = 1e-8,
        mass_weight: float = 1.0,
        peak_weight: float = 1.0,
        dtype=None,
        name: str | None = None,
    ):
        grid, policy = as_sizes("PlumeNet", "grid", grid, 3, least=2), policy_name(dtype)
        cell = tuple(cell)
        volume = (grid, past, filters, num_layers, kernel_size, scales, wind, transport, base, memory, remat)
        settings = Settings(*volume, substeps, cell, seconds, c0, policy)
        _check(settings, architecture)
        check_numbers("PlumeNet", mass_weight=mass_weight, peak_weight=peak_weight)
        check_numbers("PlumeNet", "above 0", c0=c0)
        inputs = _inputs(settings)
        network = {"v1_ensemble": _ensemble, "v2_convlstm": _convlstm}[architecture]
        weights = {"log": 1.0, "mass": mass_weight, "peak": peak_weight}
        outputs = network(inputs, settings)
        super().__init__(weights, inputs=inputs, outputs=outputs, name=name)
        self.trained = Held(keras.Model(inputs, {key: outputs[key] for key in _trained(base) if key in outputs}))
        self.training_only = False
        self.grid, self.past, self.filters, self.num_layers = grid, past, filters, num_layers
        self.kernel_size, self.scales, self.architecture = kernel_size, scales, architecture
        self.wind, self.transport, self.base, self.memory, self.remat = wind, transport, base, memory, remat
        self.substeps, self.cell, self.seconds = substeps, cell, seconds
        self.c0, self.mass_weight, self.peak_weight, self.policy = c0, mass_weight, peak_weight, policy

    @classmethod
    def from_recipe(cls, recipe: PlumeRecipe) -> "PlumeNet":
        """Make the uncompiled network of a recipe."""
        grid, model = recipe.data.grid, recipe.model
        return cls(
            grid=(grid.nz, grid.ny, grid.nx),
            past=recipe.data.past,
            filters=model.filters,
            num_layers=model.num_layers,
            kernel_size=model.kernel_size,
            scales=model.scales,
            architecture=model.architecture,
            wind=model.wind,
            transport=model.transport,
            base=model.base,
            memory=model.memory,
            remat=model.remat,
            substeps=model.substeps,
            cell=(grid.dz, grid.dx, grid.dx),
            seconds=recipe.data.frame_seconds,
            c0=model.c0,
            mass_weight=recipe.train.mass_weight,
            peak_weight=recipe.train.peak_weight,
            dtype=recipe.train.dtype,
            name="plume",
        )

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the target, the future volume."""
        return {"future": self.grid}

    def terms(self, x, y, y_pred) -> dict:
        """Compute log, mass and peak error of each example, each the mean over the outputs: carried is trained, too."""
        air = 1.0 - ops.cast(x["static"][..., 0], "float32")
        truth = ops.cast(y["future"], "float32")
        fields = [ops.cast(y_pred[name], "float32") for name in _trained(self.base) if name in y_pred]
        return {name: sum(error(truth, field, air) for field in fields) / len(fields) for name, error in ERRORS.items()}

    def train_step(self, *args):
        """Take a step, of those outputs alone that are trained.

        With base "solver" the others cost more than these; torch would compute them for nothing. Metrics need them.
        """
        self.training_only = not self.has_metrics
        try:
            return super().train_step(*args)
        finally:
            self.training_only = False

    def call(self, inputs, training=None, mask=None):
        """Compute the outputs, or in a step of a training what that needs."""
        if self.training_only:
            return self.trained.value(inputs, training=training)
        return super().call(inputs, training=training, mask=mask)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            "grid": self.grid,
            "past": self.past,
            "filters": self.filters,
            "num_layers": self.num_layers,
            "kernel_size": self.kernel_size,
            "scales": self.scales,
            "architecture": self.architecture,
            "wind": self.wind,
            "transport": self.transport,
            "base": self.base,
            "memory": self.memory,
            "remat": self.remat,
            "substeps": self.substeps,
            "cell": self.cell,
            "seconds": self.seconds,
            "c0": self.c0,
            "mass_weight": self.mass_weight,
            "peak_weight": self.peak_weight,
            "dtype": self.policy,
            "name": self.name,
        }


def _trained(base: str) -> tuple[str, ...]:
    """Name the outputs that the loss is made of, where there are such."""
    return ("carried",) if base == "solver" else FIELDS


def build(recipe: PlumeRecipe, steps: int) -> PlumeNet:
    """Make the compiled network of a recipe for a training of `steps` steps."""
    network = PlumeNet.from_recipe(recipe)
    network.compile(optimizer=adam(recipe.train, steps))
    return network


def _check(settings: Settings, architecture: str) -> None:
    """Refuse arguments that would fail deep inside, or that contradict each other."""
    check_choice("PlumeNet", "architecture", architecture, ARCHITECTURES)
    check_choice("PlumeNet", "base", settings.base, BASES)
    sizes = ("past", "filters", "num_layers", "kernel_size", "scales", "substeps")
    check_integers("PlumeNet", **{name: getattr(settings, name) for name in sizes})
    check_numbers("PlumeNet", "from 0 to 1", memory=settings.memory)
    check_numbers("PlumeNet", "above 0", seconds=settings.seconds)
    if settings.substeps % 2:
        raise ValueError(f"PlumeNet: substeps = {settings.substeps}; expected an even number")
    if settings.base == "transport" and (architecture != "v2_convlstm" or not settings.transport):
        raise ValueError("PlumeNet: base = 'transport' needs architecture = 'v2_convlstm' and transport = True")
    if settings.base == "solver" and settings.past < 2:
        raise ValueError(f"PlumeNet: base = 'solver' looks at two frames; past = {settings.past}")
    if settings.base == "solver" and (architecture != "v2_convlstm" or not settings.wind):
        raise ValueError("PlumeNet: base = 'solver' needs architecture = 'v2_convlstm' and wind = True")


def _inputs(settings: Settings) -> dict:
    """Make the inputs that the settings ask for."""
    past, grid = settings.past, settings.grid
    inputs = {"past": keras.Input((past, *grid), name="past"), "static": keras.Input((*grid, 3), name="static")}
    if settings.wind:
        inputs["wind"] = keras.Input((past, grid[0], 2), name="wind")
    if settings.transport:
        inputs["transport"] = keras.Input((*grid, 4), name="transport")
    if settings.base == "solver":
        inputs["wind_before"] = keras.Input((2,), name="wind_before")
        for name, axis in AXES.items():
            faces = [n + (axis == k) for k, n in enumerate(grid, 1)]
            inputs[name] = keras.Input((*faces, 2), name=name)
    if settings.base in GIVEN_BASES:
        inputs["base"] = keras.Input(grid, name="base")
    return inputs


def _convlstm(inputs: dict, settings: Settings) -> dict:
    """Build v2: a U-Net that remembers at its coarsest scale; the last frame joins it at every finer one."""
    filters, kernel_size, policy = settings.filters, settings.kernel_size, settings.policy

    def convolve(x, n, name, activation="relu"):
        return Conv3D(n, kernel_size, padding="same", activation=activation, dtype=policy, name=name)(x)

    frames = _encode_frames(inputs, settings, convolve)
    maps = inputs["static"]
    if settings.transport:
        maps = ops.concatenate([maps, inputs["transport"]], -1)
    first_maps = convolve(maps, max(filters // 2, 1), "maps_0")
    maps = convolve(first_maps, filters, "maps_1")
    skips = []
    for _ in range(settings.scales - 1):
        skips.append(frames[:, -1])
        frames, maps = _halved(frames), _halved(maps)
    x = frames
    for k in range(settings.num_layers):
        options = {"return_sequences": k < settings.num_layers - 1, "remat": settings.remat, "dtype": policy}
        x = ConvLSTM3D(filters, kernel_size, padding="same", name=f"memory_{k}", **options)(x)
    x = convolve(ops.concatenate([x, maps], -1), filters, "fusion")
    for scale, skip in reversed(list(enumerate(skips or [frames[:, -1]]))):
        x = convolve(ops.concatenate([_doubled(x, skip), skip], -1), filters, f"up_{scale}" if scale else "decoder_0")
    x = ops.concatenate([x, first_maps], -1)
    if settings.transport:
        x = ops.concatenate([x, inputs["transport"], inputs["past"][:, -1, ..., None]], -1)
    if settings.base == "transport":
        return _transport_step(convolve(x, filters, "decoder_1"), inputs, settings)
    if settings.base == "solver":
        return solve_with_closures(convolve(x, filters, "decoder_1"), inputs, settings)
    x = convolve(x, max(filters // 2, 1), "decoder_1")
    kernels = "glorot_uniform" if settings.base == "none" else "zeros"  # training starts at the base
    field = Conv3D(1, kernel_size, padding="same", kernel_initializer=kernels, dtype=policy, name="field")(x)
    return {"future": _positive(ops.squeeze(field, -1), inputs)}


def _halved(x):
    """Average 2 x 2 cells of each level, on odd sides the last one alone: (..., z, y, x, channels)."""
    for axis in (-3, -2):
        if x.shape[axis] % 2:
            last = ops.take(x, [x.shape[axis] - 1], axis=axis)
            x = ops.concatenate([x, last], axis=axis)
    *lead, ny, nx, channels = x.shape
    pairs = ops.reshape(x, (-1, *lead[1:], ny // 2, 2, nx // 2, 2, channels))
    return ops.mean(pairs, axis=(-4, -2))


def _doubled(x, like):
    """Repeat each cell of each level up to the size of another field: (batch, z, y, x, channels)."""
    y, x_size = like.shape[2:4]
    if x.shape[2:4] == (y, x_size):
        return x
    return ops.repeat(ops.repeat(x, 2, axis=2), 2, axis=3)[:, :, :y, :x_size]


def _encode_frames(inputs: dict, settings: Settings, convolve):
    """Encode every frame by itself: (batch, past, z, y, x, filters)."""
    frames = _stack_frames(inputs, settings)
    # All frames at once: time joins the batch.
    frames = ops.reshape(frames, (-1, *settings.grid, frames.shape[-1]))
    frames = convolve(frames, settings.filters, "frame", None)
    frames = BatchNormalization(dtype=settings.policy, name="frame_norm")(frames)
    frames = layers.ReLU(dtype=settings.policy)(frames)
    return ops.reshape(frames, (-1, settings.past, *settings.grid, settings.filters))


def _transport_step(x, inputs: dict, settings: Settings) -> dict:
    """Carry the last frame on, and add what the same transport missed in the last step.

    ::

        p(k) = D(R(A c(k) + level * emitted at k)),   c(t+1) = p(t) + memory (c(t) - p(t-1))

    A: the semi-Lagrangian step of the inputs, R: local redistribution, D: vertical diffusion. x: features, which
    shares, level and diffusivity are 1 x 1 x 1 convolutions of. memory below 1 lets that correction fade in a
    roll-out, where c(t) is a forecast itself. Outputs: future, and p(t) as "carried".
    """
    air = 1.0 - inputs["static"][..., 0]

    def coefficients(n, name, **options):
        return ops.cast(Conv3D(n, 1, dtype=settings.policy, name=name, **options)(x), "float32")

    level = coefficients(1, "level")[..., 0] - 1e9 * (1.0 - air)
    start = keras.initializers.Constant(-1.0)
    diffusivity = ops.softplus(coefficients(1, "diffusivity", bias_initializer=start)[..., 0])
    by_wind = ops.expm1(inputs["transport"])
    carried = by_wind[..., :2] + ops.softmax(level, axis=1)[..., None] * by_wind[..., 2:]
    carried = LocalRedistribution(name="local_redistribution")(carried, coefficients(len(OFFSETS), "shares"), air)
    carried = ImplicitVerticalDiffusion(name="vertical_diffusion")(carried, diffusivity, air)
    missed = ops.expm1(inputs["past"][:, -1]) - carried[..., 1]
    future = ops.maximum(carried[..., 0] + settings.memory * missed, 0.0) * air
    return {"future": ops.log1p(future), "carried": ops.log1p(carried[..., 0] * air)}


def _ensemble(inputs: dict, settings: Settings) -> dict:
    """Build v1: every frame pooled to 128 numbers, a Transformer over them, the last upsampled to a volume."""
    filters, policy, volume = settings.filters, settings.policy, settings.grid
    x = _stack_frames(inputs, settings)
    x = ops.reshape(x, (-1, *volume, x.shape[-1]))
    for n in (filters, 2 * filters, 128):
        x = layers.Conv3D(n, 3, strides=2, padding="same", activation="relu", dtype=policy)(x)
    x = ops.reshape(layers.GlobalAveragePooling3D(dtype=policy)(x), (-1, settings.past, 128))
    for _ in range(2):
        heads = layers.MultiHeadAttention(4, 32, dropout=0.1, seed=dropout_seed(), dtype=policy)(x, x)
        x = layers.LayerNormalization(dtype=policy)(x + heads)
        wide = layers.Dense(128, dtype=policy)(layers.Dense(256, activation="relu", dtype=policy)(x))
        x = layers.LayerNormalization(dtype=policy)(x + Dropout(0.1, seed=dropout_seed(), dtype=policy)(wide))
    small = [-(-n // 8) for n in volume]
    x = layers.Dense(small[0] * small[1] * small[2] * filters, activation="relu", dtype=policy)(x[:, -1])
    x = ops.reshape(x, (-1, *small, filters))
    for n in (filters, filters, 1):
        activation = None if n == 1 else "relu"
        x = layers.Conv3DTranspose(n, 3, strides=2, padding="same", activation=activation, dtype=policy)(x)
    return {"future": _positive(ops.squeeze(x[:, : volume[0], : volume[1], : volume[2]], -1), inputs)}


def _stack_frames(inputs: dict, settings: Settings):
    """Stack concentration, and the wind of every level in all its cells: (batch, past, z, y, x, 1 or 3)."""
    frames = ops.expand_dims(inputs["past"], -1)
    if not settings.wind:
        return frames
    winds = ops.reshape(inputs["wind"], (-1, settings.past, settings.grid[0], 1, 1, 2))
    # Times one: broadcast_to wants to know the batch.
    return ops.concatenate([frames, winds * ops.ones_like(frames)], -1)


def _positive(logit, inputs: dict):
    """Apply softplus, on top of the base where there is one; nothing below ground."""
    logit = ops.cast(logit, "float32")
    if "base" in inputs:
        logit = logit + ops.log(ops.expm1(ops.maximum(inputs["base"], LOWEST_BASE)))
    return ops.softplus(logit) * (1.0 - inputs["static"][..., 0])
