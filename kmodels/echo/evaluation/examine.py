"""A longer look at a trained model: does it listen, and does its base know more than the rooms it was trained on?"""

from dataclasses import replace

import numpy as np

from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.core.training import inference
from kmodels.echo.data.encode import encode
from kmodels.echo.data.records import EchoPairs, split
from kmodels.echo.data.statistics import mean_map
from kmodels.echo.evaluation.metrics import NAMES, base_errors, own_scores, scored
from kmodels.echo.evaluation.prediction import DepthImages, decode

RMSE = NAMES.index("rmse")
SHIFTS = 8  # ways to pair each room with another one's echoes


def examine(model, pairs: EchoPairs, recipe) -> ExtendedEvaluation:
    """Baseline `shuffled_audio`: the model hears another room. `shuffled_off`: see `what_others_tell`.
    `base_mae_trained`, `base_mae_unseen` [m], `base_gap` = unseen / trained: of the base against the low-passed truth.

    What needs the training rooms is None for a user's file that is judged alone.
    """
    seen = predict(model, pairs, recipe)
    others = other_rooms(pairs.groups)
    shuffled = scored(pairs, seen.depth[others[len(others) // 2]], recipe.seed)
    values = dict.fromkeys(("shuffled_off", "base_mae_trained", "base_mae_unseen", "base_gap"))
    train = training_part(pairs, recipe)
    if train is not None:
        values["shuffled_off"] = what_others_tell(pairs, seen.depth, others, mean_map(train, len(pairs)))
        if recipe.model.architecture == "base_residual":
            some = train.take(np.unique(np.linspace(0, len(train) - 1, len(pairs)).astype(int)))
            trained, unseen = (
                float(base_errors(each, recipe.train.lowpass).mean()) for each in (predict(model, some, recipe), seen)
            )
            values |= {"base_mae_trained": trained, "base_mae_unseen": unseen, "base_gap": unseen / trained}
    return ExtendedEvaluation(Scores(values), {"shuffled_audio": shuffled})


def what_others_tell(pairs: EchoPairs, depth: np.ndarray, others: list[np.ndarray], free: np.ndarray) -> float:
    """|r - 1|, r = RMSE of what another room's echoes say / RMSE of the mean map, where it is said as cautiously as
    helps most: mean map + a (what the model says - mean map), with the a of least squared error.

    A model that listens believes the other room and is further off than the mean map; the a that helps most is then
    0, and so is this. It is not where the model knows rooms by more than their echoes.
    depth: (n, y, x) [m] of each pair's own echoes. others: each the pairs whose echoes are heard in place of their
    own. free: the mean map of the training rooms.
    """
    truth = pairs.depth(np.arange(len(pairs)))
    known, wanted = truth > 0, truth - free
    size = gain = 0.0
    for heard in others:
        said = known * (depth[heard] - free)
        size += float((said**2).sum(dtype="float64"))
        gain += float((said * wanted).sum(dtype="float64"))
    best = np.float32(gain / max(size, np.finfo("float64").tiny))
    off = [own_scores(pairs, free + best * (depth[heard] - free))[:, RMSE].mean() for heard in others]
    return float(abs(np.mean(off) / own_scores(pairs, free)[:, RMSE].mean() - 1))


def predict(model, pairs: EchoPairs, recipe) -> DepthImages:
    """The model's depth images of these pairs."""
    return decode(model, pairs, inference.predict(model, encode(pairs, recipe), recipe.train.batch_size))


def other_rooms(groups: np.ndarray) -> list[np.ndarray]:
    """Up to SHIFTS times, for each pair the row of one of another room.

    Once, and not always another one, where a room has more than half of the pairs.
    """
    n, order = len(groups), np.argsort(groups, kind="stable")
    found = []
    for shift in np.unique(np.linspace(0, n, SHIFTS + 2).astype(int)[1:-1]):
        heard = np.empty(n, int)
        heard[order] = np.roll(order, shift)
        if (groups[heard] != groups).all():
            found.append(heard)
    return found or [np.roll(np.arange(n), n // 2)]


def training_part(pairs: EchoPairs, recipe) -> EchoPairs | None:
    """The pairs that were loaded beside these test pairs to train on; None where these are not a test part."""
    everything = replace(pairs, index=np.arange(len(pairs.sources)))
    rows = split(everything, recipe)
    return everything.take(rows["train"]) if np.array_equal(rows["test"], pairs.index) else None
