"""Predictions: from the network's logits to validity and the place of the violation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from kmodels.core.io import files
from kmodels.core.io.rows import Appended, blocks
from kmodels.core.report import verification
from kmodels.nand.data.records import CODES, ERASE, NONE, OPERATIONS, PAD, Trace

FIXED, CHOSEN = "half", "balanced accuracy on validation data"
RULES = {
    "none": "",
    "not_erased": "a block is erased before it is programmed",
    "overwrite": "a page is programmed once after an erase",
    "page_hop": "pages are programmed in order, without a gap",
    "read_unwritten": "a page is written before it is read",
    "stale_read": "a read reaches back fewer pages than read_offset_limit",
}


@dataclass(frozen=True)
class Prediction:
    """Predictions for n sequences.

    Parameters
    ----------
    name : ndarray, shape (n,)
        Names as in the file.
    probability : ndarray of float, shape (n,)
        Probability that the sequence is invalid.
    threshold : float
        Probability from which a sequence counts as invalid.
    violation_probability : ndarray of float, shape (n, time), optional
        Probability that an operation is the first violation, 0 behind the end; None where the model has no operation
        head.
    violation_code : ndarray of int, shape (n,), optional
        The most probable code at `violation_index`.
    trace : Trace, optional
        The sequences, where the frame is to name operations.
    threshold_name : str
        How the threshold was chosen.
    """

    name: np.ndarray
    probability: np.ndarray
    threshold: float = 0.5
    violation_probability: np.ndarray | None = None
    violation_code: np.ndarray | None = None
    trace: Trace | None = None
    threshold_name: str = FIXED

    @property
    def invalid(self) -> np.ndarray:
        """(n,) bool: whether a sequence is predicted to break a rule."""
        return self.probability >= self.threshold

    @property
    def violation_index(self) -> np.ndarray | None:
        """(n,) the operation that is most probably the first violation, of sequences predicted valid, too."""
        if self.violation_probability is None:
            return None
        each = (self.violation_probability[some].argmax(axis=1) for some in blocks(self.violation_probability))
        return np.concatenate([np.zeros(0, int), *each])

    def frame(self) -> pd.DataFrame:
        """Tabulate the predictions, a row a sequence, in the columns of the file format.

        violation_index is -1, violation_code "none", operation and rule empty where a sequence is predicted valid;
        violation_probability is the highest of its operations in any case.
        """
        table = {"sequence": self.name, "valid": ~self.invalid, "probability_invalid": self.probability}
        if self.violation_probability is not None:
            table["violation_index"] = np.where(self.invalid, self.violation_index, -1)
            table["violation_probability"] = np.asarray(self.violation_probability.max(axis=1))
            table["violation_code"] = np.array(CODES)[np.where(self.invalid, self.violation_code, NONE)]
        table["threshold"] = np.full(len(self.name), self.threshold)
        table["threshold_name"] = np.full(len(self.name), self.threshold_name)
        if self.trace is not None and self.violation_probability is not None:
            table["operation"] = operation_names(self.trace, table["violation_index"])
            table["rule"] = np.array([RULES[code] for code in table["violation_code"]], object)
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet."""
        files.write_table(path, self.frame())


def operation_names(trace: Trace, step: np.ndarray) -> np.ndarray:
    """Name one operation of each sequence, `read die 0 plane 1 block 7 page 3`; empty where step (n,) is -1: (n,)."""
    names = np.full(len(trace), "", object)
    for row in np.flatnonzero(step >= 0):
        op = trace.op[row, step[row]]
        parts = ("die", "plane", "block") if op == ERASE else ("die", "plane", "block", "page")
        names[row] = " ".join([OPERATIONS[op], *(f"{part} {getattr(trace, part)[row, step[row]]}" for part in parts)])
    return names


def decode(model, trace: Trace, outputs: dict) -> Prediction:
    """Turn logits into probabilities, to be compared with the model's threshold.

    Parameters
    ----------
    model : NandClassifier
        The network that gave the outputs.
    trace : Trace
        The sequences that it was given.
    outputs : dict of str to ndarray
        invalid (n,) and, with an operation head, operation (n, time, codes).

    Returns
    -------
    Prediction
        Of the same sequences.
    """
    from kmodels.core.training.inference import as_numpy  # Keras is not loaded to read data

    probability = 1 / (1 + np.exp(-outputs["invalid"].astype("float64")))
    threshold, how = float(as_numpy(model.threshold)), FIXED if model.fixed_threshold else CHOSEN
    if "operation" not in outputs:
        return Prediction(trace.name, probability, threshold, trace=trace, threshold_name=how)
    violation_probability, codes = Appended(), []
    for some in trace.blocks():
        p = softmax(outputs["operation"][some].astype("float64"), axis=-1)
        broken = np.where(np.asarray(trace.op[some]) == PAD, 0.0, 1 - p[..., NONE])
        violation_probability.append(broken)
        index = broken.argmax(axis=1)
        codes.append(p[np.arange(len(p)), index, 1:].argmax(axis=-1) + 1)
    code = np.concatenate(codes)
    return Prediction(trace.name, probability, threshold, violation_probability.array(), code, trace, how)


def calibrate(model, trace: Trace, outputs: dict) -> None:
    """Set the model's threshold to one of high balanced accuracy on validation data, unless it is fixed."""
    if model.fixed_threshold:
        return
    probability = decode(model, trace, outputs).probability
    model.threshold.assign(verification.choose_threshold(probability, trace.invalid))
