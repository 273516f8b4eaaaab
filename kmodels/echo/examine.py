"""A longer look at a trained model: does it listen, and does its base know more than the rooms it was trained on?"""

from dataclasses import replace

import numpy as np

from kmodels.core import inference
from kmodels.core.task import Examined, Scores
from kmodels.echo.encode import encode
from kmodels.echo.metrics import averaged, base_errors, mean_map, own_scores, scored
from kmodels.echo.pairs import EchoPairs, split
from kmodels.echo.prediction import DepthImages, decode


def examine(model, pairs: EchoPairs, recipe) -> Examined:
    """Baseline `shuffled_audio`: the model hears another room. `shuffled_ratio`: that error as a share of the mean
    map's. `base_mae_trained`, `base_mae_unseen` [m], `base_gap` = unseen / trained: of the base against the low-passed
    truth.

    What needs the training rooms is None for a user's file that is judged alone.
    """
    shuffled = scored(pairs, predict(model, other_rooms(pairs), recipe).depth, recipe.seed)
    values = dict.fromkeys(("shuffled_ratio", "base_mae_trained", "base_mae_unseen", "base_gap"))
    train = training_part(pairs, recipe)
    if train is not None:
        free = averaged(own_scores(pairs, mean_map(train, len(pairs))), pairs.groups, recipe.seed)
        values["shuffled_ratio"] = shuffled.values["rmse"] / free.values["rmse"]
        if recipe.model.architecture == "base_residual":
            some = train.take(np.unique(np.linspace(0, len(train) - 1, len(pairs)).astype(int)))
            trained, unseen = (
                float(base_errors(predict(model, each, recipe), recipe.train.lowpass).mean()) for each in (some, pairs)
            )
            values |= {"base_mae_trained": trained, "base_mae_unseen": unseen, "base_gap": unseen / trained}
    return Examined(Scores(values), {"shuffled_audio": shuffled})


def predict(model, pairs: EchoPairs, recipe) -> DepthImages:
    """The model's depth images of these pairs."""
    return decode(model, pairs, inference.predict(model, encode(pairs, recipe), recipe.train.batch_size))


def other_rooms(pairs: EchoPairs) -> EchoPairs:
    """As many pairs, in the place of each one of another room (none where one room has more than half of them)."""
    order = np.argsort(pairs.groups, kind="stable")
    heard = np.empty(len(pairs), int)
    heard[order] = np.roll(order, len(pairs) // 2)
    return pairs.take(heard)


def training_part(pairs: EchoPairs, recipe) -> EchoPairs | None:
    """The pairs that were loaded beside these test pairs to train on; None where these are not a test part."""
    everything = replace(pairs, index=np.arange(len(pairs.sources)))
    rows = split(everything, recipe)
    return everything.take(rows["train"]) if np.array_equal(rows["test"], pairs.index) else None
