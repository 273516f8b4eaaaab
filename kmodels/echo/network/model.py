"""The network: a U-Net with one encoder and two decoders, whose sum is the depth; or with one, for comparison."""

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.spec.arguments import check_choice, check_integers, check_numbers
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, policy_name
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import mean_map
from kmodels.echo.network import losses, unet
from kmodels.echo.network.freezing import FreezingAdam
from kmodels.echo.network.normalization import FreezableNormalization
from kmodels.echo.network.sizes import EARS, REDUCTION, decoder_widths
from kmodels.echo.network.start_map import StartMap
from kmodels.echo.recipe import EchoRecipe

ARCHITECTURES = ("base_residual", "single")
FREEZES = ("none", "sum_only", "all")
SHARES = (0.01, 0.99)  # of max_depth: a start map's least and most
BASE = "base_"  # so begin the names of the base decoder's layers


@keras.saving.register_keras_serializable("kmodels.echo")
class EchoNet(TermModel):
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
        Weights of the loss terms at the start: L1 of the depth, L1 of the base against the coarse depth, mean size
        of the residual. `model.term_weights[...]` are the variables.
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
        lambda_base: float = 1.2,
        lambda_sparse: float = 0.05,
        dtype=None,
        name: str | None = None,
    ):
        check_choice("EchoNet", "architecture", architecture, ARCHITECTURES)
        _check_numbers(image_size, moments, width, base_width, max_depth, residual_range)
        check_numbers("EchoNet", lambda_recon=lambda_recon, lambda_base=lambda_base, lambda_sparse=lambda_sparse)
        if single_width is not None:
            check_numbers("EchoNet", "above 0", single_width=single_width)
        widths, policy = decoder_widths(architecture, width, base_width, single_width), policy_name(dtype)
        spectrogram = keras.Input((image_size, image_size * moments, EARS), name="spectrogram")
        x = layers.Reshape((image_size, image_size, moments * EARS))(spectrogram)
        skips = unet.encoder(unet.with_coordinates(x) if coordinates else x, width, policy)
        logits = {part: unet.decoder(skips, w, part, policy) for part, w in widths.items()}
        coarsest = "base" if architecture == "base_residual" else "depth"
        start = StartMap(name="start")
        logits[coarsest] = start(logits[coarsest])
        outputs = _depths(logits, max_depth, residual_range)
        term_weights = {"recon": lambda_recon}
        if architecture == "base_residual":
            term_weights |= {"base": lambda_base, "sparse": lambda_sparse}
        super().__init__(term_weights, inputs={"spectrogram": spectrogram}, outputs=outputs, name=name)
        self.image_size, self.moments, self.coordinates = image_size, moments, coordinates
        self.architecture, self.width, self.base_width = architecture, width, base_width
        self.single_width = single_width
        self.max_depth, self.residual_range = max_depth, residual_range
        self.lambda_recon, self.lambda_base, self.lambda_sparse = lambda_recon, lambda_base, lambda_sparse
        self.policy, self.start = policy, start
        self.detached = {part: self.scalar(f"detached_{part}") for part in ("sum", "loss")}

    @classmethod
    def from_recipe(cls, recipe: EchoRecipe) -> "EchoNet":
        """Make the network of a recipe, not compiled."""
        data, model, train = recipe.data, recipe.model, recipe.train
        return cls(
            image_size=data.image_size,
            moments=model.moments,
            coordinates=model.coordinates,
            architecture=model.architecture,
            width=model.width,
            base_width=model.base_width,
            single_width=model.single_width,
            max_depth=data.max_depth,
            residual_range=model.residual_range,
            lambda_recon=train.lambda_recon,
            lambda_base=train.lambda_base,
            lambda_sparse=train.lambda_sparse,
            dtype=train.dtype,
            name="echo",
        )

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            "image_size": self.image_size,
            "moments": self.moments,
            "coordinates": self.coordinates,
            "architecture": self.architecture,
            "width": self.width,
            "base_width": self.base_width,
            "single_width": self.single_width,
            "max_depth": self.max_depth,
            "residual_range": self.residual_range,
            "lambda_recon": self.lambda_recon,
            "lambda_base": self.lambda_base,
            "lambda_sparse": self.lambda_sparse,
            "dtype": self.policy,
            "name": self.name,
        }

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the targets: "depth" and, but for the single decoder, "coarse_depth"."""
        names = ("depth", "coarse_depth") if self.architecture == "base_residual" else ("depth",)
        return dict.fromkeys(names, (self.image_size, self.image_size))

    def terms(self, x, y, y_pred) -> dict:
        """Compute recon, base and sparse: mean absolute errors (`losses`) over pixels of known depth [m]."""
        truth = y["depth"]
        valid = ops.cast(truth > 0, "float32")
        if self.architecture == "single":
            return {"recon": losses.reconstruction(truth, y_pred["depth"], valid)}
        base, residual = y_pred["base"], y_pred["residual"]
        depth = ops.clip(losses.partly_detached(base, self.detached["sum"]) + residual, 0.0, self.max_depth)
        own = losses.partly_detached(base, self.detached["loss"])
        return {
            "recon": losses.reconstruction(truth, depth, valid),
            "base": losses.base_error(y["coarse_depth"], own, valid),
            "sparse": losses.sparsity(residual, valid),
        }

    def freeze_base(self, how: str) -> None:
        """Choose what trains the base from now on; nothing is compiled again.

        Parameters
        ----------
        how : {"none", "sum_only", "all"}
            "none": everything trains it. "sum_only": no gradient reaches it through the sum. "all": its decoder stays
            as it is, to the last bit.

        Raises
        ------
        ValueError
            For "all" where the model was compiled with another optimizer than `FreezingAdam(freezes="base_")`.
        """
        check_choice("EchoNet.freeze_base", "how", how, FREEZES)
        everything = float(how == "all")
        if isinstance(self.optimizer, FreezingAdam):
            self.optimizer.build(self.trainable_variables)
            self.optimizer.frozen.assign(everything)
        elif everything:
            raise ValueError(
                f"EchoNet.freeze_base('all') needs compile(FreezingAdam(freezes={BASE!r})); with another optimizer "
                f"momentum would still move the base"
            )
        self.detached["sum"].assign(float(how != "none"))
        self.detached["loss"].assign(everything)
        for layer in self.layers:
            if isinstance(layer, FreezableNormalization):
                layer.frozen.assign(everything)

    def initialize_base(self, depth: np.ndarray) -> None:
        """Let the base, or the single decoder's depth, be this map (image_size, image_size) [m] before training."""
        share = np.clip(depth / self.max_depth, *SHARES)
        self.start.map.assign(np.log(share / (1 - share)))


def _check_numbers(image_size, moments, width, base_width, max_depth, residual_range) -> None:
    """Refuse numbers that would fail deep inside, or never."""
    check_integers("EchoNet", image_size=image_size, moments=moments, width=width, base_width=base_width)
    if image_size % REDUCTION:
        raise ValueError(f"EchoNet: image_size = {image_size!r}; expected a multiple of {REDUCTION}")
    check_numbers("EchoNet", "above 0", max_depth=max_depth)
    check_numbers("EchoNet", "above 0, at most 1", residual_range=residual_range)


def _depths(logits: dict, max_depth: float, residual_range: float) -> dict:
    """Depths [m] of the decoders' logits, as the class says."""
    if "depth" in logits:
        return {"depth": ops.sigmoid(logits["depth"]) * max_depth}
    base = ops.sigmoid(logits["base"]) * max_depth
    residual = ops.tanh(logits["residual"]) * (residual_range * max_depth)
    return {"depth": ops.clip(base + residual, 0.0, max_depth), "base": base, "residual": residual}


def build(recipe: EchoRecipe, steps: int) -> EchoNet:
    """Make the compiled network of a recipe for a training of `steps` steps."""
    network = EchoNet.from_recipe(recipe)
    network.compile(optimizer=adam(recipe.train, steps, FreezingAdam, freezes=BASE))
    return network


def adapt(model: EchoNet, pairs: EchoPairs) -> None:
    """Begin with the mean training room."""
    model.initialize_base(mean_map(pairs, 1)[0])
