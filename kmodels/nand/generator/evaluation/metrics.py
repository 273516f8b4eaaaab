"""How legal, how new and how like the data the generated sequences are; the baselines beside them; decoding."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon

from kmodels.core.io import files
from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.nand.data.records import OPERATIONS, Trace
from kmodels.nand.generator.data.encode import END, ILLEGAL, tokens, vocabulary
from kmodels.nand.generator.evaluation import sampling

SEED = 1  # of the sequences that a model writes to be judged; the same at every judgement
UNSEEN = 0.01  # what a word count begins with, so that nothing is impossible


@dataclass(frozen=True)
class Prediction:
    """How likely n given sequences are to the model, and the model itself, which writes new ones.

    name: (n,) as in the file. length: (n,) operations. log_likelihood: (n,) ln p of the whole sequence [nats], -inf
    where a rule is broken: the model has no word for that. illegal_step: (n,) the first such operation, -1 for none.
    """

    name: np.ndarray
    length: np.ndarray
    log_likelihood: np.ndarray
    illegal_step: np.ndarray
    model: object
    _written: dict = field(default_factory=dict, repr=False)

    @property
    def legal(self) -> np.ndarray:
        """(n,) bool."""
        return self.illegal_step < 0

    def frame(self) -> pd.DataFrame:
        """A row a sequence: nats an operation, perplexity exp(-that), and the first illegal step, -1 for none."""
        mean = self.log_likelihood / self.length
        table = {
            "sequence": self.name,
            "operations": self.length,
            "log_likelihood_per_operation": mean,
            "perplexity": np.exp(-mean),
            "illegal_step": self.illegal_step,
        }
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet."""
        files.write_table(path, self.frame())

    def samples(self, constrained: bool, n: int | None = None) -> Trace:
        """n sequences of the model (None: as many as it is judged by), written when first asked for."""
        key = (constrained, n or self.model.samples)
        if key not in self._written:
            self._written[key] = sampling.generate(self.model, key[1], SEED, constrained)
        return self._written[key]


def decode(model, trace: Trace, outputs: dict) -> Prediction:
    """The log-likelihood of every sequence from the logits of its tokens."""
    token = tokens(trace, model.rules, model.known)
    illegal = token == ILLEGAL
    first = np.where(illegal.any(axis=1), illegal.argmax(axis=1), -1)
    said = _log_likelihood(outputs["token"], token)
    return Prediction(trace.name, trace.length, np.where(first < 0, said, -np.inf), first, model)


def _log_likelihood(logits, token) -> np.ndarray:
    """sum_t ln softmax(logits)_t[token_t] over the legal operations: (n, time, size), (n, time) -> (n,) [nats]."""
    logits = logits.astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = np.take_along_axis(logits, np.maximum(token, 0)[..., None], axis=-1)[..., 0]
    log_p -= np.log(np.exp(logits).sum(axis=-1))
    return np.where(token >= 0, log_p, 0.0).sum(axis=1)


def metrics(parts: dict[str, Trace], prediction: Prediction, seed: int) -> Scores:
    """All scores of a model, from sequences that it writes and from its likelihood of the held-out legal ones."""
    model = prediction.model
    rows = prediction.legal & _legal(parts["test"])
    nats = -prediction.log_likelihood[rows], prediction.length[rows]
    judge = Judge(parts, model.rules, model.known, seed)
    return judge.scores(prediction.samples(False), prediction.samples(True), *nats)


def _legal(trace: Trace) -> np.ndarray:
    """The sequences that their labels call valid; all, where there are no labels."""
    return np.ones(len(trace), bool) if trace.invalid is None else ~trace.invalid


class Judge:
    """Scores of written sequences against the data of `parts`. Intervals: bootstrap over whole sequences."""

    def __init__(self, parts: dict[str, Trace], data, known, seed: int):
        self.data, self.known, self.seed = data, known, seed
        self.train = parts.get("train")
        test = parts["test"].take(_legal(parts["test"]))
        self.held_out = self.bins(test).sum(axis=0)

    def bins(self, trace: Trace) -> np.ndarray:
        """How often each (op, page offset) stands in each sequence: (n, words); illegal operations are in no bin."""
        token = tokens(trace, self.data, self.known)
        row, step = np.nonzero(token >= 0)
        counts = np.zeros((len(trace), self.known.words))
        np.add.at(counts, (row, token[row, step] % self.known.words), 1)
        return counts

    def operations(self, bins: np.ndarray) -> np.ndarray:
        """The same counts by operation alone: (..., words) -> (..., 3)."""
        member = self.known.op[: self.known.words][:, None] == np.arange(len(OPERATIONS))
        return bins @ member

    def scores(self, free: Trace, constrained: Trace, nats=None, length=None) -> Scores:
        """free, constrained: labelled sequences. nats, length: of each held-out sequence; None: not known."""
        shares = {"validity_free": ~free.invalid, "validity_constrained": ~constrained.invalid}
        if self.train is not None:
            seen = set(keys(self.train))
            shares |= {"novelty": _new(constrained, seen), "novelty_free": _new(free, seen)}
        drawn = {name: self._share(mask) for name, mask in shares.items()}
        bins = self.bins(constrained)
        drawn["mix_distance"] = self._distance(self.operations(bins), self.operations(self.held_out))
        drawn["offset_mix_distance"] = self._distance(bins, self.held_out)
        if nats is not None and len(nats):
            drawn["nats_per_operation"] = self._resampled(lambda w: (w @ nats) / (w @ length), len(nats))
        values = {"novelty": None, "novelty_free": None, "coverage": self._coverage(bins), "nats_per_operation": None}
        values |= {name: value for name, (value, _) in drawn.items()}
        return Scores(values, {name: pair for name, (_, pair) in drawn.items() if pair})

    def _coverage(self, bins) -> float | None:
        """The share of the training data's bins in which a written sequence has an operation."""
        if self.train is None:
            return None
        there = self.bins(self.train).any(axis=0)
        return float(bins.any(axis=0)[there].mean())

    def _share(self, mask):
        return self._resampled(lambda w: (w @ mask.astype("float32")) / len(mask), len(mask))

    def _distance(self, counts, reference):
        """Jensen-Shannon distance, base 2, of a mix of what the sequences hold to that of the data."""
        reference = reference[None] / reference.sum()

        def distances(weights):
            mix = weights @ counts
            return jensenshannon(mix / mix.sum(axis=1, keepdims=True), reference, base=2, axis=1)

        return self._resampled(distances, len(counts))

    def _resampled(self, statistic, n):
        """(value, 95% interval) of a statistic of n sequences' weights, (rows, n) -> (rows,)."""
        value = float(statistic(np.ones((1, n), "float32"))[0])
        return value, verification.interval(statistic(verification.bootstrap_weights(np.arange(n), self.seed)), n)


def keys(trace: Trace) -> list[bytes]:
    """One key a sequence, equal where (op, slot, page) of all operations are."""
    whole = np.stack([trace.op, trace.slots(), trace.page], axis=-1).astype("int32")
    return [row[:length].tobytes() for row, length in zip(whole, trace.length, strict=True)]


def _new(trace: Trace, seen: set[bytes]) -> np.ndarray:
    return np.array([key not in seen for key in keys(trace)])


def baselines(recipe, parts: dict[str, Trace]) -> dict[str, Scores]:
    """simulator: its own sequences, those of the validation part, as if they had been written. unigram: words drawn
    one by one as often as the training data has them. markov: each by the word before it."""
    if "train" not in parts:
        return {}
    data, known = recipe.data, vocabulary(recipe.data, recipe.model.max_hop)
    judge = Judge(parts, data, known, recipe.seed)
    fresh = parts["validation"].take(_legal(parts["validation"]))
    found = {"simulator": judge.scores(fresh, fresh)}
    train, test = (tokens(parts[name].take(_legal(parts[name])), data, known) for name in ("train", "test"))
    pairs = _pair_counts(train, known)
    single = np.broadcast_to(pairs.sum(axis=0), pairs.shape)
    for name, counts in (("unigram", single), ("markov", pairs)):
        log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
        free, constrained = (
            sampling.write(lambda _, table=log_p: table.__getitem__, recipe.model.samples, SEED, data, known, masked)
            for masked in (False, True)
        )
        nats = -np.where(test >= 0, log_p[_before(test, known), test], 0.0).sum(axis=1)
        found[name] = judge.scores(free, constrained, nats, (test >= 0).sum(axis=1))
    return found


def _before(token: np.ndarray, known) -> np.ndarray:
    """What stands before each operation: (n, time)."""
    return np.concatenate([np.full((len(token), 1), known.start), token[:, :-1]], axis=1)


def _pair_counts(token: np.ndarray, known) -> np.ndarray:
    """How often each token follows each, and start: (size + 1, size); UNSEEN where it never does."""
    real = token != END
    counts = np.full((known.size + 1, known.size), UNSEEN)
    np.add.at(counts, (_before(token, known)[real], token[real]), 1)
    return counts
