"""The diffraction net: convolutions over a periodic pattern, then wavelengths that ask its tokens."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed
from kmodels.layers.film import FiLM
from kmodels.layers.fourier_mixing import FourierMixing
from kmodels.metasurface.network.losses import TERMS, pixel_weights, spectral_terms
from kmodels.metasurface.network.orientation import BackToPixels, Orientation
from kmodels.metasurface.network.split_step import WaveSlices, logits_of
from kmodels.metasurface.network.wavelengths import SHORTEST, SinesOfWavelength, SpectrumBias
from kmodels.metasurface.recipe import OPTICS, MetasurfaceRecipe

PIXELS = 4
EVEN_SHARE = -1.0986123  # logit of 1/4


@dataclass(frozen=True)
class Facts:
    """What a trained network knows of its data: the range of wavelengths [nm] and how many there are in it."""

    wavelength: tuple[float, float]
    n_wavelengths: int

    def wavelengths(self) -> np.ndarray:
        """(n_wavelengths,) [nm]."""
        return np.linspace(*self.wavelength, self.n_wavelengths)


@keras.saving.register_keras_serializable("kmodels")
class DiffractionNet(TermModel):
    """pattern (batch, y, x, 1) and wavelength (batch, w) [nm] -> spectra (batch, 2, 2, w), shares in [0, 1].

    Any number of wavelengths, spaced as it was trained (see `encode.grids_of`). With head "conserving" also reflected
    (batch, w), and all five shares sum to 1.

    pixels: of a pattern along an axis. band: of wavelengths [nm], n_wavelengths: in it. network: the fields of
    the recipe's `model`. term_weights: of the loss at the start. optics: of `data`, for the waves, if the network has
    them. pixel_order, blue_weight: see losses. augment: train on random orientations. policy: of the layers.
    """

    def __init__(
        self,
        pixels,
        band,
        n_wavelengths,
        network,
        term_weights,
        optics=None,
        pixel_order="RGGB",
        blue_weight=1.0,
        augment=False,
        policy="float32",
        **kwargs,
    ):
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        inputs = {
            "pattern": keras.Input((pixels, pixels, 1), name="pattern"),
            "wavelength": keras.Input((None,), name="wavelength"),
        }
        pattern, orientation = inputs["pattern"], None
        mode = "canonical" if network["invariant"] else "random" if augment else None
        if mode:
            pattern, orientation = Orientation(mode, name="orientation")(pattern)
        parts = Parts(network, policy)
        tokens, whole = parts.encoder(pattern)
        queries = parts.queries(inputs["wavelength"], whole, band, n_wavelengths)
        decoded, attention = parts.decoder(queries, tokens)
        waves = parts.waves(pattern, inputs["wavelength"], optics) if network["waves"] else None
        shares = parts.head(decoded, inputs["wavelength"], waves, band, n_wavelengths)
        spectra, reflected = shares[..., :PIXELS], shares[..., PIXELS:]
        if mode:
            spectra = BackToPixels(dtype="float32", name="back_to_pixels")(spectra, orientation)
        outputs = {"spectra": _two_by_two(spectra)}
        if network["head"] == "conserving":
            outputs["reflected"] = ops.squeeze(reflected, -1)
        super().__init__(dict(term_weights), inputs=inputs, outputs=outputs, **kwargs)
        self._config = self_config
        self.pixel_weights = pixel_weights(pixel_order, blue_weight)
        self.facts = Facts(tuple(band), n_wavelengths)
        self.seen, self.attention = pattern, attention  # tensors of the graph, for pictures

    def terms(self, x, y, y_pred):
        """mse, rel, grad, curvature (see losses)."""
        return spectral_terms(y["spectra"], y_pred["spectra"], self.pixel_weights)

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}


class Parts:
    """The pieces of the net. network: fields of the recipe's `model`, as a dictionary; policy: of the layers."""

    def __init__(self, network: dict, policy: str):
        self.net, self.policy = network, policy

    # -- pattern -> tokens ------------------------------------------------------------------------------------

    def encoder(self, pattern):
        """(tokens (batch, tokens, d_model), whole (batch, channels)): what stands where, and the pattern as a whole."""
        net = self.net
        # Where a step is wider than the kernel, the pattern is cut into squares of that size.
        x = self.conv(pattern, net["stem"], 8 if net["stem_stride"] == 8 else 5, net["stem_stride"], "stem")
        x = self.activated(x, "stem")
        stages = []
        for stage, channels in enumerate(net["channels"]):
            for block in range(net["blocks"]):
                halved = block == 0 and 2 ** (stage + 1) >= net["stem_stride"]
                x = self.residual(x, channels, 2 if halved else 1, f"stage_{stage}_{block}")
            if stage == 1 and net["fourier_mixing"]:
                mixed = FourierMixing(dtype=self.policy, name="fourier_mixing")(x)
                x = self.activated(ops.add(x, mixed), "fourier")
            stages.append(x)
        x = self.activated(x, "last")
        whole = ops.mean(x, axis=(1, 2))
        local = x if net["tokens"] == 17 else self.activated(stages[2], "third")
        # Without biases: each token has a learned position.
        local = self.dense(net["d_model"], "local_tokens", use_bias=False)(local)
        local = layers.Reshape((-1, net["d_model"]), dtype=self.policy)(local)
        token = self.dense(net["d_model"], "global_token", use_bias=False)(whole)
        tokens = ops.concatenate([local, ops.expand_dims(token, 1)], 1)
        return Positions(dtype=self.policy, name="positions")(tokens), whole

    def residual(self, x, channels, stride, name):
        """x + (1 x 1) o activated o (3 x 3) x; the shortcut is a 1 x 1 convolution where shapes change."""
        inner = self.activated(self.conv(x, channels, 3, stride, f"{name}_3x3"), name)
        inner = self.conv(self.dropped(inner, "residual_dropout"), channels, 1, 1, f"{name}_1x1", bias=True)
        if stride > 1 or x.shape[-1] != channels:
            x = self.conv(x, channels, 1, stride, f"{name}_shortcut")
        return ops.add(x, inner)

    def conv(self, x, channels, width, stride, name, bias=False):
        """A convolution over a field that is periodic along both axes; of even width: over squares side by side."""
        around = width // 2 if width % 2 else 0
        for axis in (1, 2) if around else ():
            first, last = _ends(x, axis, around)
            x = ops.concatenate([last, x, first], axis)
        return layers.Conv2D(channels, width, stride, use_bias=bias, dtype=self.policy, name=name)(x)

    def activated(self, x, name):
        """Group norm, eight channels or more a group, and SiLU."""
        channels = x.shape[-1]
        groups = next(g for g in range(max(channels // 8, 1), 0, -1) if channels % g == 0)
        norm = layers.GroupNormalization(groups, dtype=self.policy, name=f"{name}_norm")
        return ops.silu(norm(x))

    # -- wavelengths that ask ---------------------------------------------------------------------------------

    def queries(self, wavelength, whole, band, n_wavelengths):
        """(batch, w, d_model): each wavelength, changed by the pattern as a whole."""
        width = self.net["d_model"]
        highest = max((n_wavelengths - 1) / SHORTEST, 1.0)
        sines = SinesOfWavelength(band, highest, width, dtype=self.policy, name="sines")(wavelength)
        queries = self.dense(width, "queries", "silu")(sines)
        return FiLM(self.net["film"], dtype=self.policy, name="film")(queries, whole)

    def decoder(self, queries, tokens):
        """(decoded (batch, w, d_model), attention (batch, heads, w, tokens) of the last block).

        Wavelengths do not attend to each other: they meet in a convolution along wavelength.
        """
        net = self.net
        width, heads = net["d_model"], net["heads"]
        for k in range(net["decoder_blocks"]):
            memory = self.normed(tokens, f"memory_{k}") if net["memory_norm"] else tokens
            # Biases of keys change nothing behind a softmax, and layer norm has one for queries.
            ask = layers.MultiHeadAttention(
                heads, width // heads, use_bias=False, dtype=self.policy, name=f"attention_{k}"
            )
            found, attention = ask(self.normed(queries, f"ask_{k}"), memory, return_attention_scores=True)
            queries = ops.add(queries, self.dropped(found, "decoder_dropout"))
            along = layers.DepthwiseConv1D(
                net["wavelength_kernel"], padding="same", dtype=self.policy, name=f"along_{k}"
            )(self.normed(queries, f"along_{k}"))
            along = self.dense(width, f"pointwise_{k}")(ops.silu(along))
            queries = ops.add(queries, self.dropped(along, "decoder_dropout"))
            wide = self.dense(net["feed_forward"] * width, f"wide_{k}", "gelu")(self.normed(queries, f"wide_{k}"))
            narrow = self.dense(width, f"narrow_{k}")(self.dropped(wide, "decoder_dropout"))
            queries = ops.add(queries, self.dropped(narrow, "decoder_dropout"))
        return self.normed(queries, "decoded"), attention

    # -- shares -----------------------------------------------------------------------------------------------

    def waves(self, pattern, wavelength, optics):
        """(batch, w, 5): the shares that a few slices of wave optics give."""
        slices = WaveSlices(optics, self.net["waves"], self.net["wave_nodes"], dtype="float32", name="waves")
        return slices(pattern, wavelength)

    def head(self, decoded, wavelength, waves, band, n_wavelengths):
        """(batch, w, 4 or 5) in float32: shares of the pixels, row by row, and with "conserving" the reflected one.

        With waves the rest of the network changes what those say; else what the learned spectrum says.
        """
        kind, width = self.net["head"], self.net["d_model"]
        outputs = PIXELS + (kind == "conserving")
        if kind == "shared":
            hidden = self.dropped(self.dense(width, "head", "silu")(decoded), "head_dropout")
            logits = self.dense(outputs, "shares", kernel_initializer=_small())(hidden)
        else:  # all detectors side by side: as wide as one each
            hidden = self.dropped(self.dense(outputs * width, "heads", "silu")(decoded), "head_dropout")
            hidden = layers.Reshape((-1, outputs, width), dtype=self.policy)(hidden)
            logits = DetectorLogits(dtype=self.policy, name="shares")(hidden)
        logits = ops.cast(logits, "float32")
        start = 0.0 if kind == "conserving" or waves is not None else EVEN_SHARE
        logits = logits + SpectrumBias(band, n_wavelengths, outputs, start, name="spectrum")(wavelength)
        if waves is not None:
            logits = logits + logits_of(waves, outputs)
        return ops.softmax(logits) if kind == "conserving" else ops.sigmoid(logits)

    # -- small ones -------------------------------------------------------------------------------------------

    def dense(self, units, name, activation=None, **options):
        """A dense layer."""
        return layers.Dense(units, activation=activation, dtype=self.policy, name=name, **options)

    def normed(self, x, name):
        """Layer norm."""
        return layers.LayerNormalization(dtype=self.policy, name=f"{name}_norm")(x)

    def dropped(self, x, field):
        """Dropout by a field of the recipe; nothing where that is 0."""
        rate = self.net[field]
        return layers.Dropout(rate, seed=dropout_seed(), dtype=self.policy)(x) if rate else x


@keras.saving.register_keras_serializable("kmodels")
class Positions(keras.layers.Layer):
    """Adds a learned vector to each token. Input and output (batch, tokens, width)."""

    def build(self, input_shape):
        """Create the vectors."""
        self.vectors = self.add_weight(name="vectors", shape=input_shape[1:], initializer="random_normal")

    def call(self, tokens):
        """Add."""
        return tokens + self.vectors

    def compute_output_shape(self, input_shape):
        """That of the input."""
        return input_shape


@keras.saving.register_keras_serializable("kmodels")
class DetectorLogits(keras.layers.Layer):
    """A last dense layer for each detector: y[d] = <W[d], x[d]> + b[d].

    Input (batch, w, detectors, width); output (batch, w, detectors).
    """

    def build(self, input_shape):
        """Create W and b."""
        self.kernel = self.add_weight(name="kernel", shape=input_shape[-2:], initializer=_small())
        self.bias = self.add_weight(name="bias", shape=input_shape[-2:-1], initializer="zeros")

    def call(self, hidden):
        """Weigh and sum."""
        return ops.sum(hidden * self.kernel, axis=-1) + self.bias

    def compute_output_shape(self, input_shape):
        """(batch, w, detectors)."""
        return input_shape[:-1]


def _ends(x, axis, width):
    """The first and the last `width` places of axis 1 or 2."""
    return (x[:, :width], x[:, -width:]) if axis == 1 else (x[:, :, :width], x[:, :, -width:])


def _small():
    """Of the last kernels: every pattern's spectra start close to the learned spectrum."""
    return keras.initializers.RandomNormal(stddev=0.02)


def _two_by_two(shares):
    """(batch, 2, 2, w) of (batch, w, 4)."""
    rows = [ops.stack([shares[..., k], shares[..., k + 1]], axis=1) for k in (0, 2)]
    return ops.stack(rows, axis=1)


def build(recipe: MetasurfaceRecipe, steps: int) -> DiffractionNet:
    """The compiled model of a recipe for a training of `steps` steps."""
    data, train = recipe.data, recipe.train
    network = DiffractionNet(
        pixels=data.pixels,
        band=list(data.wavelength),
        n_wavelengths=data.n_wavelengths,
        network=recipe.model.model_dump(mode="json"),
        term_weights={name: getattr(train, f"w_{name}") for name in TERMS},
        optics={name: getattr(data, name) for name in OPTICS},
        pixel_order=data.pixel_order,
        blue_weight=train.blue_weight,
        augment=train.augment,
        policy=train.dtype,
        name="metasurface",
    )
    network.compile(optimizer=adam(train, steps))
    # Now, not within the first step: tensorflow would trace that twice.
    network.optimizer.build(network.trainable_variables)
    return network
