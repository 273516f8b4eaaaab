"""Data in an order that is a pure function of (seed, epoch), in batches that all have one shape."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ArrayExamples:
    """Examples in memory: dictionaries of arrays, rows first."""

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows."""
        return tuple({k: v[rows] for k, v in part.items()} for part in (self.inputs, self.targets))


def steps_per_epoch(n_examples: int, batch_size: int) -> int:
    """Batches that hold every example once."""
    return -(-n_examples // batch_size)


def epoch_order(n_examples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's examples: a pure function of its arguments."""
    return np.random.default_rng([seed, epoch]).permutation(n_examples)


def batches(examples, batch_size: int, seed: int, first_step: int = 0) -> Iterator[tuple]:
    """Endless (inputs, targets, weights); batch k is a pure function of (seed, k), so any step can be resumed.

    Every epoch holds every example once. The last batch of an epoch is filled up with examples of weight 0, so
    that all batches have one shape and nothing is compiled twice.
    """
    per_epoch = steps_per_epoch(len(examples), batch_size)
    order, order_of = None, None
    for step in itertools.count(first_step):
        epoch, position = divmod(step, per_epoch)
        if epoch != order_of:
            order, order_of = epoch_order(len(examples), seed, epoch), epoch
        rows = order[position * batch_size : (position + 1) * batch_size]
        inputs, targets = examples.take(_filled(rows, batch_size))
        yield inputs, targets, (np.arange(batch_size) < len(rows)).astype("float32")


def predict(model, examples, batch_size: int, progress: Callable[[int, int], None] | None = None) -> dict:
    """The model's outputs for all examples, in their order, as a dictionary of arrays."""
    parts = []
    for rows, inputs, _ in _in_order(examples, batch_size):
        parts.append(_outputs(model, inputs, len(rows)))
        if progress:
            progress(int(rows[-1]) + 1, len(examples))
    return _joined(parts)


def predict_and_score(model, examples, batch_size: int) -> tuple[dict, dict[str, float]]:
    """The outputs for all examples, and the mean of every loss term over them with their weighted sum `loss`."""
    parts, terms = [], []
    for rows, inputs, targets in _in_order(examples, batch_size):
        n = len(rows)
        parts.append(_outputs(model, inputs, n))
        inputs, targets = ({k: v[:n] for k, v in part.items()} for part in (inputs, targets))
        values = model.terms(inputs, targets, parts[-1])
        terms.append({name: as_numpy(value).astype("float64") for name, value in values.items()})
    means = {name: float(values.mean()) for name, values in _joined(terms).items()}
    loss = sum(float(model.term_weights[name]) * value for name, value in means.items())
    return _joined(parts), {"loss": loss} | means


def as_numpy(tensor) -> np.ndarray:
    """Any backend's tensor as a NumPy array."""
    from keras import ops

    return ops.convert_to_numpy(tensor)


def _in_order(examples, batch_size):
    """(rows, inputs, targets) of batches in order, each filled up to the full size."""
    for start in range(0, len(examples), batch_size):
        rows = np.arange(start, min(start + batch_size, len(examples)))
        yield rows, *examples.take(_filled(rows, batch_size))


def _outputs(model, inputs, n):
    outputs = model.predict_on_batch(inputs)
    return {name: np.asarray(value)[:n] for name, value in outputs.items()}


def _joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _filled(rows, size):
    """`rows` repeated from the start until there are `size` of them."""
    return np.resize(rows, size)


def split_groups(groups: np.ndarray, fractions: tuple[float, float, float], seed: int) -> dict[str, np.ndarray]:
    """Row indices of train, validation and test that share no group (a pair, a room, a run, a day).

    groups: (rows,) of any type. fractions: of the groups, in that order.
    """
    names, member = np.unique(groups, return_inverse=True)
    order = np.random.default_rng([seed, 0x5B117]).permutation(len(names))
    bounds = np.round(np.cumsum(fractions) / np.sum(fractions) * len(names)).astype(int)
    part = np.searchsorted(bounds, np.argsort(order), side="right")
    return {name: np.flatnonzero(part[member] == k) for k, name in enumerate(("train", "validation", "test"))}
