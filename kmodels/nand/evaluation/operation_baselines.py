"""Baselines that judge operation by operation, from labels of the operation that breaks the rule.

Each sees an operation's own columns, as the network does, and a window on the operations before it in the same block:
which they were, and how far its page lies from theirs. That is the past as far as a table holds it; what is left out is
the state that a network carries beyond the window.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

from kmodels.core.io.rows import Appended, memory_bytes
from kmodels.core.report import verification
from kmodels.nand.data import encode
from kmodels.nand.data.records import BYTES, OPERATIONS, PAD, Trace
from kmodels.nand.evaluation.prediction import Prediction

WINDOW = 8  # operations before, in the same block
CONTEXT = 3  # of them that an n-gram sees
FARTHEST = 16  # page distances that an n-gram tells apart, either sign
SMOOTHING = 0.5  # weight of the shorter n-gram, in counts
NEGATIVES = 15  # operations that the trees learn from, for each violation: all would take minutes


def predict(recipe, parts: dict[str, Trace], judged: dict[str, Trace]) -> dict[str, dict[str, Prediction]]:
    """Fit each on the training part, choose its threshold on the validation part, predict what is judged.

    Parameters
    ----------
    recipe : NandRecipe
        Its model section gives the columns.
    parts : dict of str to Trace
        train and, for the threshold, validation (the training part where there is none).
    judged : dict of str to Trace
        What is predicted, by name.

    Returns
    -------
    dict of str to dict of str to Prediction
        ngram, decision_tree and boosted_trees, each of what is judged; nothing where the training part does not say
        which operations break a rule.
    """
    train = learnt_from(parts["train"].take(~parts["train"].invalid | (parts["train"].violation_index >= 0)))
    if not 0 < train.invalid.sum() < len(train):
        return {}
    predicted = {"tuning": parts.get("validation", train)} | judged
    ngrams = Ngrams(train)
    predictions = {"ngram": _predict(predicted, ngrams.score)}
    trees = {
        "decision_tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=recipe.seed),
        "boosted_trees": HistGradientBoostingClassifier(early_stopping=False, random_state=recipe.seed),
    }
    known, broken = _features(train, recipe), _violations(train)[train.op != PAD]
    rows = _choose_operations(broken, recipe.seed)
    for name, tree in trees.items():
        tree.fit(known[rows], broken[rows])
        predictions[name] = _predict(
            predicted, lambda some, tree=tree: _in_place(tree.predict_proba(_features(some, recipe))[:, 1], some)
        )
    return predictions


def learnt_from(train: Trace) -> Trace:
    """Read what a baseline learns from: of a training part on disk as many sequences, spread over it, as fit."""
    fit = max(1, memory_bytes() // (BYTES * train.op.shape[1]))
    rows = np.arange(len(train)) if not train.on_disk else np.linspace(0, len(train) - 1, min(fit, len(train)))
    return train.read(np.unique(rows.astype(int)))


def _predict(traces: dict[str, Trace], score: Callable[[Trace], np.ndarray]) -> dict[str, Prediction]:
    """Give a sequence the highest probability of its operations; score(some sequences): (n, time) of them."""
    probability = {}
    for name, trace in traces.items():
        made = Appended()
        for some in trace.blocks():
            made.append(score(trace.read(some)))
        probability[name] = made.array()
    highest = {name: np.asarray(values.max(axis=1)) for name, values in probability.items()}
    threshold = verification.choose_threshold(highest["tuning"], traces["tuning"].invalid)
    return {
        name: Prediction(trace.name, highest[name], threshold, probability[name])
        for name, trace in traces.items()
        if name != "tuning"
    }


def _choose_operations(broken: np.ndarray, seed: int) -> np.ndarray:
    """Choose what the trees learn from: all violations and some of the other operations, (operations,) bool."""
    share = min(1.0, NEGATIVES * broken.sum() / max((~broken).sum(), 1))
    return broken | (np.random.default_rng(seed).random(len(broken)) < share)


def _in_place(values: np.ndarray, trace: Trace) -> np.ndarray:
    """Put values of all operations, (operations,), where these stand, and 0 behind the end: (n, time)."""
    placed = np.zeros(trace.op.shape)
    placed[trace.op != PAD] = values
    return placed


class Ngrams:
    """The share of violations among the operations with the same context, of as many operations as were seen before.

    ::

        p_k = (v_k + c p_{k-1}) / (n_k + c),   k = 0 .. CONTEXT

    v_k of the n_k training operations with the same k tokens before (and the same own token) broke a rule; a token is
    an operation and its page's distance from the page before, in the same block.

    Parameters
    ----------
    train : Trace
        Labelled sequences.
    """

    def __init__(self, train: Trace):
        broken = _violations(train)[train.op != PAD]
        self.prior, self.counts = broken.mean(), []
        for keys in _contexts(train):
            names, place, n = np.unique(keys, return_inverse=True, return_counts=True)
            self.counts.append((names, n, np.bincount(place, weights=broken)))

    def score(self, trace: Trace) -> np.ndarray:
        """Give each operation the probability that it breaks a rule, 0 behind the end: (n, time)."""
        p = np.full((trace.op != PAD).sum(), self.prior)
        for keys, (names, n, broken) in zip(_contexts(trace), self.counts, strict=True):
            place = np.minimum(np.searchsorted(names, keys), len(names) - 1)
            seen = names[place] == keys
            p = np.where(seen, (broken[place] + SMOOTHING * p) / (n[place] + SMOOTHING), p)
        return _in_place(p, trace)


def _violations(trace: Trace) -> np.ndarray:
    """Mark the first violation of each sequence: (n, time) bool."""
    steps = np.arange(trace.op.shape[1])
    return trace.invalid[:, None] & (steps == trace.violation_index[:, None])


def _features(trace: Trace, recipe) -> np.ndarray:
    """Tabulate each operation's columns and its window: (operations, columns + 2 WINDOW), NaN where there is none."""
    real = trace.op != PAD
    inputs = encode.encode(trace, recipe).inputs
    own = np.concatenate([inputs[name][real] for name in sorted(inputs)], axis=-1)
    before = (np.stack(part, axis=-1)[real] for part in zip(*_before(trace, WINDOW), strict=True))
    return np.concatenate([own, *before], axis=-1).astype("float32")


def _before(trace: Trace, window: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For the 1st, 2nd, ... operation before in the same block: its kind and the distance to its page, NaN for none."""
    time = np.arange(trace.op.shape[1])
    slot = np.where(trace.op == PAD, trace.op.shape[1], trace.slots())
    order = np.argsort(slot, axis=1, kind="stable")
    back = np.argsort(order, axis=1)
    op, page, slot = (np.take_along_axis(part, order, 1) for part in (trace.op, trace.page, slot))
    found = []
    for k in range(1, window + 1):
        same = (time >= k) & (slot == np.roll(slot, k, axis=1))
        kind, distance = np.roll(op, k, axis=1), page - np.roll(page, k, axis=1)
        found.append(tuple(np.take_along_axis(np.where(same, part, np.nan), back, 1) for part in (kind, distance)))
    return found


def _contexts(trace: Trace) -> list[np.ndarray]:
    """Code each operation's token, alone and with one, two, ... of those before it: (operations,) int64 each."""
    real = trace.op != PAD
    before = [(kind[real], distance[real]) for kind, distance in _before(trace, CONTEXT + 1)]
    kinds, distances = [trace.op[real], *(kind for kind, _ in before)], [distance for _, distance in before]
    # Distances to the own page, as steps from one operation to the next
    steps = [distances[0], *(b - a for a, b in pairwise(distances))]
    tokens = [
        np.nan_to_num(kind, nan=len(OPERATIONS)) * (2 * FARTHEST + 2)
        + np.nan_to_num(np.clip(step, -FARTHEST, FARTHEST) + FARTHEST + 1, nan=0)
        for kind, step in zip(kinds, steps, strict=False)
    ]
    size = (len(OPERATIONS) + 1) * (2 * FARTHEST + 2)
    keys = [tokens[0].astype("int64")]
    for token in tokens[1:]:
        keys.append(keys[-1] * size + token.astype("int64"))
    return keys
