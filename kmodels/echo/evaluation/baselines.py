"""What needs no network: the mean room, the most similar rooms, a linear map, the first echo from each direction."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.echo.data.encode import QUIET
from kmodels.echo.data.range_azimuth import ASIDE, INSIDE, directions, metres
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import CHUNK, chunks, mean_map
from kmodels.echo.evaluation.metrics import RMSE, score_depth, scores_per_image

CELLS = 48  # along the range or time, that sounds are averaged to
LARGEST = 10_000  # training pairs, evenly, that are kept in memory
NEIGHBOURS = (1, 3, 5, 9)
PENALTIES = (1e2, 1e3, 1e4, 1e5)
SHARES = (0.01, 0.03, 0.1, 0.3)  # of the strongest echo: what counts as one
LOGARITHMS = (np.log(0.1), np.log(100.0))  # of metres, of a linear prediction
BLIND = 0.25  # m, within which the chirp itself is heard


def baselines(recipe, splits: dict[str, EchoPairs]) -> dict[str, Scores]:
    """Score all baselines on ``splits["test"]``; none where there are no training rooms.

    Parameters
    ----------
    recipe : EchoRecipe
        Of the run.
    splits : dict of str to EchoPairs
        "train", "validation", "test" and, where there is one, "transfer". What a baseline has to choose, it chooses on
        the validation rooms.

    Returns
    -------
    dict of str to Scores
        mean_map, every room as the mean of the training rooms; nearest_rooms; linear; first_echo. Scores of the
        transfer data begin with `transfer_`.
    """
    if "train" not in splits:
        return {}
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    predictors = {"mean_map": lambda pairs: mean_map(train, len(pairs))}
    if len(train) > max(NEIGHBOURS):
        some = train.take(np.unique(np.linspace(0, len(train) - 1, LARGEST).astype(int)))
        sounds = Sounds(some)
        predictors["nearest_rooms"] = _best(validation, nearest_rooms(some, sounds), NEIGHBOURS)
        predictors["linear"] = _best(validation, linear(some, sounds), PENALTIES)
    predictors["first_echo"] = _best(validation, first_echo(recipe), SHARES)
    found = {}
    for name, predict in predictors.items():
        found[name] = score_depth(test, predict(test), recipe.seed, name == "mean_map")
        if "transfer" in splits:
            there = splits["transfer"]
            scores = score_depth(there, predict(there), recipe.seed, protocols=False)
            found[name] = found[name].merge(scores, "transfer_")
    return found


@dataclass(frozen=True)
class Predicted:
    """Depth images (n, size, size) [m] that are made when they are asked for: ``predict(pairs, choice)``."""

    pairs: EchoPairs
    predict: Callable
    choice: float

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Predict these rows."""
        return self.predict(self.pairs.take(rows), self.choice).astype("float32")


def _best(validation: EchoPairs, predict: Callable, choices) -> Callable:
    """Make the choice that has the lowest RMSE on the validation pairs: ``predict(pairs)``, Predicted."""
    each = [scores_per_image(validation, Predicted(validation, predict, choice))[:, RMSE] for choice in choices]
    return functools.partial(Predicted, predict=predict, choice=choices[np.argmin(np.nanmean(each, axis=1))])


class Sounds:
    """Sounds as rows of numbers: averaged to cells, and scaled by the mean and spread of the training rooms'.

    Parameters
    ----------
    train : EchoPairs
        The training rooms' pairs.
    """

    def __init__(self, train: EchoPairs):
        raw = _in_cells(train)
        self.mean, self.spread = raw.mean(0), raw.std(0) + 1e-6
        self.train = (raw - self.mean) / self.spread

    def of(self, pairs: EchoPairs) -> np.ndarray:
        """Return (n, numbers) float32."""
        return (_in_cells(pairs) - self.mean) / self.spread


def _in_cells(pairs: EchoPairs) -> np.ndarray:
    """Average sounds to cells: (n, numbers) float32."""
    rows = []
    for some in chunks(len(pairs), CHUNK):
        parts = [_cells(name, values) for name, values in sorted(pairs.sound(some).items())]
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def _cells(name: str, values: np.ndarray) -> np.ndarray:
    """Average to CELLS along range or time, and every two directions or four frequencies: (n, numbers)."""
    if name == "spectrogram":
        values = np.log1p(values / QUIET).swapaxes(1, 2)
        values = _averaged(values, 2, max(1, values.shape[2] // 4))
    elif name == "correlation":
        values = _averaged(values, 2, values.shape[2] // 2).mean(-1)
    return _averaged(values, 1, min(CELLS, values.shape[1])).reshape(len(values), -1)


def _averaged(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Average neighbours along an axis to `count`; what is left over at its end is left out."""
    size = values.shape[axis] // count
    values = np.moveaxis(values, axis, -1)[..., : size * count]
    return np.moveaxis(values.reshape(*values.shape[:-1], count, size).mean(-1), -1, axis)


def nearest_rooms(train: EchoPairs, sounds: Sounds) -> Callable:
    """Average the depth of the training pairs that sound most alike: ``predict(pairs, how many)``, (n, y, x) [m]."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=max(NEIGHBOURS), algorithm="brute").fit(sounds.train)
    filled = mean_map(train, 1)[0]

    def predict(pairs, count):
        near = search.kneighbors(sounds.of(pairs), return_distance=False)[:, :count]
        return np.stack([_mean_of_known(train.depth(rows), filled) for rows in near])

    return predict


def _mean_of_known(depth: np.ndarray, filled: np.ndarray) -> np.ndarray:
    known = (depth > 0).sum(0)
    return np.where(known > 0, depth.sum(0) / np.maximum(known, 1), filled)


def linear(train: EchoPairs, sounds: Sounds) -> Callable:
    """Fit ridge regression of the logarithm of the depth: ``predict(pairs, penalty)``, (n, y, x) [m]."""
    filled, mean, moment = mean_map(train, 1)[0], 0.0, 0.0
    for rows in chunks(len(train), CHUNK):
        depth = train.depth(rows)
        logarithm = np.log(np.where(depth > 0, depth, filled)).reshape(len(rows), -1)
        mean = mean + logarithm.sum(0) / len(train)
        moment = moment + sounds.train[rows].T @ logarithm  # sounds have a mean of 0
    gram = sounds.train.T @ sounds.train

    @functools.lru_cache(maxsize=1)
    def slope(penalty):
        return np.linalg.solve(gram + penalty * np.eye(len(gram), dtype="float32"), moment)

    def predict(pairs, penalty):
        logarithm = sounds.of(pairs) @ slope(penalty) + mean
        return np.exp(np.clip(logarithm, *LOGARITHMS)).reshape(-1, pairs.size, pairs.size)

    return predict


def first_echo(recipe) -> Callable:
    """Take the first echo from each direction for the depth there: ``predict(pairs, share)``, (n, y, x) [m].

    An echo is what is as strong as a share of the strongest one, distance made up for. It is the same in every row,
    and where the front end knows no directions in every column, too.
    """

    def predict(pairs, share):
        columns = _first_echo(recipe, pairs.sound(np.arange(len(pairs))), share)
        columns = columns[:, np.arange(pairs.size) * columns.shape[1] // pairs.size]
        return np.minimum(np.repeat(columns[:, None], pairs.size, axis=1), pairs.max_depth)

    return predict


def _first_echo(recipe, sound: dict, share: float) -> np.ndarray:
    """Find the depth of the first echo by direction: (n, directions or 1) [m]."""
    forward = np.ones(1)
    if "spectrogram" in sound:
        power = (sound["spectrogram"] ** 2).sum((1, 3))[..., None]
        distance = recipe.data.max_depth * (np.arange(power.shape[1]) + 0.5) / power.shape[1]
    else:
        power = (10.0 ** sound["profile"]).mean(-1)[..., None]
        distance = metres(power.shape[1])
    if "correlation" in sound:
        seen = sound["correlation"][:, :, ASIDE : ASIDE + INSIDE].mean(-1)
        power = power * np.maximum(seen, 0.0)
        forward = np.sqrt(1 - directions(recipe.data.view[0])[ASIDE : ASIDE + INSIDE] ** 2)
    power = power * (distance**3 * (distance > BLIND))[:, None]
    first = (power >= share * power.max(1, keepdims=True)).argmax(1)
    return distance[first] * forward
