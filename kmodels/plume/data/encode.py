"""Windows as the network's inputs: concentrations in log space, wind, maps, and the base that it corrects."""

from dataclasses import dataclass, replace

import numpy as np

from kmodels.plume.data.advection import advect_emission, semi_lagrangian_step
from kmodels.plume.data.flow.courant import courant_numbers
from kmodels.plume.data.flow.wind_error import turn_and_stretch
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import Maps
from kmodels.plume.recipe import GIVEN_BASES, PlumeRecipe

WIND_SCALE = 10.0  # m/s: wind enters as a number around 1
HEIGHT_SCALE = 100.0  # m: stack heights, too
EMISSION_SCALE = 1e-3  # kg/s: emission rates enter as log1p(q / 1 g/s)


def to_log(concentration: np.ndarray, c0: float) -> np.ndarray:
    """Scale concentrations [kg m-3] as log1p(c / c0): six decades become numbers from 0 to about 7."""
    return np.log1p(concentration / np.float32(c0))


def from_log(values: np.ndarray, c0: float) -> np.ndarray:
    """Invert `to_log`: the concentration [kg m-3] of log1p(c / c0)."""
    return np.expm1(values) * np.float32(c0)


class PlumePreprocessor:
    """Make the network's arrays from windows: ``x, y = PlumePreprocessor()(windows)``.

    Parameters
    ----------
    recipe : PlumeRecipe, optional
        What the network is given and how it is scaled; by default the default recipe.
    """

    def __init__(self, recipe: PlumeRecipe | None = None):
        self.recipe = recipe or PlumeRecipe()

    def __call__(self, windows: Windows) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Encode all windows, in memory.

        Parameters
        ----------
        windows : Windows
            Such as `kmodels.plume.data.load.load` reads from files.

        Returns
        -------
        x, y : dict of str to array
            Inputs and targets, see `WindowExamples`; y is empty where a run ends before a window's target.
        """
        return encode(windows, self.recipe).take(np.arange(len(windows)))


@dataclass(frozen=True)
class WindowExamples:
    """Examples that are read from disk when they are taken.

    Inputs, float32:

    * past (rows, past, z, y, x): log1p(c / c0) of the frames seen;
    * static (rows, z, y, x, 3): 1 in the ground, log1p(emission / 1 g/s), stack height / 100 m;
    * wind (rows, past, z, 2), with model.wind: eastward and northward wind / 10 m/s;
    * transport (rows, z, y, x, 4), with model.transport: see `transport_maps`, scaled like past;
    * flow_x, flow_y, flow_z, with model.base solver: see `courant_numbers`;
    * base (rows, z, y, x), with model.base persistence or wind_moved: scaled like past.

    Target: future (rows, z, y, x), scaled like past.

    Parameters
    ----------
    windows : Windows
        What is encoded.
    recipe : PlumeRecipe
        What the network is given.
    targets : bool
        Whether the windows' target frames exist.
    wind_error : array (windows, 2), optional
        Angle [rad] and factor that the winds of each window are turned and stretched by.
    """

    windows: Windows
    recipe: PlumeRecipe
    targets: bool = True
    wind_error: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.windows)

    def take(self, rows) -> tuple[dict, dict]:
        """Encode these rows: (inputs, targets)."""
        model = self.recipe.model
        past = self.windows.past(rows)
        winds = self.windows.wind(rows) if model.needs_wind else None
        if self.wind_error is not None:
            winds = turn_and_stretch(winds, *self.wind_error[rows].T)
        inputs = encode_inputs(past, winds, self.windows.maps(rows), self.windows, rows, self.recipe)
        if not self.targets:
            return inputs, {}
        return inputs, {"future": to_log(self.windows.target(rows), model.c0)}


def encode(windows: Windows, recipe: PlumeRecipe) -> WindowExamples:
    """Make examples of windows; without targets where a window's run ends before its target."""
    complete = len(windows) > 0 and windows.leads.min() >= windows.horizon
    return WindowExamples(windows, recipe, targets=bool(complete))


def training_examples(windows: Windows, recipe: PlumeRecipe) -> WindowExamples:
    """Make the examples of a training: with train.wind_degrees or train.wind_share half of them have a wrong wind."""
    examples, train = encode(windows, recipe), recipe.train
    if not (recipe.model.needs_wind and (train.wind_degrees or train.wind_share)):
        return examples
    rng = np.random.default_rng([recipe.seed, 0x817E])
    kicks = rng.standard_normal((len(windows), 2)) * (rng.random((len(windows), 1)) < 0.5)
    error = np.radians(train.wind_degrees) * kicks[:, 0], np.exp(train.wind_share * kicks[:, 1])
    return replace(examples, wind_error=np.stack(error, axis=1))


def encode_inputs(
    past: np.ndarray, winds: np.ndarray | None, maps: Maps, windows: Windows, rows, recipe: PlumeRecipe
) -> dict[str, np.ndarray]:
    """Encode what the network is given.

    Parameters
    ----------
    past : array (rows, past, z, y, x)
        Frames seen [kg m-3].
    winds : array (rows, past, 2, z) or None
        Their winds [m s-1].
    maps : Maps
        Of the rows.
    windows : Windows
        Whose runs, cell size, frame interval and horizon hold.
    rows : array of int
        Which of the windows these are.
    recipe : PlumeRecipe
        Which inputs there are.

    Returns
    -------
    dict of str to array
        The inputs of `WindowExamples`.
    """
    model = recipe.model
    inputs = {"past": to_log(past, model.c0), "static": static_maps(maps)}
    if model.wind:
        inputs["wind"] = np.swapaxes(winds, -1, -2) / np.float32(WIND_SCALE)
    if model.transport:
        inputs["transport"] = to_log(transport_maps(past, winds, maps, windows), model.c0)
    if model.base == "solver":
        inputs |= courant_numbers(windows, rows, winds[:, -1], model.substeps)
        inputs["wind_before"] = _relative(winds[:, -2], winds[:, -1])
    if model.base in GIVEN_BASES:
        inputs["base"] = to_log(_base(past[:, -1], winds, maps.below_ground, windows, recipe), model.c0)
    return inputs


def _relative(winds: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Compare winds (rows, 2, z): cosine and sine of the angle between their means, times the ratio of these."""
    one, other = (mean[:, 0] + 1j * mean[:, 1] for mean in (winds.mean(axis=-1), to.mean(axis=-1)))
    ratio = np.where(np.abs(other) > 1e-6, one, 1.0) / np.where(np.abs(other) > 1e-6, other, 1.0)
    return np.stack([ratio.real, ratio.imag], axis=-1).astype("float32")


def _base(last, winds, below_ground, windows: Windows, recipe: PlumeRecipe) -> np.ndarray:
    """Make the forecast that the network corrects: (rows, z, y, x) [kg m-3]."""
    if recipe.model.base == "persistence":
        return last
    seconds = windows.frame_seconds * windows.horizon
    return semi_lagrangian_step(last, winds[:, -1], seconds, windows.cell, below_ground)


def transport_maps(past: np.ndarray, winds: np.ndarray, maps: Maps, windows: Windows) -> np.ndarray:
    """Compute what is where by transport alone at t + 1 and t.

    Frame t itself tells what so crude a step misses at t, and so about what it misses at t + 1.

    Parameters
    ----------
    past, winds, maps, windows
        As in `encode_inputs`.

    Returns
    -------
    array (rows, z, y, x, 4)
        Frames t and t - 1, each carried on by its own wind, then what was emitted under these winds (see
        `advect_emission`) [kg m-3].
    """
    place = windows.frame_seconds * windows.horizon, windows.cell, maps.below_ground
    carried = [semi_lagrangian_step(past[:, k], winds[:, k], *place) for k in (-1, -2)]
    fresh = [advect_emission(maps.source_emission, winds[:, k], *place) for k in (-1, -2)]
    return np.stack(carried + fresh, axis=-1)


def static_maps(maps: Maps) -> np.ndarray:
    """Stack the maps: (rows, z, y, x, 3) of ground or air, log1p(emission / 1 g/s), stack height / 100 m."""
    emission = np.log1p(maps.source_emission / np.float32(EMISSION_SCALE))
    channels = maps.below_ground.astype("float32"), emission, maps.source_height / np.float32(HEIGHT_SCALE)
    return np.stack(channels, axis=-1)
