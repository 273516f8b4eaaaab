"""The shuffled-audio control, and the base's errors in trained and unseen rooms."""

import numpy as np

from kmodels.core.io.rows import Chosen
from kmodels.core.spec.task import ExtendedEvaluation, Scores
from kmodels.core.training import inference
from kmodels.echo.data.encode import encode
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import mean_map
from kmodels.echo.evaluation.metrics import base_errors, score_depth
from kmodels.echo.evaluation.prediction import DepthImages, decode
from kmodels.echo.evaluation.shuffled_audio import other_rooms, shuffled_audio_gap


def extended_evaluation(model, splits: dict[str, EchoPairs], recipe) -> ExtendedEvaluation:
    """Compare with shuffled audio, and the base's errors in training rooms with those in unseen ones.

    Parameters
    ----------
    model : keras.Model
        The trained network.
    splits : dict of str to EchoPairs
        "train", "validation" and "test", or "test" alone for a user's file.
    recipe : EchoRecipe
        The run's.

    Returns
    -------
    ExtendedEvaluation
        Baseline `shuffled_audio`: the model is given another room's echoes. Scores `shuffled_audio_ratio`, its RMSE
        with these / with the right ones, 1 for a model that does not listen; `shuffled_audio_gap`;
        `base_mae_trained`, `base_mae_unseen` [m], of the base against the low-passed truth, and `base_gap` = unseen /
        trained. What needs training rooms is None where there are none.
    """
    test = splits["test"]
    images = predict(model, test, recipe)
    shuffles = other_rooms(test.groups)
    shuffled = score_depth(test, Chosen(images.depth, shuffles[len(shuffles) // 2]), recipe.seed, protocols=False)
    values = dict.fromkeys(("shuffled_audio_gap", "base_mae_trained", "base_mae_unseen", "base_gap"))
    own = score_depth(test, images.depth, recipe.seed, protocols=False)
    ratio = shuffled.with_ratio("rmse", own, "shuffled_audio_ratio").only("shuffled_audio_ratio")
    if "train" in splits:
        train = splits["train"]
        values["shuffled_audio_gap"] = shuffled_audio_gap(test, images.depth, shuffles, mean_map(train, len(test)))
        if recipe.has_base:
            some = train.take(np.unique(np.linspace(0, len(train) - 1, len(test)).astype(int)))
            values |= compare_bases(predict(model, some, recipe), images, recipe.train.lowpass)
    return ExtendedEvaluation(ratio.merge(Scores(values)), {"shuffled_audio": shuffled})


def predict(model, pairs: EchoPairs, recipe) -> DepthImages:
    """Predict the depth images of these pairs."""
    return decode(model, pairs, inference.predict(model, encode(pairs, recipe), recipe.train.batch_size))


def compare_bases(trained: DepthImages, unseen: DepthImages, lowpass: int) -> dict[str, float]:
    """Compare the base's mean absolute errors [m] in rooms of the training and in unseen ones."""
    errors = [float(base_errors(images, lowpass).mean()) for images in (trained, unseen)]
    return {"base_mae_trained": errors[0], "base_mae_unseen": errors[1], "base_gap": errors[1] / errors[0]}
