"""MetasurfaceNet: convolutions over a periodic pattern, wavelength queries, and split-step propagation."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from kmodels.core.spec.arguments import check_choice, check_rate
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, policy_name
from kmodels.metasurface.data.layout import GEOMETRY
from kmodels.metasurface.data.pattern_features import FEATURES
from kmodels.metasurface.network.decoder import add_what_is_known, decode_wavelengths, wavelength_queries
from kmodels.metasurface.network.encoder import encode_pattern
from kmodels.metasurface.network.head import HEADS, PIXELS, by_pixel, to_pixel_grid, transmittance_head
from kmodels.metasurface.network.losses import TERMS, pixel_weights, spectral_terms
from kmodels.metasurface.network.optics.few_orders import FewOrders
from kmodels.metasurface.network.optics.split_step import SplitStepPropagation
from kmodels.metasurface.network.optics.vector import VectorPropagation, local_features
from kmodels.metasurface.network.orientation import BackToPixels, Orientation, ToPixels
from kmodels.metasurface.recipe import CLOSURE, OPTICS, MetasurfaceRecipe
from kmodels.metasurface.simulator.materials import SELLMEIER

PROPAGATIONS = ("scalar", "vector")
LOCAL_BLOCKS = 3  # a cell knows what lies within three cells
DEFAULT_WEIGHTS = {"mse": 20.0, "rel": 0.02, "grad": 10.0, "curvature": 0.02}


@dataclass(frozen=True)
class Facts:
    """The wavelengths of a trained network: their range [nm] and number.

    Attributes
    ----------
    wavelength : tuple of float
        Shortest and longest [nm].
    n_wavelengths : int
        Evenly spaced, both ends included.
    """

    wavelength: tuple[float, float]
    n_wavelengths: int

    def wavelengths(self) -> np.ndarray:
        """List the wavelengths: (n_wavelengths,) [nm]."""
        return np.linspace(*self.wavelength, self.n_wavelengths)


@keras.saving.register_keras_serializable("kmodels.metasurface")
class MetasurfaceNet(TermModel):
    """Predict the transmittance of four pixels below a pattern of silicon nitride.

    ::

        pattern (batch, y, x, 1), wavelength (batch, w) [nm]  ->  spectra (batch, 2, 2, w) in [0, 1]

    A residual network on the periodic pattern gives tokens; wavelength queries cross-attend to them; their output
    corrects a weighted mean of two solutions: split-step propagation with learned phases and couplings, and a rigorous
    one with few orders, which is a third input (`few_orders`). Inputs and outputs are dictionaries. Any number
    of wavelengths is allowed, spaced as the network was trained (see `encode.grids_of`). With head "conserving" the
    outputs have `reflected` (batch, w), too, and the five values sum to 1.

    Training: ``net.compile("adam"); net.fit(x, {"spectra": ...})``, x of `MetasurfacePreprocessor`.
    Export: ``net.export(path, format="tf_saved_model")`` works on tensorflow; on jax it needs a TensorFlow that reads
    its StableHLO (2.21 does not read `arccos` of JAX 0.10); torch exports no dictionaries: load the saved model on
    another backend.

    Parameters
    ----------
    pixels : int
        Pixels of a pattern along an axis, a multiple of 32.
    band : tuple of float
        Shortest and longest wavelength [nm].
    n_wavelengths : int
        Wavelengths in the band, evenly spaced, both ends included.
    stem : int
        Channels of the first convolution.
    stem_stride : {2, 4, 8}
        Its stride.
    channels : tuple of int
        Channels of the four stages.
    blocks : int
        Residual blocks per stage.
    residual_dropout : float
        Dropout rate in residual blocks.
    fourier_mixing : bool
        Apply a learned filter over spatial frequencies after the second stage.
    tokens : {17, 65}
        Pattern tokens: 4 x 4 or 8 x 8 local ones (at 128 pixels) and a global one.
    d_model : int
        Width of tokens and queries, an even multiple of `heads`.
    heads : int
        Attention heads.
    decoder_blocks : int
        Blocks of cross-attention, convolution along wavelength, and feed-forward.
    wavelength_kernel : int
        Width of the convolution along wavelength.
    feed_forward : int
        Feed-forward expansion factor.
    decoder_dropout : float
        Dropout rate in decoder blocks.
    memory_norm : bool
        Apply layer norm to the tokens before they are keys and values.
    film : {"shift", "scale_shift"}
        Modulation of the queries by the pattern's pooled feature.
    head : {"shared", "per_detector", "conserving"}
        One head for four pixels; one each; one each and one for the reflectance, which sum to 1.
    head_dropout : float
        Dropout rate in the head.
    invariant : bool
        Make the network exactly equivariant under the 32 symmetries.
    propagation : {"scalar", "vector"}
        Split-step propagation of one field, or of both components of the electric field in both polarisations.
    propagation_slices : int
        Its slices; 0: none.
    propagation_nodes : int
        Wavelengths at which these slices are computed.
    propagation_features : int
        Features of a cell of the grid, of which "vector" makes its matrices.
    few_orders, few_order_nodes : int
        Fourier orders, and wavelengths, of a rigorous solution that the network is given and corrects: an input
        `few_orders` (batch, 2, 2, w) more, which `MetasurfacePreprocessor` makes and `few_order_layer` computes.
        0 orders: none.
    few_order_closure : ((float, float), (float, float))
        What stands for the orders left out, see `FewOrders`.
    period, height, distance : float
        Of the structure, of the silicon nitride, and from the pattern to the camera pixels [nm]; used by the
        propagation, as are the next four.
    cover, gap, spacer : str
        Materials above the pattern, in its gaps, and below it.
    grid : int
        Grid points per axis.
    pixel_order : {"RGGB", "BGGR", "GRBG", "GBRG"}
        Colours of the pixels, first row then second.
    blue_weight : float
        Weight of the blue pixel in the loss; the others have 1.
    calibrated : bool
        Keep what makes intervals and a flag of unlike patterns, see `kmodels.metasurface.evaluation.calibration`.
    augment : bool
        Train on each pattern under a random one of its 32 symmetries.
    term_weights : dict of str to float, optional
        Weights of the loss terms "mse", "rel", "grad" and "curvature" (see `losses`), by default 20, 0.02, 10 and 0.02;
        terms that are left out keep these.
    dtype : str or keras.DTypePolicy, optional
        Of the layers; Keras' global policy if None.
    name : str, optional
        Of the model.

    Raises
    ------
    ValueError
        For an argument out of its range, with the nearest allowed choice.
    """

    def __init__(
        self,
        pixels: int = 128,
        band: tuple[float, float] = (400.0, 700.0),
        n_wavelengths: int = 51,
        *,
        stem: int = 16,
        stem_stride: int = 8,
        channels: tuple[int, int, int, int] = (24, 32, 48, 64),
        blocks: int = 2,
        residual_dropout: float = 0.0,
        fourier_mixing: bool = True,
        tokens: int = 65,
        d_model: int = 64,
        heads: int = 4,
        decoder_blocks: int = 2,
        wavelength_kernel: int = 5,
        feed_forward: int = 4,
        decoder_dropout: float = 0.0,
        memory_norm: bool = True,
        film: str = "scale_shift",
        head: str = "per_detector",
        head_dropout: float = 0.0,
        invariant: bool = False,
        propagation: str = "vector",
        propagation_slices: int = 6,
        propagation_nodes: int = 12,
        propagation_features: int = 48,
        few_orders: int = 57,
        few_order_nodes: int = 24,
        few_order_closure: Sequence[Sequence[float]] = CLOSURE,
        period: float = 1000.0,
        height: float = 600.0,
        distance: float = 2000.0,
        cover: str = "air",
        gap: str = "air",
        spacer: str = "silica",
        grid: int = 16,
        pixel_order: str = "RGGB",
        blue_weight: float = 1.0,
        calibrated: bool = True,
        augment: bool = False,
        term_weights: dict[str, float] | None = None,
        dtype=None,
        name: str | None = None,
    ):
        config = {
            "pixels": pixels,
            "band": tuple(band),
            "n_wavelengths": n_wavelengths,
            "stem": stem,
            "stem_stride": stem_stride,
            "channels": tuple(channels),
            "blocks": blocks,
            "residual_dropout": residual_dropout,
            "fourier_mixing": fourier_mixing,
            "tokens": tokens,
            "d_model": d_model,
            "heads": heads,
            "decoder_blocks": decoder_blocks,
            "wavelength_kernel": wavelength_kernel,
            "feed_forward": feed_forward,
            "decoder_dropout": decoder_dropout,
            "memory_norm": memory_norm,
            "film": film,
            "head": head,
            "head_dropout": head_dropout,
            "invariant": invariant,
            "propagation": propagation,
            "propagation_slices": propagation_slices,
            "propagation_nodes": propagation_nodes,
            "propagation_features": propagation_features,
            "few_orders": few_orders,
            "few_order_nodes": few_order_nodes,
            "few_order_closure": tuple(map(tuple, few_order_closure)),
            "period": period,
            "height": height,
            "distance": distance,
            "cover": cover,
            "gap": gap,
            "spacer": spacer,
            "grid": grid,
            "pixel_order": pixel_order,
            "blue_weight": blue_weight,
            "calibrated": calibrated,
            "augment": augment,
            "term_weights": {**DEFAULT_WEIGHTS, **(term_weights or {})},
            "dtype": policy_name(dtype),
        }
        _check(config)
        inputs, outputs, tensors = _graph(config)
        super().__init__(config["term_weights"], inputs=inputs, outputs=outputs, name=name)
        self._arguments = tuple(config.items())
        self.pixel_weights = pixel_weights(pixel_order, blue_weight)
        self.facts = Facts(tuple(band), n_wavelengths)
        self.oriented_pattern, self.attention_scores = tensors
        self.calibration = _calibration(self, n_wavelengths) if calibrated else None

    def terms(self, x, y, y_pred):
        """Compute mse, rel, grad and curvature of each example, see `losses`."""
        return spectral_terms(y["spectra"], y_pred["spectra"], self.pixel_weights)

    def target_shapes(self):
        """Name the targets: spectra (batch, 2, 2, w)."""
        return {"spectra": (2, 2, None)}

    def get_config(self):
        """Return the constructor's arguments."""
        config = dict(self._arguments)
        return {**config, "term_weights": dict(config["term_weights"]), "name": self.name}

    def attention_model(self) -> keras.Model:
        """Make a model from the same inputs to `pattern`, as oriented, and `scores` of the last cross-attention.

        Returns
        -------
        keras.Model
            pattern (batch, y, x, 1); scores (batch, heads, w, tokens).
        """
        return keras.Model(self.inputs, {"pattern": self.oriented_pattern, "scores": self.attention_scores})

    def few_order_layer(self, nodes: int | None = None) -> FewOrders | None:
        """Make the layer that computes the input `few_orders` of patterns and wavelengths, as (batch, w, 4).

        With fewer `nodes` than the network's `few_order_nodes` it is quicker and less exact. None where the network has
        no such input.
        """
        config = self.get_config()
        size = config["few_orders"], nodes or config["few_order_nodes"], config["few_order_closure"]
        return FewOrders(*size, **_optics(config), dtype="float32") if config["few_orders"] else None

    @classmethod
    def from_recipe(cls, recipe: MetasurfaceRecipe, name: str | None = "metasurface") -> "MetasurfaceNet":
        """Make the uncompiled network of a recipe."""
        data, train = recipe.data, recipe.train
        return cls(
            pixels=data.pixels,
            band=data.wavelength,
            n_wavelengths=data.n_wavelengths,
            **recipe.model.model_dump(),
            **{field: getattr(data, field) for field in OPTICS if field != "wavelength"},
            pixel_order=data.pixel_order,
            blue_weight=train.blue_weight,
            augment=train.augment,
            term_weights={term: getattr(train, f"w_{term}") for term in TERMS},
            dtype=train.dtype,
            name=name,
        )


def _calibration(model: MetasurfaceNet, n_wavelengths: int) -> dict[str, keras.Variable]:
    """Add what calibration sets: half width of the intervals, and mean, precision and limit of patterns' features."""
    sizes = {"half_width": (n_wavelengths,), "mean": (FEATURES,), "precision": (FEATURES, FEATURES), "limit": ()}
    keep = dict(dtype="float32", initializer="zeros", trainable=False, autocast=False)
    return {name: model.add_weight(name=f"calibration_{name}", shape=shape, **keep) for name, shape in sizes.items()}


def _check(config: dict) -> None:
    """Refuse arguments that would fail deep inside, or compute something else than they say."""
    owner = "MetasurfaceNet"
    choices = {
        "stem_stride": (2, 4, 8),
        "tokens": (17, 65),
        "film": ("shift", "scale_shift"),
        "head": HEADS,
        "propagation": PROPAGATIONS,
        "pixel_order": ("RGGB", "BGGR", "GRBG", "GBRG"),
        "cover": SELLMEIER,
        "gap": SELLMEIER,
        "spacer": SELLMEIER,
    }
    for name, allowed in choices.items():
        check_choice(owner, name, config[name], allowed)
    for name in config["term_weights"]:
        check_choice(owner, "term_weights", name, TERMS)
    check_rate(owner, **{name: config[name] for name in ("residual_dropout", "decoder_dropout", "head_dropout")})
    rules = {
        "pixels": (config["pixels"] > 0 and config["pixels"] % 32 == 0, "a multiple of 32"),
        "band": (len(config["band"]) == 2 and 0 < config["band"][0] < config["band"][1], "0 < shortest < longest [nm]"),
        "n_wavelengths": (config["n_wavelengths"] >= 3, "3 or more"),
        "channels": (len(config["channels"]) == 4 and min(config["channels"]) > 0, "four numbers above 0"),
        "d_model": (config["d_model"] % (2 * config["heads"]) == 0, "an even multiple of heads"),
        "propagation_slices": (config["propagation_slices"] >= 0, "0 or more"),
        "propagation_nodes": (config["propagation_nodes"] >= 2, "2 or more"),
        "propagation_features": (config["propagation_features"] >= 1, "1 or more"),
        "few_orders": (config["few_orders"] >= 0, "0 or more"),
        "few_order_nodes": (config["few_order_nodes"] >= 2, "2 or more"),
    }
    for name, (fulfilled, rule) in rules.items():
        if not fulfilled:
            raise ValueError(f"{owner}: {name} = {config[name]!r}; expected {rule}")


def _graph(config: dict) -> tuple[dict, dict, tuple]:
    """Build the functional graph: (inputs, outputs, (oriented pattern, attention scores))."""

    def some(*names):
        return {name: config[name] for name in names}

    dtype = config["dtype"]
    band = some("band", "n_wavelengths")
    pattern = keras.Input((config["pixels"], config["pixels"], 1), name="pattern")
    wavelength = keras.Input((None,), name="wavelength")
    inputs = {"pattern": pattern, "wavelength": wavelength}
    few = None
    if config["few_orders"]:
        inputs["few_orders"] = keras.Input((2, 2, None), name="few_orders")
        few = by_pixel(inputs["few_orders"])
    mode = "canonical" if config["invariant"] else "random" if config["augment"] else None
    if mode:
        pattern, orientation = Orientation(mode, name="orientation")(pattern)
        if few is not None:
            few = ToPixels(dtype="float32", name="to_pixels")(few, orientation)
    encoder = ("stem", "stem_stride", "channels", "blocks", "residual_dropout", "fourier_mixing", "tokens", "d_model")
    tokens, pooled = encode_pattern(pattern, **some(*encoder), dtype=dtype)
    queries = wavelength_queries(wavelength, pooled, **band, **some("d_model", "film"), dtype=dtype)
    propagated = _propagate(pattern, wavelength, config) if config["propagation_slices"] else None
    if few is not None:
        queries = add_what_is_known(queries, propagated, few, **some("d_model"), dtype=dtype)
    decoder = ("decoder_blocks", "d_model", "heads", "wavelength_kernel", "feed_forward")
    options = some(*decoder, "decoder_dropout", "memory_norm")
    decoded, attention = decode_wavelengths(queries, tokens, **options, dtype=dtype)
    options = some("head", "d_model", "head_dropout")
    values = transmittance_head(decoded, wavelength, propagated, few, **options, **band, dtype=dtype)
    transmittance, reflected = values[..., :PIXELS], values[..., PIXELS:]
    if mode:
        transmittance = BackToPixels(dtype="float32", name="back_to_pixels")(transmittance, orientation)
    outputs = {"spectra": to_pixel_grid(transmittance)}
    if config["head"] == "conserving":
        outputs["reflected"] = ops.squeeze(reflected, -1)
    return inputs, outputs, (pattern, attention)


def _propagate(pattern, wavelength, config: dict):
    """Transmittance and reflectance (batch, w, 5) by split-step propagation."""
    optics = _optics(config) | {"grid": config["grid"]}
    size = config["propagation_slices"], config["propagation_nodes"]
    if config["propagation"] == "scalar":
        return SplitStepPropagation(*size, **optics, dtype="float32", name="waves")(pattern, wavelength)
    features = local_features(pattern, config["grid"], config["propagation_features"], LOCAL_BLOCKS, config["dtype"])
    return VectorPropagation(*size, **optics, dtype="float32", name="waves")(pattern, wavelength, features)


def _optics(config: dict) -> dict:
    """Pick what a solver must know of a structure."""
    return {name: config[name] for name in ("band", *GEOMETRY)}


def build(recipe: MetasurfaceRecipe, steps: int) -> MetasurfaceNet:
    """Make the compiled network of a recipe for a training of `steps` steps."""
    network = MetasurfaceNet.from_recipe(recipe)
    network.compile(optimizer=adam(recipe.train, steps))
    # Now, not within the first step: tensorflow would trace that twice.
    network.optimizer.build(network.trainable_variables)
    return network
