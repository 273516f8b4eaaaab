"""Metrics of the generator: how legal, how new and how like the data its sequences are."""

import numpy as np
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.nand.data.records import OPERATIONS, Trace
from kmodels.nand.generator.data.encode import Vocabulary, tokens
from kmodels.nand.generator.evaluation.prediction import Prediction, first_illegal


def metrics(parts: dict[str, Trace], prediction: Prediction, seed: int) -> Scores:
    """Score a model by the sequences that it generates and by its likelihood of the held-out legal ones.

    Parameters
    ----------
    parts : dict of str to Trace
        "test" and, where it is known, "train".
    prediction : Prediction
        Of the test part.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Scores
        See `SampleEvaluator.evaluate` and `detection`. validity_untruncated: share of legal sequences where no unlikely
        token is left out.
    """
    model = prediction.model
    rows = np.isfinite(prediction.log_likelihood) & is_valid(parts["test"])
    nats = -prediction.log_likelihood[rows], prediction.length[rows]
    evaluator = SampleEvaluator(parts, model.rules, model.vocabulary, seed)
    scores = evaluator.evaluate(prediction.generate(False), prediction.generate(True), *nats)
    plain = prediction.generate(False, truncated=False)
    scores = scores.merge(Scores({"validity_untruncated": float((~plain.invalid).mean())}))
    return scores.merge(Scores(detection(parts["test"], prediction.surprise, prediction.threshold)))


def detection(trace: Trace, surprise: np.ndarray, threshold: float) -> dict[str, float | None]:
    """Score surprise as a detector of violations.

    Parameters
    ----------
    trace : Trace
        n sequences, labelled.
    surprise : ndarray of float, shape (n, time)
        Of their operations [nats], 0 behind the end.
    threshold : float
        Above which an operation counts as illegal.

    Returns
    -------
    dict of str to float or None
        false_alarms: share of the legal sequences that hold such an operation. auroc: of the sequences' highest
        surprise. detected: share of the illegal sequences that hold one; localisation: that hold the first one where
        the first violation is. None where there are no such sequences.
    """
    valid, index = is_valid(trace), first_illegal(surprise, threshold)
    values = dict.fromkeys(("false_alarms", "auroc", "detected", "localisation"))
    if valid.any():
        values["false_alarms"] = float((index[valid] >= 0).mean())
    if not valid.all():
        values["detected"] = float((index[~valid] >= 0).mean())
        values["localisation"] = float((index == trace.violation_index)[~valid].mean())
        if valid.any():
            highest = np.minimum(surprise.max(axis=1), np.finfo("float64").max)
            values["auroc"] = float(roc_auc_score(~valid, highest))
    return values


def is_valid(trace: Trace) -> np.ndarray:
    """Mark the sequences that are labelled valid; all, where there are no labels: (n,) bool."""
    return np.ones(len(trace), bool) if trace.invalid is None else ~trace.invalid


class SampleEvaluator:
    """Compare generated sequences with the data. Intervals: bootstrap over whole sequences.

    Parameters
    ----------
    parts : dict of str to Trace
        "test" and, where it is known, "train"; without "train" novelty and coverage are None.
    data : Data
        The rules: a recipe's data section.
    vocabulary : Vocabulary
        The tokens that are counted.
    seed : int
        Of the bootstrap.
    """

    def __init__(self, parts: dict[str, Trace], data, vocabulary: Vocabulary, seed: int):
        self.data, self.vocabulary, self.seed = data, vocabulary, seed
        self.train = parts.get("train")
        test = parts["test"].take(is_valid(parts["test"]))
        self.held_out = self.count_bins(test).sum(axis=0)

    def count_bins(self, trace: Trace) -> np.ndarray:
        """Count each (op, page offset) in each sequence: (n, words); illegal operations are in no bin."""
        token = tokens(trace, self.data, self.vocabulary)
        row, step = np.nonzero(token >= 0)
        counts = np.zeros((len(trace), self.vocabulary.words))
        np.add.at(counts, (row, token[row, step] % self.vocabulary.words), 1)
        return counts

    def count_operations(self, bins: np.ndarray) -> np.ndarray:
        """Add the counts of an operation's bins up: (..., words) -> (..., 3)."""
        member = self.vocabulary.op[: self.vocabulary.words][:, None] == np.arange(len(OPERATIONS))
        return bins @ member

    def evaluate(
        self, free: Trace, constrained: Trace, nats: np.ndarray | None = None, length: np.ndarray | None = None
    ) -> Scores:
        """Score generated sequences.

        Parameters
        ----------
        free, constrained : Trace
            Generated without and with the rules' mask, labelled by the rules.
        nats, length : ndarray, optional
            Negative log-likelihood [nats] and operations of each held-out sequence.

        Returns
        -------
        Scores
            validity_*: share of legal sequences. novelty*: share of sequences that the training data does not hold.
            coverage: share of the training data's (operation, page offset) bins that are generated. mix_distance and
            offset_mix_distance: Jensen-Shannon distance (base 2) of the mix of operations and of bins from the
            held-out data's. nats_per_operation: cross-entropy of the held-out data.
        """
        shares = {"validity_free": ~free.invalid, "validity_constrained": ~constrained.invalid}
        if self.train is not None:
            seen = set(sequence_keys(self.train))
            shares |= {"novelty": _is_new(constrained, seen), "novelty_free": _is_new(free, seen)}
        scores = {name: self._share(mask) for name, mask in shares.items()}
        bins = self.count_bins(constrained)
        scores["mix_distance"] = self._distance(self.count_operations(bins), self.count_operations(self.held_out))
        scores["offset_mix_distance"] = self._distance(bins, self.held_out)
        if nats is not None and len(nats):
            scores["nats_per_operation"] = self._resample(lambda w: (w @ nats) / (w @ length), len(nats))
        values = {"novelty": None, "novelty_free": None, "coverage": self._coverage(bins), "nats_per_operation": None}
        values |= {name: value for name, (value, _) in scores.items()}
        return Scores(values, {name: pair for name, (_, pair) in scores.items() if pair})

    def _coverage(self, bins) -> float | None:
        if self.train is None:
            return None
        there = self.count_bins(self.train).any(axis=0)
        return float(bins.any(axis=0)[there].mean())

    def _share(self, mask):
        return self._resample(lambda w: (w @ mask.astype("float32")) / len(mask), len(mask))

    def _distance(self, counts, reference):
        """Jensen-Shannon distance, base 2, of the mix of the sequences from that of the data."""
        reference = reference[None] / reference.sum()

        def distances(weights):
            mix = weights @ counts
            return jensenshannon(mix / mix.sum(axis=1, keepdims=True), reference, base=2, axis=1)

        return self._resample(distances, len(counts))

    def _resample(self, statistic, n):
        """Compute (value, 95% interval) of a statistic of n sequences' weights, (rows, n) -> (rows,)."""
        value = float(statistic(np.ones((1, n), "float32"))[0])
        return value, verification.interval(statistic(verification.bootstrap_weights(np.arange(n), self.seed)), n)


def sequence_keys(trace: Trace) -> list[bytes]:
    """Make one key a sequence, equal where (op, slot, page) of all operations are."""
    whole = np.stack([trace.op, trace.slots(), trace.page], axis=-1).astype("int32")
    return [row[:length].tobytes() for row, length in zip(whole, trace.length, strict=True)]


def _is_new(trace: Trace, seen: set[bytes]) -> np.ndarray:
    return np.array([key not in seen for key in sequence_keys(trace)])
