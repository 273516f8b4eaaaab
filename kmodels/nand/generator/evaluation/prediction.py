"""Predictions of the generator: how likely given sequences are, and new sequences of its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmodels.core.io import files
from kmodels.nand.data.records import Trace
from kmodels.nand.generator.data.encode import ILLEGAL, tokens
from kmodels.nand.generator.evaluation import sampling

SEED = 1  # of the sequences that a model generates to be evaluated; the same at every evaluation


@dataclass(frozen=True)
class Prediction:
    """The likelihood of n given sequences, and the model itself, which generates new ones.

    Parameters
    ----------
    name : ndarray, shape (n,)
        Names as in the file.
    length : ndarray of int, shape (n,)
        Operations of each sequence.
    log_likelihood : ndarray of float, shape (n,)
        ln p of the whole sequence [nats]; -inf where a rule is broken: no token stands for an illegal operation.
    violation_index : ndarray of int, shape (n,)
        The first operation that breaks a rule, -1 for none.
    model : NandGenerator
        The network.
    """

    name: np.ndarray
    length: np.ndarray
    log_likelihood: np.ndarray
    violation_index: np.ndarray
    model: Any
    _generated: dict = field(default_factory=dict, repr=False)

    @property
    def valid(self) -> np.ndarray:
        """(n,) bool: whether all operations keep the rules."""
        return self.violation_index < 0

    def frame(self) -> pd.DataFrame:
        """Tabulate a row a sequence: nats an operation, perplexity exp(-that), and the step of the first violation."""
        mean = self.log_likelihood / self.length
        table = {
            "sequence": self.name,
            "operations": self.length,
            "log_likelihood_per_operation": mean,
            "perplexity": np.exp(-mean),
            "violation_index": self.violation_index,
        }
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet."""
        files.write_table(path, self.frame())

    def generate(self, constrained: bool, n: int | None = None) -> Trace:
        """Generate n sequences (None: as many as the model is evaluated on), once for each n."""
        key = (constrained, n or self.model.samples)
        if key not in self._generated:
            self._generated[key] = sampling.generate(self.model, key[1], SEED, constrained)
        return self._generated[key]


def decode(model, trace: Trace, outputs: dict) -> Prediction:
    """Compute the log-likelihood of every sequence from the logits of its tokens.

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
    token = tokens(trace, model.rules, model.vocabulary)
    illegal = token == ILLEGAL
    first = np.where(illegal.any(axis=1), illegal.argmax(axis=1), -1)
    log_likelihood = np.where(first < 0, _log_likelihood(outputs["token"], token), -np.inf)
    return Prediction(trace.name, trace.length, log_likelihood, first, model)


def _log_likelihood(logits, token) -> np.ndarray:
    """sum_t ln softmax(logits)_t[token_t] over the legal operations: (n, time, size), (n, time) -> (n,) [nats]."""
    logits = logits.astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = np.take_along_axis(logits, np.maximum(token, 0)[..., None], axis=-1)[..., 0]
    log_p -= np.log(np.exp(logits).sum(axis=-1))
    return np.where(token >= 0, log_p, 0.0).sum(axis=1)
