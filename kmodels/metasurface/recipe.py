"""Every number of a metasurface run."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection, merge

Range = tuple[float, float]
Medium = Literal["air", "silica"]
PACKAGED = {51: 1400, 301: 64}  # rigorous structures in the package, by their number of wavelengths
PACKAGED_ORDERS = 113  # Fourier orders that they were solved with
LARGEST_INDEX = 1.5  # of a spacer, for how fine the solver's grid must be
CLOSURE = ((0.12, 0.172), (0.312, 0.312))  # of 57 orders of the default geometry, see studies.closure
# The fields of `data` that propagation through the structure depends on.
OPTICS = ("period", "height", "distance", "cover", "gap", "spacer", "grid", "wavelength")


class Data(Section):
    """What structures there are, and how they are solved."""

    n_structures: int = Field(1400, ge=8, description="structures")
    solver: Literal["scalar", "rcwa", "packaged"] = Field(
        "packaged",
        description="packaged: rigorous, solved beforehand, 1400 structures that come with the package; rcwa: "
        "rigorous, some 45 ms a wavelength; scalar: fast, no polarisation, no reflections between orders",
    )
    pixel_order: Literal["RGGB", "BGGR", "GRBG", "GBRG"] = Field(
        "RGGB", description="colours of the four pixels, first row then second"
    )
    pixels: int = Field(128, ge=32, le=1024, multiple_of=32, description="pixels of a pattern along an axis")
    period: float = Field(1000.0, gt=0, description="of the structure: two camera pixels along each axis [nm]")
    height: float = Field(600.0, gt=0, description="of the silicon nitride [nm]")
    distance: float = Field(2000.0, ge=0, description="from the pattern's bottom to the camera pixels [nm]")
    cover: Medium = Field("air", description="above the pattern")
    gap: Medium = Field("air", description="between the silicon nitride")
    spacer: Medium = Field("silica", description="between pattern and camera pixels")
    wavelength: Range = Field((400.0, 700.0), description="shortest and longest, in vacuum [nm]")
    n_wavelengths: int = Field(
        51, ge=3, le=3001, description="number of wavelengths, evenly spaced, both ends included"
    )
    smallest_feature: float = Field(80.0, ge=0, description="least width of a pillar or a gap [nm]")
    fill: Range = Field((0.2, 0.8), description="fraction of the period covered by silicon nitride, lowest and highest")
    correlation: Range = Field((60.0, 250.0), description="correlation length of the random patterns, log-uniform [nm]")
    grid: int = Field(16, ge=8, multiple_of=4, description="grid points per axis of the scalar solver")
    slices: int = Field(12, ge=1, le=200, description="slices of the scalar solver")
    orders: int = Field(PACKAGED_ORDERS, ge=1, le=1000, description="Fourier orders of the rcwa solver")
    split: tuple[float, float, float] = Field(
        (0.80, 0.10, 0.10), description="fractions of training, validation and test structures"
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
            raise ValueError(f"split = {self.split}: every part needs a fraction above 0")
        return self

    def wavelengths(self) -> np.ndarray:
        """Compute the wavelengths, (n_wavelengths,) [nm]."""
        return np.linspace(*self.wavelength, self.n_wavelengths)


class Model(Section):
    """The network: a convolutional encoder; wavelength queries cross-attend to pattern tokens."""

    memory_norm: bool = Field(True, description="layer norm on the tokens before they are keys and values")
    film: Literal["shift", "scale_shift"] = Field(
        "scale_shift", description="modulation of the queries by the global feature: q + beta, or gamma q + beta"
    )
    head: Literal["shared", "per_detector", "conserving"] = Field(
        "per_detector",
        description="shared: one for four pixels; per_detector: one each; conserving: one each and one for the "
        "reflectance, which sum to 1",
    )
    tokens: Literal[17, 65] = Field(65, description="pattern tokens: 4 x 4 or 8 x 8 local ones and a global one")
    decoder_dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate in decoder blocks")
    invariant: bool = Field(False, description="make the network exactly equivariant under the 32 symmetries")
    fourier_mixing: bool = Field(True, description="a learned filter over spatial frequencies after the second stage")
    stem: int = Field(16, ge=1, le=1024, description="channels of the first convolution")
    stem_stride: Literal[2, 4, 8] = Field(
        8,
        description="stride of the first convolution, whose kernel is 5 wide (8 at stride 8); with 4 and 8 the first "
        "stages keep the resolution, so that the last stage has a 32nd of the pattern's in every case",
    )
    channels: tuple[int, int, int, int] = Field((24, 32, 48, 64), description="channels of the four stages")
    blocks: int = Field(2, ge=1, le=16, description="residual blocks per stage")
    residual_dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate in residual blocks")
    d_model: int = Field(64, ge=8, le=4096, description="width of tokens and queries")
    heads: int = Field(4, ge=1, le=64, description="attention heads of the cross-attention")
    decoder_blocks: int = Field(
        2, ge=1, le=16, description="decoder blocks: cross-attention, convolution, feed-forward"
    )
    wavelength_kernel: int = Field(
        5, ge=1, le=301, description="width of the convolution along wavelength, in wavelengths"
    )
    feed_forward: int = Field(4, ge=1, le=16, description="feed-forward expansion factor")
    head_dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate in the head")
    propagation: Literal["scalar", "vector"] = Field(
        "vector",
        description="split-step propagation of one field, or of both components of the electric field in both "
        "polarisations, coupled by learned matrices",
    )
    propagation_slices: int = Field(
        6,
        ge=0,
        le=200,
        description="slices of split-step propagation in the network, whose phases are learned; the decoder corrects "
        "their transmittance. 0: none, as in the prototype",
    )
    propagation_nodes: int = Field(12, ge=2, le=200, description="wavelengths at which these slices are computed")
    propagation_features: int = Field(
        48, ge=1, le=1024, description="features of a cell of the grid, of which vector propagation makes its matrices"
    )
    few_orders: int = Field(
        57,
        ge=0,
        le=1000,
        description="Fourier orders of a rigorous solution that the network is given, and corrects; 0: none",
    )
    few_order_nodes: int = Field(24, ge=2, le=200, description="wavelengths at which that is solved")
    few_order_closure: tuple[tuple[float, float], tuple[float, float]] = Field(
        CLOSURE,
        description="stands for the orders left out, see FewOrders; of 57 orders of the default geometry, found by "
        "studies.closure on other structures; [[0, 0], [0, 0]]: none",
    )
    calibrated: bool = Field(
        True,
        description="set intervals of 90% on validation data, and flag patterns unlike those of the training",
    )

    @model_validator(mode="after")
    def _agrees(self):
        if self.d_model % (2 * self.heads):
            raise ValueError(f"d_model = {self.d_model} must be an even multiple of heads = {self.heads}")
        if min(self.channels) < 1:
            raise ValueError(f"channels = {self.channels}: every stage needs 1 or more")
        return self


class Train(TrainSection):
    """The training; loss = w_mse MSE + w_rel relative + w_grad first + w_curvature second differences.

    Differences are those between neighbours: with a third of the wavelengths they are three times as large, their
    squares nine times. The defaults belong to a spacing of 6 nm; at 1 nm the prototype has 100 for the first ones,
    beside 2 for the squared error.
    """

    epochs: int = Field(24, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(32, ge=1, description="structures per step")
    learning_rate: float = Field(4e-3, gt=0, le=1, description="Adam's step size at the start")
    augment: bool = Field(
        True, description="show each structure under one of its 32 symmetries, sampled anew each time"
    )
    w_mse: float = Field(20.0, ge=0, description="weight of the mean squared error")
    w_rel: float = Field(0.02, ge=0, description="weight of the squared relative error, clipped at 10")
    w_grad: float = Field(10.0, ge=0, description="weight of the squared error of first differences along wavelength")
    w_curvature: float = Field(0.02, ge=0, description="weight of the absolute error of second differences")
    blue_weight: float = Field(1.0, gt=0, description="weight of the blue pixel; the others have 1")
    weight_schedule: tuple[tuple[int, Literal["mse", "rel", "grad", "curvature"], float], ...] = Field(
        (), description="(epoch, term, weight): from the end of that epoch on, the weight of a loss term is this"
    )

    @model_validator(mode="after")
    def _agrees(self):
        for epoch, name, weight in self.weight_schedule:
            if epoch < 1 or weight < 0:
                raise ValueError(f"weight_schedule ({epoch}, {name}, {weight:g}): needs epoch >= 1 and weight >= 0")
        return self


# Structures of the scalar solver, thousands of them, and the network that was made for them.
SCALAR = {
    "data": {"solver": "scalar", "n_structures": 4000, "n_wavelengths": 101, "orders": 81, "split": [0.7, 0.15, 0.15]},
    "model": {"propagation": "scalar", "propagation_features": 24, "few_orders": 0, "calibrated": False},
    "train": {"epochs": 8, "learning_rate": 2e-3, "w_mse": 2.0, "w_rel": 0.1, "w_curvature": 0.1},
}


class MetasurfaceRecipe(Recipe):
    """Predict the spectra of four pixels below a pattern."""

    VARIANTS: ClassVar = {
        "scalar": SCALAR,
        "fast": {"model": {"few_orders": 0}},
        "black_box": merge(SCALAR, {"model": {"propagation_slices": 0}, "train": {"epochs": 30}}),
        "prototype": merge(
            SCALAR,
            {
                "model": {
                    "propagation_slices": 0,
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
        ),
    }
    RENAMED: ClassVar[dict[str, str]] = {
        "data.waves": "data.orders",
        "model.waves": "model.propagation_slices",
        "model.wave_nodes": "model.propagation_nodes",
    }
    RENAMED_VARIANTS: ClassVar[dict[str, str]] = {"seed": "prototype"}
    BEFORE: ClassVar = {
        "model": {"propagation": "scalar", "propagation_features": 24, "few_orders": 0, "calibrated": False}
    }
    FASTEST: ClassVar = ("jax", "tensorflow", "torch")
    SMOKE: ClassVar = {
        "data": {"solver": "scalar", "n_structures": 60, "n_wavelengths": 31, "pixels": 32, "grid": 16, "slices": 3},
        "model": {
            "stem": 8,
            "channels": [8, 8, 8, 8],
            "blocks": 1,
            "d_model": 16,
            "heads": 2,
            "decoder_blocks": 1,
            "propagation_slices": 2,
            "propagation_nodes": 4,
            "propagation_features": 8,
            "few_order_nodes": 3,
        },
        "train": {"epochs": 2},
    }

    task: Literal["metasurface"] = Field("metasurface", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()


RECIPE = MetasurfaceRecipe
