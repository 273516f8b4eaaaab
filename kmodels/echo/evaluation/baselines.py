"""What needs no network: the mean room, the most similar rooms, a linear map, the first echo from each direction."""

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.echo.data.range_azimuth import ASIDE, INSIDE, directions, metres
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import chunks, mean_map
from kmodels.echo.evaluation.metrics import NAMES, image_scores, score_depth

CELLS = 48  # along the range or time, and at most so many along the other axis, that sounds are averaged to
RMSE = NAMES.index("rmse")
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
        "train", "validation" and "test". What a baseline has to choose, it chooses on the validation rooms.

    Returns
    -------
    dict of str to Scores
        mean_map, every room as the mean of the training rooms; nearest_rooms; linear; first_echo.
    """
    if "train" not in splits:
        return {}
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    found = {"mean_map": mean_map(train, len(test))}
    if len(train) > max(NEIGHBOURS):
        sounds = Sounds(train)
        found["nearest_rooms"] = nearest_rooms(train, validation, test, sounds)
        found["linear"] = linear(train, validation, test, sounds)
    found["first_echo"] = first_echo(recipe, validation, test)
    return {name: score_depth(test, depth, recipe.seed, name == "mean_map") for name, depth in found.items()}


class Sounds:
    """Sounds as rows of numbers: averaged to cells, and scaled by the mean and spread of the training rooms'.

    Parameters
    ----------
    train : EchoPairs
        The training rooms' pairs.
    """

    def __init__(self, train: EchoPairs):
        self.mean, self.spread = 0.0, 1.0
        raw = self.of(train)
        self.mean, self.spread = raw.mean(0), raw.std(0) + 1e-6
        self.train = (raw - self.mean) / self.spread

    def of(self, pairs: EchoPairs) -> np.ndarray:
        """Return (n, numbers) float32."""
        rows = []
        for some in chunks(len(pairs), 256):
            parts = [_cells(name, values) for name, values in sorted(pairs.sound(some).items())]
            rows.append(np.concatenate(parts, axis=1))
        return ((np.concatenate(rows) - self.mean) / self.spread).astype("float32")


def _cells(name: str, values: np.ndarray) -> np.ndarray:
    """Average to CELLS along range or time, and every two directions or four frequencies: (n, numbers)."""
    if name == "spectrogram":
        values = np.log1p(1e3 * values).swapaxes(1, 2)
        values = _averaged(values, 2, max(1, values.shape[2] // 4))
    elif name == "correlation":
        values = _averaged(values, 2, values.shape[2] // 2).mean(-1)
    return _averaged(values, 1, min(CELLS, values.shape[1])).reshape(len(values), -1)


def _averaged(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Average neighbours along an axis to `count`; what is left over at its end is left out."""
    size = values.shape[axis] // count
    values = np.moveaxis(values, axis, -1)[..., : size * count]
    return np.moveaxis(values.reshape(*values.shape[:-1], count, size).mean(-1), -1, axis)


def nearest_rooms(train: EchoPairs, validation: EchoPairs, test: EchoPairs, sounds: Sounds) -> np.ndarray:
    """Average the depth of the training pairs that sound most alike: (n, size, size) [m]."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=max(NEIGHBOURS), algorithm="brute").fit(sounds.train)
    filled = mean_map(train, 1)[0]

    def predict(pairs, count):
        near = search.kneighbors(sounds.of(pairs), return_distance=False)[:, :count]
        return np.stack([_mean_of_known(train.depth(rows), filled) for rows in near])

    return _best(validation, test, predict, NEIGHBOURS)


def linear(train: EchoPairs, validation: EchoPairs, test: EchoPairs, sounds: Sounds) -> np.ndarray:
    """Predict the logarithm of the depth by ridge regression: (n, size, size) [m]."""
    filled = mean_map(train, 1)[0]
    target = np.concatenate([_log_depth(train.depth(rows), filled) for rows in chunks(len(train), 256)])
    mean = target.mean(0)
    gram, moment = sounds.train.T @ sounds.train, sounds.train.T @ (target - mean)
    slopes = {p: np.linalg.solve(gram + p * np.eye(len(gram), dtype="float32"), moment) for p in PENALTIES}

    def predict(pairs, penalty):
        logarithm = sounds.of(pairs) @ slopes[penalty] + mean
        return np.exp(np.clip(logarithm, *LOGARITHMS)).reshape(-1, pairs.size, pairs.size)

    return _best(validation, test, predict, PENALTIES)


def _log_depth(depth: np.ndarray, filled: np.ndarray) -> np.ndarray:
    return np.log(np.where(depth > 0, depth, filled)).reshape(len(depth), -1)


def _mean_of_known(depth: np.ndarray, filled: np.ndarray) -> np.ndarray:
    known = (depth > 0).sum(0)
    return np.where(known > 0, depth.sum(0) / np.maximum(known, 1), filled)


def first_echo(recipe, validation: EchoPairs, test: EchoPairs) -> np.ndarray:
    """Take the first echo from each direction for the depth there, the same in every row: (n, size, size) [m].

    An echo is what is as strong as a share of the strongest one, distance made up for. Where the front end knows no
    directions, it is the same in every column, too.
    """

    def predict(pairs, share):
        found = [_first_echo(recipe, pairs.sound(rows), share) for rows in chunks(len(pairs), 256)]
        columns = np.concatenate(found)
        columns = np.repeat(columns, -(-pairs.size // columns.shape[1]), axis=1)[:, : pairs.size]
        return np.minimum(np.repeat(columns[:, None], pairs.size, axis=1), pairs.max_depth)

    return _best(validation, test, predict, SHARES)


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


def _best(validation: EchoPairs, test: EchoPairs, predict, choices) -> np.ndarray:
    """Predict the test pairs by the choice that has the lowest RMSE on the validation pairs."""
    truth = validation.depth(np.arange(len(validation)))
    errors = [image_scores(truth, predict(validation, choice), truth > 0)[:, RMSE].mean() for choice in choices]
    return predict(test, choices[int(np.argmin(errors))]).astype("float32")
