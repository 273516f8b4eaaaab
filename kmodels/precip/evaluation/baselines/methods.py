"""Ensembles that need no network: climatology, interpolation, RainFARM, a conditioned Gaussian field, the exact law."""

import numpy as np
from scipy import fft, ndimage

from kmodels.core.spec.task import Scores
from kmodels.precip.data.encode import all_states
from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Days
from kmodels.precip.data.split import day_numbers
from kmodels.precip.data.statistics import compute_statistics, rain_column
from kmodels.precip.data.variables import RAIN_INDEX
from kmodels.precip.evaluation import spectrum
from kmodels.precip.evaluation.baselines.latent_gaussian import LatentGaussian, with_block_means
from kmodels.precip.evaluation.daily_statistics import daily_statistics
from kmodels.precip.evaluation.metrics import brief_scores
from kmodels.precip.evaluation.prediction import Ensemble
from kmodels.precip.simulator.exact_posterior import ExactPosterior

STREAM = 0xBA5E  # root of their random numbers
MAPPED_DAYS = 500  # of training, whose amounts RainFARM's are mapped to
MAPPED_LEVELS = 1 - np.concatenate([np.linspace(1, 0.01, 400), np.geomspace(0.01, 1e-5, 100)[1:], [0.0]])


def baselines(recipe, parts: dict[str, Days]) -> dict[str, Scores]:
    """Score each baseline on parts["test"].

    None is scored where there is no parts["train"]: thresholds are those of the training days.
    """
    if "train" not in parts:
        return {}
    train = parts["train"]
    known = compute_statistics(train, all_states(train), recipe.train, recipe.data.heavy_quantile)
    scored = {}
    for name, ensemble in ensembles(recipe, parts, recipe.model.members).items():
        scored[name] = brief_scores(daily_statistics(ensemble, known), recipe.seed)
    return scored


def ensembles(recipe, parts: dict[str, Days], members: int) -> dict[str, Ensemble]:
    """Make the ensembles of parts["test"], by name; those that learn only where there is parts["train"]."""
    test, train, grid = parts["test"], parts.get("train"), recipe.data.grid
    made = {}
    if train is not None:
        made["climatology"] = climatology(train, test, members, recipe.seed)
    if read_coarse_rain(test, np.array([0])) is not None:
        made["bilinear"] = Ensemble(test, 1, lambda rows: bilinear(read_coarse_rain(test, rows), grid.fine)[:, None])
        if train is not None:
            rainfarm = RainFarm.fit(train, grid)
            made["rainfarm"] = of_coarse_rain(rainfarm, test, members, recipe.seed)
            made["rainfarm_mapped"] = of_coarse_rain(rainfarm.mapped(train), test, members, recipe.seed)
            made["latent_gaussian"] = of_coarse_rain(LatentGaussian.fit(train, grid), test, members, recipe.seed)
    if RAIN_INDEX in test.predictors and not recipe.data.predictors:
        made["exact_posterior"] = exact(recipe, test, members)
    return made


def _rng(days: Days, row: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([STREAM, seed, *day_numbers(days.dates[row : row + 1]).tolist()])


def read_coarse_rain(days: Days, rows) -> np.ndarray | None:
    """Read (rows, Y, X) [mm/day]; None where the coarse state has no rain."""
    column = rain_column(days.predictors)
    return None if column is None else days.state(rows)[..., column]


def climatology(train: Days, test: Days, members: int, seed: int) -> Ensemble:
    """Choose rain of training days at random, others for every day."""

    def make(rows):
        chosen = [_rng(test, row, seed).choice(len(train), members, replace=len(train) < members) for row in rows]
        return np.stack([train.rain(some) for some in chosen])

    return Ensemble(test, members, make)


def bilinear(coarse_rain: np.ndarray, fine: tuple[int, int]) -> np.ndarray:
    """Interpolate coarse fields (n, Y, X) to the middles of fine cells, beyond the outermost middles constant."""
    ny, nx = coarse_rain.shape[1:]
    y = (np.arange(fine[0]) + 0.5) * ny / fine[0] - 0.5
    x = (np.arange(fine[1]) + 0.5) * nx / fine[1] - 0.5
    places = np.meshgrid(y, x, indexing="ij")
    return np.stack([ndimage.map_coordinates(f, places, order=1, mode="nearest") for f in coarse_rain]).astype(
        "float32"
    )


class RainFarm:
    """Coarse rain times random fine structure that continues its spectrum.

    g: a Gaussian field whose power falls as wavenumber^-a, a fitted to the coarse rain of the training days;
    r = exp(g), and the rain of a fine cell is  coarse rain x r / mean of r in the coarse cell,  so that the coarse
    rain is kept. Rebora, Ferraris, von Hardenberg and Provenzale 2006, J. Hydrometeorol. 7, 724-738.
    """

    levels: np.ndarray | None = None  # (2, k): amounts of these fields, and those that take their place

    def __init__(self, grid, slope: float):
        self.grid, self.slope = grid, slope
        frequency = np.hypot(fft.fftfreq(grid.ny)[:, None], fft.rfftfreq(grid.nx))
        frequency[0, 0] = 1.0
        # The power in a ring is spread over modes, whose number grows with the wavenumber: radial means fall as given.
        self.amplitude = frequency ** (-slope / 2)
        self.amplitude[0, 0] = 0.0

    @classmethod
    def fit(cls, train: Days, grid) -> "RainFarm":
        """Fit the spectral slope of the training days' coarse rain."""
        coarse_rain = read_coarse_rain(train, np.arange(len(train)))
        return cls(grid, spectrum.slope(spectrum.radial_power(coarse_rain).mean(0), grid.coarse_shape))

    def sample(self, rng: np.random.Generator, coarse_rain: np.ndarray, count: int) -> np.ndarray:
        """Sample (count, y, x) [mm/day] for coarse rain (Y, X)."""
        block, fine = self.grid.block, self.grid.fine
        white = fft.rfft2(rng.standard_normal((count, *fine)))
        g = fft.irfft2(white * self.amplitude, s=fine)
        r = np.exp(g / g.std((1, 2), keepdims=True))
        rain = with_block_means(r, coarse_rain, block)
        if self.levels is not None:
            # A trace of the field as it was, for blocks that the map would leave without rain.
            rain = with_block_means(np.interp(rain, *self.levels) + 1e-6 * rain, coarse_rain, block)
        return np.where(rain < WET, 0, rain).astype("float32")

    def mapped(self, train: Days) -> "RainFarm":
        """Return one whose amounts are mapped to those of the training days, quantile by quantile, then scaled again.

        Cannon, Sobie and Murdock 2015, J. Climate 28, 6938-6959 (quantile mapping).
        """
        rows = np.unique(np.linspace(0, len(train) - 1, MAPPED_DAYS).astype(int))
        own = [
            self.sample(_rng(train, row, 0), c, 1) for row, c in zip(rows, read_coarse_rain(train, rows), strict=True)
        ]
        made = RainFarm(self.grid, self.slope)
        made.levels = np.quantile(np.stack(own), MAPPED_LEVELS), np.quantile(train.rain(rows), MAPPED_LEVELS)
        return made


def of_coarse_rain(method, days: Days, members: int, seed: int) -> Ensemble:
    """Make the ensemble of days that a method samples for their coarse rain: sample(rng, coarse rain, members)."""

    def make(rows):
        coarse_rain = read_coarse_rain(days, rows)
        return np.stack(
            [method.sample(_rng(days, row, seed), c, members) for row, c in zip(rows, coarse_rain, strict=True)]
        )

    return Ensemble(days, members, make)


def exact(recipe, test: Days, members: int) -> Ensemble:
    """Sample p(Y | X) itself."""
    posterior = ExactPosterior(recipe.data)

    def make(rows):
        states = test.state(rows)
        fields = [
            posterior.members(_rng(test, row, recipe.seed), s, members) for row, s in zip(rows, states, strict=True)
        ]
        return np.stack(fields).astype("float32")

    return Ensemble(test, members, make)
