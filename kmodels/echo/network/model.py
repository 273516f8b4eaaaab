"""The network: a U-Net with one encoder and two decoders, whose sum is the depth; or with one, for comparison."""

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.spec.arguments import check_choice, check_integers, check_numbers
from kmodels.core.training.term_model import policy_name
from kmodels.echo.network import unet
from kmodels.echo.network.depth_model import DepthModel, check_shared, shared_arguments, term_weights, with_residual
from kmodels.echo.network.sizes import EARS, REDUCTION, decoder_widths
from kmodels.echo.recipe import EchoRecipe

ARCHITECTURES = ("base_residual", "single")
SHARES = (0.01, 0.99)  # of max_depth: a start map's least and most


@keras.saving.register_keras_serializable("kmodels.echo")
class EchoNet(DepthModel):
    """Depth image from a chirp's binaural echoes, as the sum of a coarse base and a signed residual.

    ::

        base     = sigmoid(base logits) max_depth                          in [0, max_depth]
        residual = tanh(residual logits) residual_range max_depth          in +- residual_range max_depth
        depth    = clip(base + residual, 0, max_depth)

    Input "spectrogram" (batch, image_size, image_size x moments, 2): frequency x time x ear, as `EchoPreprocessor`
    makes it. Outputs "depth", "base" and "residual", each (batch, image_size, image_size) [m]; with `architecture`
    "single" only "depth" = sigmoid(.) max_depth. Targets "depth" [m], 0 = unknown, and, but for "single",
    "coarse_depth" [m], the low-passed depth (`kmodels.echo.data.encode.lowpass_depth`).

    `export` writes a SavedModel on tensorflow and jax; on torch Keras exports no outputs in a dictionary: save the
    model, load it on one of those and export it there.

    Parameters
    ----------
    image_size : int
        Width and height of depth images, and frequencies of the spectrogram [pixels]; a multiple of 16.
    moments : int
        Columns of the spectrogram for each column of the depth image; they become channels.
    coordinates : bool
        Whether the network is given every point's frequency and time as two more channels.
    architecture : {"base_residual", "single"}
        Two decoders whose sum is the depth, or one.
    width : int
        Channels of the encoder's first level and of the residual decoder's last.
    base_width : int
        Channels of the base decoder's last level.
    single_width : float, optional
        Channels of the single decoder's last level, of no effect with "base_residual"; None: as many weights as both
        decoders of the other architecture have together.
    max_depth : float
        The largest depth [m].
    residual_range : float
        The largest size of the residual, as a share of `max_depth`.
    lambda_recon, lambda_base, lambda_sparse : float
        Weights of the loss terms at the start: error of the depth, error of the base against the coarse depth, mean
        size of the residual. `model.term_weights[...]` are the variables.
    lambda_log : float
        Both errors are L1 [m] + lambda_log |log(depth / truth)|.
    base_quantile : float
        The base's error counts twice this where the base is too near, and twice 1 - this where it is too far.
    dtype : str or keras.DTypePolicy, optional
        Policy of the layers; None: Keras' global one. Outputs are always float32.
    name : str, optional
        Of the model.

    Attributes
    ----------
    detached : dict of str to keras.Variable
        "sum", "loss": 1 where no gradient reaches the base through the sum, or through its own loss.
    start : StartMap
        Added to the logits of the base, or of the single decoder. `initialize_base` sets it to the mean training room.
        That decoder's last weights begin small, so a training begins near that room and need not find it.

    References
    ----------
    Christensen, Hornauer and Yu (2020), BatVision: Learning to see 3D spatial layout with two ears.
    Ronneberger, Fischer and Brox (2015), U-Net.
    """

    def __init__(
        self,
        image_size: int = 64,
        moments: int = 3,
        coordinates: bool = True,
        *,
        architecture: str = "base_residual",
        width: int = 16,
        base_width: int = 4,
        single_width: float | None = None,
        max_depth: float = 12.0,
        residual_range: float = 0.3,
        lambda_recon: float = 1.0,
        lambda_log: float = 0.0,
        base_quantile: float = 0.5,
        lambda_base: float = 1.2,
        lambda_sparse: float = 0.05,
        dtype=None,
        name: str | None = None,
    ):
        settings = {
            "image_size": image_size,
            "moments": moments,
            "coordinates": coordinates,
            "architecture": architecture,
            "width": width,
            "base_width": base_width,
            "single_width": single_width,
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
        inputs, outputs, start = _graph(settings)
        super().__init__(term_weights(settings, outputs), inputs=inputs, outputs=outputs, name=name)
        self.remember(settings)
        self.start = start

    @classmethod
    def from_recipe(cls, recipe: EchoRecipe) -> "EchoNet":
        """Make the network of a recipe, not compiled."""
        names = ("moments", "coordinates", "architecture", "base_width", "single_width")
        return cls(**{name: getattr(recipe.model, name) for name in names}, **shared_arguments(recipe))

    def initialize_base(self, depth: np.ndarray) -> None:
        """Let the base, or the single decoder's depth, be this map (image_size, image_size) [m] before training."""
        share = np.clip(depth / self.max_depth, *SHARES)
        self.start.map.assign(np.log(share / (1 - share)))


def _check(settings: dict) -> None:
    """Refuse arguments that would fail deep inside, or never."""
    check_choice("EchoNet", "architecture", settings["architecture"], ARCHITECTURES)
    whole = ("image_size", "moments", "width", "base_width")
    check_integers("EchoNet", **{name: settings[name] for name in whole})
    if settings["image_size"] % REDUCTION:
        raise ValueError(f"EchoNet: image_size = {settings['image_size']!r}; expected a multiple of {REDUCTION}")
    check_shared("EchoNet", settings)
    if settings["single_width"] is not None:
        check_numbers("EchoNet", "above 0", single_width=settings["single_width"])


def _graph(settings: dict) -> tuple[dict, dict, unet.StartMap]:
    """Build the functional graph: (inputs, outputs, the layer that adds the start map)."""
    size, moments, policy = settings["image_size"], settings["moments"], settings["dtype"]
    spectrogram = keras.Input((size, size * moments, EARS), name="spectrogram")
    x = layers.Reshape((size, size, moments * EARS))(spectrogram)
    skips = unet.encoder(unet.with_coordinates(x) if settings["coordinates"] else x, settings["width"], policy)
    widths = decoder_widths(*(settings[name] for name in ("architecture", "width", "base_width", "single_width")))
    logits = {part: unet.decoder(skips, w, part, policy) for part, w in widths.items()}
    start, coarsest = unet.StartMap(name="start"), "base" if "base" in logits else "depth"
    logits[coarsest] = start(logits[coarsest])
    return {"spectrogram": spectrogram}, _depths(logits, settings), start


def _depths(logits: dict, settings: dict) -> dict:
    """Depths [m] of the decoders' logits, as the class says."""
    if "depth" in logits:
        return {"depth": ops.sigmoid(logits["depth"]) * settings["max_depth"]}
    return with_residual(ops.sigmoid(logits["base"]) * settings["max_depth"], logits["residual"], settings)
