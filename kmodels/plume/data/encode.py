"""Windows as the network's inputs: concentrations in log space, wind, maps, and the base that it corrects."""

from dataclasses import dataclass

import numpy as np

from kmodels.plume.data.advection import advect_emission, semi_lagrangian_step
from kmodels.plume.data.records import Windows
from kmodels.plume.recipe import GIVEN_BASES, PlumeRecipe

WIND_SCALE = 10.0  # m/s: wind enters as a number around 1
HEIGHT_SCALE = 100.0  # m: stack heights, too
EMISSION_SCALE = 1e-3  # kg/s: emission rates enter as log1p(q / 1 g/s)


def to_log(concentration: np.ndarray, c0: float) -> np.ndarray:
    """log1p(c / c0): concentrations over six decades as numbers from 0 to about 7."""
    return np.log1p(concentration / np.float32(c0))


def from_log(values: np.ndarray, c0: float) -> np.ndarray:
    """The concentration [kg m-3] of log1p(c / c0)."""
    return np.expm1(values) * np.float32(c0)


@dataclass(frozen=True)
class WindowExamples:
    """Examples that are read from disk when they are taken.

    inputs: past (rows, past, z, y, x) = log1p(c / c0); static (rows, z, y, x, 3) = ground, emission, stack height;
    where the recipe asks for them wind (rows, past, z, 2) in 10 m/s, and, like past, transport (rows, z, y, x, 4) and
    base (rows, z, y, x). targets: future (rows, z, y, x) like past, and air (rows, z, y, x), 1 above ground.
    """

    windows: Windows
    recipe: PlumeRecipe
    targets: bool = True

    def __len__(self) -> int:
        return len(self.windows)

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows."""
        model = self.recipe.model
        past = self.windows.past(rows)
        winds = self.windows.wind(rows) if model.needs_wind else None
        maps = self.windows.maps(rows)
        inputs = inputs_of(past, winds, maps, self.windows, self.recipe)
        if not self.targets:
            return inputs, {}
        future = to_log(self.windows.target(rows), model.c0)
        return inputs, {"future": future, "air": (~maps.below_ground).astype("float32")}


def inputs_of(past, winds, maps, windows: Windows, recipe: PlumeRecipe) -> dict[str, np.ndarray]:
    """What the network is given. past: (rows, past, z, y, x) [kg m-3]. winds: (rows, past, 2, z) [m s-1] or None."""
    model = recipe.model
    inputs = {"past": to_log(past, model.c0), "static": static(maps)}
    if model.wind:
        inputs["wind"] = np.swapaxes(winds, -1, -2) / np.float32(WIND_SCALE)
    if model.transport:
        inputs["transport"] = to_log(transport(past, winds, maps, windows), model.c0)
    if model.base in GIVEN_BASES:
        inputs["base"] = to_log(base(past[:, -1], winds, maps.below_ground, windows, recipe), model.c0)
    return inputs


def base(last, winds, below_ground, windows: Windows, recipe: PlumeRecipe) -> np.ndarray:
    """The forecast that the network corrects: (rows, z, y, x) [kg m-3]."""
    if recipe.model.base == "persistence":
        return last
    return semi_lagrangian_step(last, winds[:, -1], windows.frame_seconds * windows.horizon, windows.cell, below_ground)


def transport(past, winds, maps, windows: Windows) -> np.ndarray:
    """What is where by transport alone at t + 1 and t, (rows, z, y, x, 4) [kg m-3].

    First frames t and t - 1, each carried on by its own wind, then what was emitted under these winds, see `advect_emission`.
    Frame t itself tells what so crude a step misses at t, and so about what it misses at t + 1.
    """
    place = windows.frame_seconds * windows.horizon, windows.cell, maps.below_ground
    carried = [semi_lagrangian_step(past[:, k], winds[:, k], *place) for k in (-1, -2)]
    fresh = [advect_emission(maps.source_emission, winds[:, k], *place) for k in (-1, -2)]
    return np.stack(carried + fresh, axis=-1)


def static(maps) -> np.ndarray:
    """The maps as (rows, z, y, x, 3) float32: ground or air, log1p(emission / 1 g/s), stack height / 100 m."""
    emission = np.log1p(maps.source_emission / np.float32(EMISSION_SCALE))
    layers = maps.below_ground.astype("float32"), emission, maps.source_height / np.float32(HEIGHT_SCALE)
    return np.stack(layers, axis=-1)


def encode(windows: Windows, recipe: PlumeRecipe) -> WindowExamples:
    """Examples of these windows; without targets where a window's run ends before its target."""
    complete = len(windows) > 0 and windows.leads.min() >= windows.horizon
    return WindowExamples(windows, recipe, targets=bool(complete))
