"""Days as the network's inputs and targets."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kmodels.core.io.rows import Appended, blocks
from kmodels.precip.data.records import Days, Domain, heavy_threshold
from kmodels.precip.data.split import day_numbers
from kmodels.precip.data.statistics import rain_column
from kmodels.precip.recipe import PrecipRecipe

COAST_KM = 100.0  # distances to the coast enter as numbers around 1
HEIGHT_M = 1000.0  # and so do heights
NOISE_STREAM = 0xD2A3  # root of the noise of `DayExamples`
BLOCKS = 3  # of the decoder, each at twice the resolution of the one before


def block_sizes(fine: tuple[int, int]) -> list[tuple[int, int]]:
    """List (y, x) of the maps where the decoder starts and of those that its blocks make: an 8th, a 4th, half, all."""
    return [tuple(-(-n // 2 ** (BLOCKS - k)) for n in fine) for k in range(BLOCKS + 1)]


def noise_shapes(model, fine: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """List {input: shape} of the standard normal numbers behind one field; model: whatever has d_z and noise."""
    shapes = {"noise_z": (model.d_z,)}
    if model.noise:
        shapes |= {f"noise_{k}": (*size, model.noise) for k, size in enumerate(block_sizes(fine)[1:])}
    return shapes


def sample_noise(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]], count: int) -> dict[str, np.ndarray]:
    """Sample {input: (count, ...)} float32 for `count` fields; the first ones do not depend on how many follow."""
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    flat = rng.standard_normal((count, sum(sizes)), dtype="float32")
    parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(count, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def states(days: Days, rows) -> np.ndarray:
    """Read the coarse state as the network sees it: (rows, Y, X, C) float32, rain as log1p(rain / 1 mm/day)."""
    values = days.state(rows).copy()
    column = rain_column(days.predictors)
    if column is not None:
        values[..., column] = np.log1p(np.maximum(values[..., column], 0))
    return values


def all_states(days: Days) -> np.ndarray:
    """Make the `states` of all days, on disk where they are too large for memory."""
    made, numbers = Appended(), np.arange(len(days))
    for some in blocks(days, per_row=days.states[0].nbytes):
        made.append(states(days, numbers[some]))
    return made.array()


def statics(domain: Domain, with_height: bool = True) -> np.ndarray:
    """Stack land, distance to the coast / 100 km and, where it is asked for, height / 1000 m: (y, x, 3) float32.

    Land of which nobody said how high it lies is flat.
    """
    maps = [domain.land, domain.distance_to_coast / COAST_KM]
    if with_height:
        maps.append(np.zeros(domain.shape) if domain.height is None else domain.height / HEIGHT_M)
    return np.stack(maps, axis=-1).astype("float32")


@dataclass(frozen=True, eq=False)
class DayExamples:
    """Examples that are made when they are taken.

    Inputs: state (rows, Y, X, C); rain (rows, y, x) [mm/day], 0 where nobody knows it; static (rows, y, x, 3) = land,
    distance to the coast / 100 km and, where model.height asks for it, height / 1000 m; noise_* (rows, fields, ...),
    which the sampling layers use while nothing is trained: "sampled", standard normal, the same for the same day;
    "blank", zeros, for training, where those layers sample their own; "none", left out, for the network's coder.
    Targets: rain, and observed (rows, y, x), 1 where it is known.
    """

    days: Days
    recipe: PrecipRecipe
    noise: Literal["sampled", "blank", "none"] = "sampled"

    def __len__(self) -> int:
        return len(self.days)

    @property
    def fields(self) -> int:
        """Fields decoded for an example, from the posterior and from the prior."""
        return sum(self.recipe.train.fields.values())

    def take(self, rows) -> tuple[dict, dict]:
        """Make (inputs, targets) of these rows."""
        days, domain = self.days, self.days.domain
        rain = days.rain(rows) if days.has_rain else np.zeros((len(rows), *domain.shape), "float32")
        static = np.tile(statics(domain, self.recipe.model.height), (len(rows), 1, 1, 1))
        inputs = {"state": states(days, rows), "rain": rain, "static": static}
        if self.noise != "none":
            inputs |= self._noise(rows)
        if not days.has_rain:
            return inputs, {}
        return inputs, {"rain": rain, "observed": np.tile(domain.observed.astype("float32"), (len(rows), 1, 1))}

    def _noise(self, rows) -> dict[str, np.ndarray]:
        shapes = noise_shapes(self.recipe.model, self.days.domain.shape)
        if self.noise == "blank":
            return {name: np.zeros((len(rows), self.fields, *shape), "float32") for name, shape in shapes.items()}
        sampled = [
            sample_noise(np.random.default_rng([NOISE_STREAM, number]), shapes, self.fields)
            for number in day_numbers(self.days.dates[rows]).tolist()
        ]
        return {name: np.stack([one[name] for one in sampled]) for name in shapes}


@dataclass(frozen=True, eq=False)
class StratifiedExamples:
    """Training days of which every batch holds a least share of heavy ones.

    A batch with too few gives some of its other days away for heavy days that it has not, chosen by the batch's own
    rows: a pure function of them, so that a resumed training goes on the same.
    """

    examples: DayExamples
    heavy: np.ndarray
    share: float

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, rows) -> tuple[dict, dict]:
        """Make (inputs, targets) of these rows, some of them replaced."""
        return self.examples.take(self.stratified(np.asarray(rows)))

    def stratified(self, rows: np.ndarray) -> np.ndarray:
        """Replace rows until the share of heavy days is reached, or no other heavy day is left."""
        missing = int(np.ceil(self.share * len(rows))) - int(self.heavy[rows].sum())
        spare = np.setdiff1d(np.flatnonzero(self.heavy), rows)
        missing = min(missing, len(spare))
        if missing <= 0:
            return rows
        rng = np.random.default_rng([NOISE_STREAM, *rows.tolist()])
        replaced = rows.copy()
        replaced[np.flatnonzero(~self.heavy[rows])[:missing]] = rng.choice(spare, missing, replace=False)
        return replaced


def encode(days: Days, recipe: PrecipRecipe) -> DayExamples:
    """Turn days into examples; without targets where their rain is not known."""
    return DayExamples(days, recipe)


class PrecipPreprocessor:
    """Turn days into what `PrecipVAE` takes: inputs and targets as dictionaries of arrays.

    Parameters
    ----------
    recipe : PrecipRecipe, optional
        Of the network; the default recipe for None.
    """

    def __init__(self, recipe: PrecipRecipe | None = None):
        self.recipe = PrecipRecipe() if recipe is None else recipe

    def __call__(self, records: Days) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Make (x, y) of all days, in memory; y is empty where their rain is not known."""
        return encode(records, self.recipe).take(np.arange(len(records)))


def training_examples(days: Days, recipe: PrecipRecipe) -> StratifiedExamples:
    """Turn days into examples to train on, heavy days in every batch."""
    heavy = days.heavy(heavy_threshold(days, recipe.data.heavy_quantile))
    return StratifiedExamples(DayExamples(days, recipe, noise="blank"), heavy, recipe.train.heavy_share)
