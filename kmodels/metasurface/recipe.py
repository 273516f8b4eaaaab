"""Every number of a metasurface run."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection

Range = tuple[float, float]
Medium = Literal["air", "silica"]
LARGEST_INDEX = 1.5  # of a spacer, for how fine the solver's grid must be
OPTICS = ("period", "height", "distance", "cover", "gap", "spacer", "grid", "wavelength")  # what waves depend on


class Data(Section):
    """What structures there are, and how they are solved."""

    n_structures: int = Field(4000, ge=8, description="simulated structures [structures]")
    solver: Literal["scalar", "rcwa"] = Field(
        "scalar", description="scalar: fast, no vector effects; rcwa: rigorous, a minute a structure"
    )
    pixel_order: Literal["RGGB", "BGGR", "GRBG", "GBRG"] = Field(
        "RGGB", description="colours of the four pixels, first row then second"
    )
    pixels: int = Field(128, ge=32, le=1024, multiple_of=32, description="pixels of a pattern along an axis [pixels]")
    period: float = Field(1000.0, gt=0, description="of the structure: two camera pixels along each axis [nm]")
    height: float = Field(600.0, gt=0, description="of the silicon nitride [nm]")
    distance: float = Field(2000.0, ge=0, description="from the pattern's bottom to the camera pixels [nm]")
    cover: Medium = Field("air", description="above the pattern")
    gap: Medium = Field("air", description="between the silicon nitride")
    spacer: Medium = Field("silica", description="between pattern and camera pixels")
    wavelength: Range = Field((400.0, 700.0), description="shortest and longest, in vacuum [nm]")
    n_wavelengths: int = Field(101, ge=3, le=3001, description="evenly spaced, both ends included [wavelengths]")
    smallest_feature: float = Field(80.0, ge=0, description="least width of a pillar or a gap [nm]")
    fill: Range = Field((0.2, 0.8), description="share of silicon nitride [1]")
    correlation: Range = Field((60.0, 250.0), description="width of the blobs of noise, log-uniform [nm]")
    grid: int = Field(16, ge=8, multiple_of=4, description="cells of the scalar solver along an axis [cells]")
    slices: int = Field(12, ge=1, le=200, description="slices of the scalar solver [slices]")
    waves: int = Field(81, ge=1, le=1000, description="plane waves of the rcwa solver [waves]")
    split: tuple[float, float, float] = Field(
        (0.70, 0.15, 0.15), description="shares of training, validation and test, by structure [1]"
    )

    @model_validator(mode="after")
    def _agrees(self):
        for name, highest in (("wavelength", 3700.0), ("fill", 1.0), ("correlation", self.period / 4)):
            low, high = getattr(self, name)
            if not 0 < low < high <= highest:
                raise ValueError(f"{name} = [{low:g}, {high:g}]: needs 0 < lowest < highest <= {highest:g}")
        if self.wavelength[0] < 310:
            raise ValueError(f"wavelength = {self.wavelength[0]:g}: the materials are known from 310 nm on")
        if self.pixels % self.grid:
            raise ValueError(f"grid = {self.grid} does not divide pixels = {self.pixels}")
        # Intensities have twice the order of the field, and a grid of n cells shows orders below n / 2.
        needed = 4 * LARGEST_INDEX * self.period / self.wavelength[0]
        if self.grid <= needed:
            raise ValueError(
                f"grid = {self.grid} is too coarse for the shortest wavelength: needs more than {needed:g}"
            )
        if self.smallest_feature > self.period / 8:
            raise ValueError(f"smallest_feature = {self.smallest_feature:g} nm: at most an eighth of the period")
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        return self

    def wavelengths(self) -> np.ndarray:
        """(n_wavelengths,) [nm]."""
        return np.linspace(*self.wavelength, self.n_wavelengths)


class Model(Section):
    """The network: convolutions over the pattern, then wavelengths that ask its tokens."""

    memory_norm: bool = Field(True, description="layer norm on the tokens before they are keys and values")
    film: Literal["shift", "scale_shift"] = Field(
        "scale_shift", description="how the global feature changes the queries: q + beta, or gamma q + beta"
    )
    head: Literal["shared", "per_detector", "conserving"] = Field(
        "per_detector",
        description="shared: one for four pixels; per_detector: one each; conserving: one each and one for the "
        "reflected share, which sum to 1",
    )
    tokens: Literal[17, 65] = Field(65, description="4 x 4 or 8 x 8 local tokens and a global one [tokens]")
    decoder_dropout: float = Field(0.0, ge=0, lt=1, description="share of features dropped in decoder blocks [1]")
    invariant: bool = Field(False, description="make the 32 symmetries exact in the network")
    fourier_mixing: bool = Field(True, description="a filter over all frequencies behind the second stage")
    stem: int = Field(16, ge=1, le=1024, description="channels of the first convolution [1]")
    stem_stride: Literal[2, 4, 8] = Field(
        8,
        description="of the first convolution, 5 pixels wide (8: as wide as its stride); the first stages leave the "
        "resolution until all four have come down to a 32nd of the pattern's [pixels]",
    )
    channels: tuple[int, int, int, int] = Field((24, 32, 48, 64), description="channels of the four stages [1]")
    blocks: int = Field(2, ge=1, le=16, description="residual blocks of a stage [blocks]")
    residual_dropout: float = Field(0.0, ge=0, lt=1, description="share of features dropped in residual blocks [1]")
    d_model: int = Field(64, ge=8, le=4096, description="width of tokens and queries [1]")
    heads: int = Field(4, ge=1, le=64, description="of the cross-attention [heads]")
    decoder_blocks: int = Field(2, ge=1, le=16, description="cross-attention, convolution, feed-forward [blocks]")
    wavelength_kernel: int = Field(5, ge=1, le=301, description="of the convolution along wavelength [wavelengths]")
    feed_forward: int = Field(4, ge=1, le=16, description="its width in units of d_model [1]")
    head_dropout: float = Field(0.0, ge=0, lt=1, description="share of features dropped in the head [1]")
    waves: int = Field(
        6,
        ge=0,
        le=200,
        description="slices of wave optics in the network, which learn what so few leave out; the rest of it corrects "
        "what they say. 0: none, as the seed [slices]",
    )
    wave_nodes: int = Field(
        12, ge=2, le=200, description="wavelengths at which these slices are computed [wavelengths]"
    )

    @model_validator(mode="after")
    def _agrees(self):
        if self.d_model % (2 * self.heads):
            raise ValueError(f"d_model = {self.d_model} must be an even multiple of heads = {self.heads}")
        if min(self.channels) < 1:
            raise ValueError(f"channels = {self.channels}: every stage needs 1 or more")
        return self


class Train(TrainSection):
    """How it is trained: w_mse MSE + w_rel relative + w_grad first + w_curvature second differences.

    Differences are those between neighbours: with a third of the wavelengths they are three times as large, their
    squares nine times. The defaults belong to a spacing of 3 nm; at 1 nm the seed has 100 for the first ones.
    """

    epochs: int = Field(8, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(32, ge=1, description="structures a step [structures]")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Adam's step size at the start")
    augment: bool = Field(True, description="show each structure under one of its 32 symmetries, drawn anew")
    w_mse: float = Field(2.0, ge=0, description="weight of the mean squared error [1]")
    w_rel: float = Field(0.1, ge=0, description="weight of the squared relative error, clipped at 10 [1]")
    w_grad: float = Field(10.0, ge=0, description="weight of the error of first differences along wavelength [1]")
    w_curvature: float = Field(0.1, ge=0, description="weight of the error of second differences [1]")
    blue_weight: float = Field(1.0, gt=0, description="weight of the blue pixel beside the others' 1 [1]")
    weight_schedule: tuple[tuple[int, Literal["mse", "rel", "grad", "curvature"], float], ...] = Field(
        (), description="(epoch, term, weight): from the end of that epoch on, the weight of a loss term is this"
    )

    @model_validator(mode="after")
    def _agrees(self):
        for epoch, name, weight in self.weight_schedule:
            if epoch < 1 or weight < 0:
                raise ValueError(f"weight_schedule ({epoch}, {name}, {weight:g}): needs epoch >= 1 and weight >= 0")
        return self


class MetasurfaceRecipe(Recipe):
    """Predict the spectra of four pixels below a pattern."""

    VARIANTS: ClassVar = {
        "black_box": {"model": {"waves": 0}, "train": {"epochs": 30}},
        "seed": {
            "model": {
                "waves": 0,
                "memory_norm": False,
                "film": "shift",
                "head": "shared",
                "decoder_dropout": 0.03,
                "tokens": 17,
                "residual_dropout": 0.02,
                "head_dropout": 0.05,
            },
            "train": {"clip_norm": 0.5, "w_curvature": 0.0},
        },
    }
    FASTEST: ClassVar = ("tensorflow", "jax", "torch")
    SMOKE: ClassVar = {
        "data": {"n_structures": 60, "n_wavelengths": 31, "pixels": 32, "grid": 16, "slices": 3},
        "model": {
            "stem": 8,
            "channels": [8, 8, 8, 8],
            "blocks": 1,
            "d_model": 16,
            "heads": 2,
            "decoder_blocks": 1,
            "waves": 2,
            "wave_nodes": 4,
        },
        "train": {"epochs": 2},
    }

    task: Literal["metasurface"] = Field("metasurface", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()


RECIPE = MetasurfaceRecipe
