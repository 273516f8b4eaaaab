"""Shuffled-audio control: what the echoes of other rooms tell about a room."""

from collections.abc import Callable

import numpy as np

from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import chunks
from kmodels.echo.evaluation.metrics import RMSE, image_scores, scores_per_image

SHIFTS = 8  # ways to pair each room with another one's echoes


def other_rooms(groups: np.ndarray) -> list[np.ndarray]:
    """Choose, up to SHIFTS times, for each pair the row of one of another room.

    Parameters
    ----------
    groups : array
        (n,) the room of each pair.

    Returns
    -------
    list of array
        (n,) rows each. Only one, and not of other rooms alone, where a room has more than half of the pairs.
    """
    n, order = len(groups), np.argsort(groups, kind="stable")
    shuffles = []
    for shift in np.unique(np.linspace(0, n, SHIFTS + 2).astype(int)[1:-1]):
        rows = np.empty(n, int)
        rows[order] = np.roll(order, shift)
        if (groups[rows] != groups).all():
            shuffles.append(rows)
    return shuffles or [np.roll(np.arange(n), n // 2)]


def shuffled_audio_gap(pairs: EchoPairs, depth: np.ndarray, shuffles: list[np.ndarray], mean: np.ndarray) -> float:
    """Compute |r - 1|, r = RMSE of the best shrunken prediction from another room's echoes / RMSE of the mean map.

    The shrunken prediction is mean map + a (prediction - mean map), with the a of least squared error. A model that
    uses its input predicts the other room and is further off than the mean map; the best a is then 0, and so is the
    gap. It is not where the model knows rooms by more than their echoes.

    Parameters
    ----------
    pairs : EchoPairs
        n pairs with depths.
    depth : array
        (n, y, x) [m], predicted from each pair's own echoes.
    shuffles : list of array
        Each (n,): the pairs whose echoes take the place of their own; see `other_rooms`.
    mean : array
        (n, y, x) [m], the mean map of the training rooms.
    """
    size = gain = 0.0
    for rows in shuffles:
        for some in chunks(len(pairs)):
            truth = pairs.depth(some)
            predicted = (truth > 0) * (depth[rows[some]] - mean[some])
            size += float((predicted**2).sum(dtype="float64"))
            gain += float((predicted * (truth - mean[some])).sum(dtype="float64"))
    best = np.float32(gain / max(size, np.finfo("float64").tiny))
    rmse = [
        _rmse(pairs, lambda some, rows=rows: mean[some] + best * (depth[rows[some]] - mean[some])) for rows in shuffles
    ]
    return float(abs(np.mean(rmse) / scores_per_image(pairs, mean)[:, RMSE].mean() - 1))


def _rmse(pairs: EchoPairs, predicted: Callable[[np.ndarray], np.ndarray]) -> float:
    """Average the RMSE of images, (some, y, x) [m], that are made when they are asked for."""
    found = []
    for some in chunks(len(pairs)):
        truth = pairs.depth(some)
        found.append(image_scores(truth, predicted(some), truth > 0)[:, RMSE])
    return np.concatenate(found).mean()
