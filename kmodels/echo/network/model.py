"""The network: a U-Net with one encoder and two decoders, whose sum is the depth; or with one, for comparison."""

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import mean_map
from kmodels.echo.network import losses
from kmodels.echo.network.freezing import FreezingAdam
from kmodels.echo.network.normalization import MOMENTUM, FreezableNormalization, FusedNormalization
from kmodels.echo.network.sizes import EARS, LEVELS, channels, decoder_widths
from kmodels.echo.recipe import EchoRecipe


@keras.saving.register_keras_serializable("kmodels")
class EchoModel(TermModel):
    """Input "spectrogram" (batch, size, size x moments, 2); outputs (batch, size, size) [m]: "depth", and of its parts

        base = sigmoid(.) max_depth,   residual = tanh(.) residual_range max_depth,
        depth = clip(base + residual, 0, max_depth).

    To the logits of the base, or of the single decoder, a map is added that says the mean training room once `adapt`
    has set it. That decoder's last weights begin small, so a training begins near that room and
    need not find it, which took some hundred steps.

    widths: {"base": channels of its decoder's last level, "residual": ...}, or {"depth": ...} for a single decoder.
    term_weights: of the loss terms recon, base and sparse (see `losses`); the single decoder has the first alone.
    detached: {"sum": ..., "loss": ...}, variables: 1 where no gradient reaches the base through the sum, or through
    its own loss.
    """

    def __init__(
        self,
        size,
        moments=1,
        coordinates=False,
        width=16,
        widths=None,
        max_depth=12.0,
        residual_range=0.3,
        term_weights=None,
        policy="float32",
        **kwargs,
    ):
        widths = dict(widths or {"base": 4, "residual": 16})
        term_weights = dict(term_weights or {"recon": 1.0, "base": 1.2, "sparse": 0.05})
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        spectrogram = keras.Input((size, size * moments, EARS), name="spectrogram")
        heard = layers.Reshape((size, size, moments * EARS))(spectrogram)
        skips = _encoder(_with_coordinates(heard) if coordinates else heard, width, policy)
        logits = {name: _decoder(skips, decoder_width, name, policy) for name, decoder_width in widths.items()}
        coarsest = next(iter(widths))
        start = StartMap(name="start")
        logits[coarsest] = start(logits[coarsest])
        outputs = _depths(logits, max_depth, residual_range)
        super().__init__(term_weights, inputs={"spectrogram": spectrogram}, outputs=outputs, **kwargs)
        self._config = self_config
        self.max_depth, self.start = max_depth, start
        self.detached = {name: self._gate(f"detached_{name}") for name in ("sum", "loss")}

    def _gate(self, name):
        return self.add_weight(
            name=name, shape=(), dtype="float32", initializer="zeros", trainable=False, autocast=False
        )

    def terms(self, x, y, y_pred):
        """recon, base, sparse: the mean absolute errors of `losses` over pixels of known depth [m]."""
        truth = y["depth"]
        valid = ops.cast(truth > 0, "float32")
        if "base" not in y_pred:
            return {"recon": losses.reconstruction(truth, y_pred["depth"], valid)}
        base, residual = y_pred["base"], y_pred["residual"]
        depth = ops.clip(losses.partly_detached(base, self.detached["sum"]) + residual, 0.0, self.max_depth)
        own = losses.partly_detached(base, self.detached["loss"])
        return {
            "recon": losses.reconstruction(truth, depth, valid),
            "base": losses.base_error(y["coarse"], own, valid),
            "sparse": losses.sparsity(residual, valid),
        }

    def freeze_base(self, how: str) -> None:
        """From now on. how: "none"; "sum_only": no gradient through the sum; "all": its decoder stays as it is."""
        everything = float(how == "all")
        self.detached["sum"].assign(float(how != "none"))
        self.detached["loss"].assign(everything)
        for layer in self.layers:
            if isinstance(layer, FreezableNormalization):
                layer.frozen.assign(everything)
        self.optimizer.build(self.trainable_variables)
        self.optimizer.frozen.assign(everything)

    def begin_with(self, depth: np.ndarray) -> None:
        """Let the base be this map (size, size) [m] before anything is learned."""
        share = np.clip(depth / self.max_depth, *SHARES)
        self.start.map.assign(np.log(share / (1 - share)))

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}


@keras.saving.register_keras_serializable("kmodels")
class StartMap(layers.Layer):
    """Adds a map that is set once and not trained: (batch, size, size) -> the same."""

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)

    def build(self, input_shape):
        """Create the map, of zeros."""
        self.map = self.add_weight(name="map", shape=input_shape[1:], initializer="zeros", trainable=False)

    def call(self, inputs):
        """inputs: (batch, size, size)."""
        return inputs + self.map


SHARES = (0.01, 0.99)  # of max_depth: a start map's least and most
SMALL = 0.01  # standard deviation of the last weights before a start map, at the beginning
BASE = "base_"  # so begin the names of the base decoder's layers


def _convolved(x, n, name, policy, normalization=FusedNormalization):
    """3 x 3 convolution, normalised, ReLU."""
    x = layers.Conv2D(n, 3, padding="same", use_bias=False, dtype=policy, name=f"{name}_conv")(x)
    return layers.ReLU(dtype=policy)(normalization(momentum=MOMENTUM, dtype=policy, name=f"{name}_norm")(x))


def _with_coordinates(x):
    """x (batch, frequency, time, channels) and, as two more channels, each point's frequency and time from -1 to 1."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in x.shape[1:3]), indexing="ij")
    return ops.concatenate([x, ops.zeros_like(x[..., :2]) + np.stack(axes, -1).astype("float32")], axis=-1)


def _encoder(x, width, policy):
    """The features of every level, the finest first; the coarsest with one more convolution."""
    found = []
    for level, n in enumerate(channels(width)):
        if level:
            x = layers.MaxPooling2D(dtype=policy)(x)
        for k in range(2):
            x = _convolved(x, n, f"encoder_{level}{'ab'[k]}", policy)
        found.append(x)
    found[-1] = _convolved(x, n, "bottom", policy)
    return found


def _decoder(skips, width, name, policy):
    """Logits (batch, size, size): halved in channels, doubled in size, joined with the encoder's level, convolved.

    A decoder narrower than the encoder reads the first of its channels, which costs no weights.
    """
    own = channels(width)
    normalization = FreezableNormalization if BASE.startswith(name) else FusedNormalization
    x = _first(skips[-1], own[-1])
    for level in range(LEVELS - 2, -1, -1):
        n = own[level]
        x = layers.Conv2D(n, 1, dtype=policy, name=f"{name}_{level}_up")(x)
        x = layers.UpSampling2D(interpolation="bilinear", dtype=policy)(x)
        x = layers.Concatenate(dtype=policy)([x, _first(skips[level], n)])
        x = _convolved(x, n, f"{name}_{level}", policy, normalization)
    # Not the residual's: from zero, the price of its size would hold it there before its features say anything.
    begin = "glorot_uniform" if name == "residual" else keras.initializers.RandomNormal(stddev=SMALL)
    logit = layers.Conv2D(1, 1, kernel_initializer=begin, dtype=policy, name=f"{name}_out")(x)
    return ops.cast(ops.squeeze(logit, -1), "float32")


def _first(x, n):
    return x if x.shape[-1] <= n else x[..., :n]


def _depths(logits, max_depth, residual_range):
    """Depths [m] of the decoders' logits, as the class says."""
    if "depth" in logits:
        return {"depth": ops.sigmoid(logits["depth"]) * max_depth}
    base = ops.sigmoid(logits["base"]) * max_depth
    residual = ops.tanh(logits["residual"]) * (residual_range * max_depth)
    return {"depth": ops.clip(base + residual, 0.0, max_depth), "base": base, "residual": residual}


def build(recipe: EchoRecipe, steps: int) -> EchoModel:
    """The compiled model of a recipe for a training of `steps` steps."""
    model, train = recipe.model, recipe.train
    terms = {"recon": train.lambda_recon}
    if model.architecture == "base_residual":
        terms |= {"base": train.lambda_base, "sparse": train.lambda_sparse}
    network = EchoModel(
        size=recipe.data.image_size,
        moments=model.moments,
        coordinates=model.coordinates,
        width=model.width,
        widths=decoder_widths(model),
        max_depth=recipe.data.max_depth,
        residual_range=model.residual_range,
        term_weights=terms,
        policy=train.dtype,
        name="echo",
    )
    network.compile(optimizer=adam(train, steps, FreezingAdam, freezes=BASE))
    return network


def adapt(model: EchoModel, pairs: EchoPairs) -> None:
    """Begin with the mean training room."""
    model.begin_with(mean_map(pairs, 1)[0])
