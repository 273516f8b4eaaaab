"""Shuffled-audio control: what the echoes of other rooms tell about a room."""

import numpy as np

from kmodels.echo.data.records import EchoPairs
from kmodels.echo.evaluation.metrics import NAMES, scores_per_image

RMSE = NAMES.index("rmse")
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
    truth = pairs.depth(np.arange(len(pairs)))
    known, wanted = truth > 0, truth - mean
    size = gain = 0.0
    for rows in shuffles:
        predicted = known * (depth[rows] - mean)
        size += float((predicted**2).sum(dtype="float64"))
        gain += float((predicted * wanted).sum(dtype="float64"))
    best = np.float32(gain / max(size, np.finfo("float64").tiny))
    rmse = [scores_per_image(pairs, mean + best * (depth[rows] - mean))[:, RMSE].mean() for rows in shuffles]
    return float(abs(np.mean(rmse) / scores_per_image(pairs, mean)[:, RMSE].mean() - 1))
