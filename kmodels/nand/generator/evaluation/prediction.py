"""Predictions of the generator: how likely given sequences are, which operation is illegal, and new sequences."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from kmodels.core.io import files
from kmodels.nand.data.records import Trace
from kmodels.nand.evaluation.prediction import operation_names
from kmodels.nand.generator.data.encode import END, ILLEGAL, tokens
from kmodels.nand.generator.evaluation import beliefs, sampling

SEED = 1  # of the sequences that a model generates to be evaluated; the same at every evaluation
FALSE_ALARMS = 0.002  # share of legal validation sequences that may be called invalid: it chooses the threshold
CHOSEN = f"false alarms in {FALSE_ALARMS:.1%} of legal validation sequences"
BY_RULES = "rules of the recipe"


@dataclass(frozen=True)
class Prediction:
    """The likelihood of n given sequences, and the model itself, which generates new ones.

    Parameters
    ----------
    trace : Trace
        The sequences.
    surprise : ndarray of float, shape (n, time)
        -ln p of each operation given all before it [nats], 0 behind the end; infinite where no token stands for it.
    rule : ndarray of str, shape (n,)
        What the first illegal operation breaks, as the model believes it; empty in a valid sequence.
    model : NandGenerator
        The network.
    """

    trace: Trace
    surprise: np.ndarray
    rule: np.ndarray
    model: Any
    _generated: dict = field(default_factory=dict, repr=False)

    @property
    def name(self) -> np.ndarray:
        """(n,) names as in the file."""
        return self.trace.name

    @property
    def length(self) -> np.ndarray:
        """(n,) operations of each sequence."""
        return self.trace.length

    @property
    def log_likelihood(self) -> np.ndarray:
        """(n,) ln p of the whole sequence [nats]."""
        return -self.surprise.sum(axis=1)

    @property
    def threshold(self) -> float:
        """Surprise above which an operation counts as illegal [nats]."""
        from kmodels.core.training.inference import as_numpy

        return float(as_numpy(self.model.threshold))

    @property
    def violation_index(self) -> np.ndarray:
        """(n,) the first operation that counts as illegal, -1 for none."""
        return first_illegal(self.surprise, self.threshold)

    @property
    def valid(self) -> np.ndarray:
        """(n,) bool: whether no operation counts as illegal."""
        return self.violation_index < 0

    def frame(self) -> pd.DataFrame:
        """Tabulate a row a sequence: is it valid, and by which threshold; its operation and rule where it is not.

        surprise is the highest of its operations; perplexity is exp of the mean surprise.
        """
        mean, index = self.log_likelihood / self.length, self.violation_index
        table = {
            "sequence": self.name,
            "operations": self.length,
            "log_likelihood_per_operation": mean,
            "perplexity": np.exp(-mean),
            "violation_index": index,
            "valid": self.valid,
            "surprise": self.surprise.max(axis=1),
            "threshold": np.full(len(index), self.threshold),
            "threshold_name": np.full(len(index), CHOSEN if self.model.vocabulary.open else BY_RULES),
            "operation": operation_names(self.trace, index),
            "rule": self.rule,
        }
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet."""
        files.write_table(path, self.frame())

    def generate(self, constrained: bool, n: int | None = None, truncated: bool = True) -> Trace:
        """Generate n sequences (None: as many as the model is evaluated on), once for each n."""
        key = (constrained, n or self.model.samples, truncated)
        if key not in self._generated:
            self._generated[key] = sampling.generate(self.model, key[1], SEED, constrained, truncated=truncated)
        return self._generated[key]


def decode(model, trace: Trace, outputs: dict) -> Prediction:
    """Compute the surprise of every operation from the logits of its token.

    Parameters
    ----------
    model : NandGenerator
        The network that gave the outputs.
    trace : Trace
        The sequences that it was given.
    outputs : dict of str to ndarray
        token (n, time, size), the logits.

    Returns
    -------
    Prediction
        Of the same sequences.
    """
    from kmodels.core.training.inference import as_numpy

    token = tokens(trace, model.rules, model.vocabulary)
    found = surprise(token, outputs["token"])
    threshold = float(as_numpy(model.threshold))
    index = first_illegal(found, threshold)
    rows = np.flatnonzero(index >= 0)
    rule = np.full(len(trace), "", object)
    if model.vocabulary.open:
        for row in rows:
            log_p = _log_softmax(outputs["token"][row, index[row]])
            rule[row] = beliefs.explain(model.vocabulary, token[row, index[row]], -log_p <= threshold)
    return Prediction(trace, found, rule, model)


def surprise(token: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Compute -ln p of tokens (n, time) from the logits (n, time, size) of a NandGenerator: (n, time) [nats]."""
    return np.select([token == END, token == ILLEGAL], [0.0, np.inf], -log_probability(logits, token))


def first_illegal(surprise: np.ndarray, threshold: float) -> np.ndarray:
    """Give the first operation of each sequence whose surprise exceeds a threshold, -1 for none: (n, time) -> (n,)."""
    illegal = (surprise > threshold) | np.isinf(surprise)
    return np.where(illegal.any(axis=1), illegal.argmax(axis=1), -1)


def log_probability(logits: np.ndarray, token: np.ndarray) -> np.ndarray:
    """Pick ln softmax(logits)[token]: (..., size), (...) -> (...); what a negative token gives means nothing."""
    return np.take_along_axis(_log_softmax(logits), np.maximum(token, 0)[..., None], axis=-1)[..., 0]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Compute ln softmax over the last axis, in double precision."""
    return log_softmax(logits.astype("float64"), axis=-1)
