"""The network that hears range and direction: walls by direction, floor and ceiling are the base; and a residual."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.spec.arguments import check_integers
from kmodels.core.training.term_model import policy_name
from kmodels.echo.data.prepare import recording_length
from kmodels.echo.data.range_azimuth import ASIDE, BANDS, DIRECTIONS, INSIDE, PROFILES, STEPS, n_ranges
from kmodels.echo.network.depth_model import DepthModel, check_shared, shared_arguments, term_weights, with_residual
from kmodels.echo.network.losses import NEAREST
from kmodels.echo.network.normalization import MOMENTUM, FusedNormalization
from kmodels.echo.network.sizes import COARSE, HIDDEN, ROW_CHANNELS, TRUNK

OWNER = "RangeAzimuthNet"
STRIDES = ((2, 1), (2, 1), (2, 1), (1, 1))  # along range and direction, after both have been halved
SHARPNESS = 20.0  # m: edges are rounded off where inverse depths differ by less than its reciprocal
LEAST_VARIANCE = 0.01  # of the logarithms of a recording's power
FAR = 3.0  # power of the range by which echoes grow fainter, about: by that they are made up for
BELOW, ABOVE, BESIDE = 1.15, 2.2, 3.0  # m, where floor, ceiling and walls begin
LOGARITHMS = (-4.0, 4.0)  # of a distance by where it begins


@keras.saving.register_keras_serializable("kmodels.echo")
class RangeAzimuthNet(DepthModel):
    """Depth image from what two ears hear of range and direction, as the sum of a bare room and a residual.

    ::

        1 / base = log(exp(b w(x)) + exp(b f y) + exp(-b c y) + exp(b / max_depth)) / b,  b = 20 m
        residual = tanh(.) residual_range max_depth
        depth    = clip(base + residual, 0, max_depth)

    x and y are a pixel's place to the right and downwards. In inverse depth every plane is linear in x and y, and the
    nearest one is seen. Walls are upright: their inverse depth w depends on x alone, and has one number for each of 16
    directions, made of what was heard from there. Floor and ceiling are level: one number each, f and c, made of the
    whole recording. So the base, a softened maximum, can say a room without furniture and no more.

    Inputs, as `EchoPreprocessor` makes them: "profile" (batch, ranges, 14), log10 of power at each range in both ears;
    with `phase` "correlation" (batch, ranges, 40, 3), of both ears by range and direction in three bands. Outputs
    "depth", "base" and "residual", each (batch, image_size, image_size) [m]. Targets "depth" [m], 0 = unknown, and
    "coarse_depth" [m], what the base is compared with: the same, or a low-passed depth.

    Parameters
    ----------
    image_size : int
        Width and height of depth images [pixels]; a multiple of 16.
    ranges : int
        Ranges of the inputs, 6.2 cm each; a multiple of 16.
    view : (float, float)
        Width and height of the camera's view [degrees].
    phase : bool
        Whether the network is given the correlation of the ears.
    width : int
        Channels of the first convolution; the following ones have 2, 3 and 4 times as many.
    hidden : int
        Width of dense layers, and of convolutions along the direction.
    max_depth : float
        The largest depth [m].
    residual_range : float
        The largest size of the residual, as a share of `max_depth`.
    lambda_recon, lambda_base, lambda_sparse : float
        Weights of the loss terms at the start: error of the depth, error of the base, mean size of the residual.
        `model.term_weights[...]` are the variables.
    lambda_log : float
        Both errors are L1 [m] + lambda_log |log(depth / truth)|.
    base_quantile : float
        The base's error counts twice this where the base is too near, and twice 1 - this where it is too far. Above
        0.5 the base becomes the room behind what stands in it.
    dtype : str or keras.DTypePolicy, optional
        Policy of the layers; None: Keras' global one. Outputs are always float32.
    name : str, optional
        Of the model.

    References
    ----------
    Christensen, Hornauer and Yu (2020), BatVision: Learning to see 3D spatial layout with two ears.
    Knapp and Carter (1976), IEEE Trans. ASSP 24, 320-327 (generalised cross-correlation).
    """

    def __init__(
        self,
        image_size: int = 64,
        ranges: int = 192,
        view: Sequence[float] = (86.0, 57.0),
        *,
        phase: bool = True,
        width: int = 16,
        hidden: int = HIDDEN,
        max_depth: float = 12.0,
        residual_range: float = 0.3,
        lambda_recon: float = 1.0,
        lambda_log: float = 10.0,
        base_quantile: float = 0.6,
        lambda_base: float = 1.0,
        lambda_sparse: float = 0.05,
        dtype=None,
        name: str | None = None,
    ):
        settings = {
            "image_size": image_size,
            "ranges": ranges,
            "view": tuple(view),
            "phase": phase,
            "width": width,
            "hidden": hidden,
            "max_depth": max_depth,
            "residual_range": residual_range,
            "lambda_recon": lambda_recon,
            "lambda_log": lambda_log,
            "base_quantile": base_quantile,
            "lambda_base": lambda_base,
            "lambda_sparse": lambda_sparse,
            "dtype": policy_name(dtype),
        }
        _check(settings)
        inputs, outputs = _graph(settings)
        super().__init__(term_weights(settings, outputs), inputs=inputs, outputs=outputs, name=name)
        self.remember(settings)

    @classmethod
    def from_recipe(cls, recipe) -> "RangeAzimuthNet":
        """Make the network of a recipe, not compiled."""
        data = recipe.data
        return cls(
            ranges=n_ranges(recording_length(data.max_depth)),
            view=data.view,
            phase=recipe.model.front_end == "range_azimuth",
            **shared_arguments(recipe),
        )


def _check(settings: dict) -> None:
    """Refuse arguments that would fail deep inside, or never."""
    whole = {name: settings[name] for name in ("image_size", "ranges", "width", "hidden")}
    check_integers(OWNER, **whole)
    for name, multiple in (("image_size", COARSE), ("ranges", STEPS)):
        if settings[name] % multiple:
            raise ValueError(f"{OWNER}: {name} = {settings[name]!r}; expected a multiple of {multiple}")
    if len(settings["view"]) != 2 or not all(0 < angle < 180 for angle in settings["view"]):
        raise ValueError(f"{OWNER}: view = {settings['view']!r}; expected (width, height) between 0 and 180 degrees")
    check_shared(OWNER, settings)


def _graph(settings: dict) -> tuple[dict, dict]:
    """Build the functional graph: (inputs, outputs)."""
    ranges = settings["ranges"]
    profile = keras.Input((ranges, PROFILES), name="profile")
    inputs = {"profile": profile}
    if settings["phase"]:
        inputs["correlation"] = keras.Input((ranges, DIRECTIONS, len(BANDS)), name="correlation")
    columns = _columns(_by_range_and_direction(inputs, settings), settings)
    room, inverse = _base(columns, settings)
    base = ops.reciprocal(ops.minimum(inverse, 1 / NEAREST))
    logits = _residual(columns, room, ops.stop_gradient(ops.log(base)), settings)
    return inputs, with_residual(base, ops.cast(logits, "float32"), settings)


def _by_range_and_direction(inputs: dict, settings: dict):
    """Join what is known of each range and direction: (batch, ranges / 2, directions / 2, width).

    A convolution of all together would do the same: the profile, equal in every direction, is convolved along the range
    alone, and what a place on the map adds is one learned number.
    """
    ranges, width, policy = settings["ranges"], settings["width"], settings["dtype"]
    louder = FAR * np.log10(np.arange(1, ranges + 1))[:, None].astype("float32")
    x = ops.expand_dims(_at_one_loudness(inputs["profile"]) + louder, 2)
    x = FusedNormalization(momentum=MOMENTUM, dtype=policy, name="profile_norm")(x)
    x = layers.Conv2D(2 * width, (3, 1), padding="same", activation="relu", dtype=policy, name="profile_conv")(x)
    x = layers.Conv2D(width, (3, 1), (2, 1), padding="same", use_bias=False, dtype=policy, name="map_profile")(x)
    x = Places((ranges // 2, DIRECTIONS // 2), dtype=policy, name="map_places")(x)
    if settings["phase"]:
        first = layers.Conv2D(width, 3, 2, padding="same", use_bias=False, dtype=policy, name="map_correlation")
        x = x + first(inputs["correlation"])
    return layers.ReLU(dtype=policy)(FusedNormalization(momentum=MOMENTUM, dtype=policy, name="map_norm")(x))


def _at_one_loudness(profile):
    """Take from each recording how loud it is in either ear, and how much that varies: microphones and walls differ."""
    centred = profile - ops.mean(profile, axis=1, keepdims=True)
    return centred / ops.sqrt(ops.mean(ops.square(centred), axis=(1, 2), keepdims=True) + LEAST_VARIANCE)


@keras.saving.register_keras_serializable("kmodels.echo")
class Places(layers.Layer):
    """Add a learned number to each place and channel: (batch, y or 1, x or 1, channels) -> (batch, y, x, channels).

    Parameters
    ----------
    size : (int, int)
        (y, x).
    """

    def __init__(self, size: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)

    def build(self, input_shape):
        """Create the numbers, of zeros."""
        self.offset = self.add_weight(name="offset", shape=(*self.size, input_shape[-1]), initializer="zeros")

    def call(self, inputs):
        """Add them."""
        return inputs + self.offset

    def get_config(self):
        """Return the constructor's arguments."""
        return super().get_config() | {"size": self.size}


def _columns(x, settings: dict):
    """Read along the range: (batch, directions / 2, hidden)."""
    width, policy = settings["width"], settings["dtype"]
    for k, (times, strides) in enumerate(zip(TRUNK, STRIDES, strict=True)):
        x = _conv_block(x, times * width, strides, f"map_{k}", policy)
    x = layers.Permute((2, 1, 3), dtype=policy)(x)
    x = layers.Reshape((x.shape[1], -1), dtype=policy)(x)
    return layers.Dense(settings["hidden"], activation="relu", dtype=policy, name="column")(x)


def _base(columns, settings: dict) -> tuple:
    """Make walls, floor and ceiling: (features of the room (batch, hidden), inverse depth (batch, y, x) [1/m])."""
    size, hidden, policy = settings["image_size"], settings["hidden"], settings["dtype"]
    x = layers.Dense(hidden // 8, dtype=policy, name="room_column")(columns)
    room = layers.Dense(hidden, activation="relu", dtype=policy, name="room")(layers.Flatten(dtype=policy)(x))
    level = layers.Dense(hidden, activation="relu", dtype=policy, name="base_level")(room)
    level = _inverse_distances(level, [1 / BELOW, 1 / ABOVE], "base_floor_and_ceiling")
    x = columns + layers.Dense(hidden, dtype=policy, name="base_room")(room)[:, None]
    for k in range(2):
        x = layers.Conv1D(hidden // 2, 5, padding="same", activation="relu", dtype=policy, name=f"base_column_{k}")(x)
    upright = _inverse_distances(_in_view(x), [1 / BESIDE], "base_walls")[..., 0]
    walls = ops.matmul(upright, _interpolation(INSIDE // 2, size))[:, None]
    down = np.tan(np.radians(settings["view"][1] / 2)) * ((2 * np.arange(size) + 1) / size - 1)
    down = down[:, None].astype("float32")
    none = np.zeros((size, size), "float32")
    floor, ceiling = level[:, 0, None, None] * down, level[:, 1, None, None] * -down
    parts = ops.stack([walls + none, floor + none, ceiling + none], axis=1)
    last = ops.zeros_like(parts[:, :1]) + 1 / settings["max_depth"]
    seen = ops.concatenate([parts, last], axis=1)
    return room, ops.logsumexp(SHARPNESS * seen, axis=1) / SHARPNESS


def _inverse_distances(x, start: list[float], name: str):
    """Make positive inverse distances of features: (..., len(start)) [1/m], at first about `start`."""
    small = keras.initializers.RandomNormal(stddev=0.01)
    logarithm = layers.Dense(len(start), kernel_initializer=small, dtype="float32", name=name)(x)
    return ops.exp(ops.clip(logarithm, *LOGARITHMS)) * np.array(start, "float32")


def _in_view(columns):
    """Select the directions that the camera sees: (batch, directions, ...)."""
    return columns[:, ASIDE // 2 : (ASIDE + INSIDE) // 2]


def _interpolation(before: int, after: int) -> np.ndarray:
    """Compute linear interpolation between the middles of cells, constant beyond the outer ones: (before, after)."""
    place = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(1 - np.abs(place - np.arange(before)[:, None]), 0).astype("float32")


def _residual(columns, room, log_base, settings: dict):
    """Decode what each direction tells beyond the base: logits (batch, y, x)."""
    size, hidden, policy = settings["image_size"], settings["hidden"], settings["dtype"]
    x = columns + layers.Dense(hidden, dtype=policy, name="residual_room")(room)[:, None]
    for k in range(2):
        y = layers.Conv1D(hidden, 3, padding="same", activation="relu", dtype=policy, name=f"residual_column_{k}")(x)
        x = layers.LayerNormalization(dtype=policy, name=f"residual_column_{k}_norm")(x + y)
    x = layers.Dense(COARSE * ROW_CHANNELS, dtype=policy, name="residual_rows")(_in_view(x))
    x = layers.Permute((2, 1, 3), dtype=policy)(layers.Reshape((COARSE, COARSE, ROW_CHANNELS), dtype=policy)(x))
    block = size // COARSE
    x = layers.Concatenate(dtype=policy)([x, _space_to_depth(log_base, block)])
    for k in range(2):
        x = _conv_block(x, 3 * settings["width"], 1, f"residual_{k}", policy)
    start = keras.initializers.RandomNormal(stddev=0.003)
    x = layers.Conv2D(block**2, 1, kernel_initializer=start, dtype=policy, name="residual_out")(x)
    return _depth_to_space(x, block)


def _space_to_depth(image, block: int):
    """(batch, y, x) -> (batch, y / block, x / block, block^2)."""
    y, x = (n // block for n in image.shape[1:])
    image = ops.transpose(ops.reshape(image, (-1, y, block, x, block)), (0, 1, 3, 2, 4))
    return ops.reshape(image, (-1, y, x, block**2))


def _depth_to_space(cells, block: int):
    """(batch, y, x, block^2) -> (batch, y block, x block)."""
    y, x = cells.shape[1:3]
    cells = ops.transpose(ops.reshape(cells, (-1, y, x, block, block)), (0, 1, 3, 2, 4))
    return ops.reshape(cells, (-1, y * block, x * block))


def _conv_block(x, n: int, strides, name: str, policy: str):
    """Convolve, normalise, ReLU."""
    conv = layers.Conv2D(n, 3, strides, padding="same", use_bias=False, dtype=policy, name=f"{name}_conv")
    return layers.ReLU(dtype=policy)(FusedNormalization(momentum=MOMENTUM, dtype=policy, name=f"{name}_norm")(conv(x)))
