"""Hard-negative mining: train again on the invalid sequences that the model predicts valid."""

from dataclasses import dataclass

import keras
import numpy as np

from kmodels.core.spec.task import Examples
from kmodels.core.training import batching, inference
from kmodels.core.training.devices import distribution

MOST = 8  # of the missed, at most one for so many examples: a quarter of an epoch with the pairs, not a second one


class HardNegativeMining(keras.callbacks.Callback):
    """Train once more, after each epoch, on the invalid training sequences that the model predicts valid.

    Writes `hard_negatives/missed` and `hard_negatives/found_after` into the epoch's logs, see `mine_hard_negatives`.

    Parameters
    ----------
    trace : Trace
        The training sequences.
    examples : Examples
        The same sequences, encoded.
    recipe : NandRecipe
        Of the run.
    """

    def __init__(self, trace, examples, recipe):
        super().__init__()
        self.trace, self.examples, self.recipe = trace, examples, recipe

    def on_epoch_end(self, epoch, logs=None):
        """Mine."""
        figures = mine_hard_negatives(self.model, self.trace, self.examples, self.recipe)
        logs.update({f"hard_negatives/{name}": value for name, value in figures.items()})


def mine_hard_negatives(model, trace, examples, recipe) -> dict[str, float]:
    """Train once more on the invalid training sequences whose probability is below the model's threshold.

    Each comes with the valid sequence of its pair: batches of invalid ones alone teach "always invalid" within a dozen
    steps (validation loss from 0.08 to 0.94 in an early epoch). Where many are missed, some are sampled at random. The
    steps do not count for the learning rate's schedule, as their number is not known beforehand.

    Parameters
    ----------
    model : NandClassifier
        Compiled.
    trace : Trace
        The training sequences.
    examples : Examples
        The same sequences, encoded.
    recipe : NandRecipe
        Of the run.

    Returns
    -------
    dict of str to float
        missed: how many. found_after: the share of them that is found afterwards. Nothing where the recipe does not
        ask for mining.
    """
    if not recipe.train.hard_negatives:
        return {}
    size = recipe.train.batch_size
    missed = _missed(model, examples, np.flatnonzero(trace.invalid), size)
    if not len(missed):
        return {"missed": 0.0}
    rng = np.random.default_rng([recipe.seed, int(inference.as_numpy(model.optimizer.iterations))])
    again = rng.permutation(missed)[: max(1, len(examples) // MOST)]
    rows = np.flatnonzero(np.isin(trace.pair, trace.pair[again]))
    _train(model, examples, rng.permutation(rows), size)
    still = _missed(model, examples, missed, size)
    return {"missed": float(len(missed)), "found_after": 1 - len(still) / len(missed)}


def _train(model, examples, rows, size) -> None:
    """Pass once over the rows, at the learning rate of now."""
    iterations = int(inference.as_numpy(model.optimizer.iterations))
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        weight = (np.arange(size) < len(some)).astype("float32")
        batch = (*examples.take(batching.filled(some, size)), weight)
        distribution.current().step(model, batch)
    model.optimizer.iterations.assign(iterations)


@dataclass(frozen=True)
class _Some:
    """Some of the examples."""

    examples: Examples
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows) -> tuple[dict, dict]:
        return self.examples.take(self.rows[rows])


def _missed(model, examples, rows, size) -> np.ndarray:
    """Those of the rows that the model predicts valid."""
    logit = inference.predict(model, _Some(examples, rows), size)["invalid"]
    threshold = float(inference.as_numpy(model.threshold))
    return rows[1 / (1 + np.exp(-logit.astype("float64"))) < threshold]
