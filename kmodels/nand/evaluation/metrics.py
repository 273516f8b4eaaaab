"""Metrics of the verdict and of the place of the violation; the baselines beside them; decoding of outputs.

Invalid is the positive class throughout. The F1 of a strategy sets that strategy's invalid sequences against ALL
valid ones: on its own sequences alone, "always invalid" would score 1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as sk
from sklearn.ensemble import HistGradientBoostingClassifier

from kmodels.core.io import files
from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.nand.data import encode, rules
from kmodels.nand.data.records import CODES, NONE, OPERATIONS, PAD, Trace


@dataclass(frozen=True)
class Prediction:
    """Verdicts on n sequences.

    name: (n,) as in the file. probability: (n,) that the sequence is invalid; from `threshold` on it counts as
    invalid. suspicion: (n, time) probability that an operation is the first violation, 0 behind the end; None where
    the model has no operation head. code: (n,) the most probable code at the most suspected operation.
    """

    name: np.ndarray
    probability: np.ndarray
    threshold: float = 0.5
    suspicion: np.ndarray | None = None
    code: np.ndarray | None = None

    @property
    def invalid(self) -> np.ndarray:
        """(n,) bool, the verdict."""
        return self.probability >= self.threshold

    @property
    def index(self) -> np.ndarray | None:
        """(n,) the most suspected operation."""
        return None if self.suspicion is None else self.suspicion.argmax(axis=1)

    def frame(self) -> pd.DataFrame:
        """A row a sequence: verdict, probability, and the most suspected operation with its suspicion and rule."""
        table = {
            "sequence": self.name,
            "verdict": np.where(self.invalid, "invalid", "valid"),
            "probability_invalid": self.probability,
        }
        if self.suspicion is not None:
            table["suspected_step"] = self.index
            table["suspicion"] = self.suspicion.max(axis=1)
            table["suspected_violation"] = np.array(CODES)[self.code]
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet."""
        files.write_table(path, self.frame())


def decode(model, trace: Trace, outputs: dict) -> Prediction:
    """Logits to probabilities and a verdict by the model's threshold."""
    probability = 1 / (1 + np.exp(-outputs["invalid"].astype("float64")))
    threshold = float(model.threshold)
    if "operation" not in outputs:
        return Prediction(trace.name, probability, threshold)
    logits = outputs["operation"].astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    suspicion = np.where(trace.op == PAD, 0.0, 1 - p[..., NONE])
    at = suspicion.argmax(axis=1)
    code = p[np.arange(len(p)), at, 1:].argmax(axis=-1) + 1
    return Prediction(trace.name, probability, threshold, suspicion, code)


def calibrate(model, trace: Trace, outputs: dict) -> None:
    """Choose the threshold on validation data, by balanced accuracy; the flawed ancestors keep theirs."""
    if model.fixed_threshold:
        return
    probability = decode(model, trace, outputs).probability
    model.threshold.assign(verification.best_threshold(probability, trace.invalid))


def metrics(trace: Trace, prediction: Prediction, seed: int) -> Scores:
    """All scores of a prediction with bootstrap intervals over pairs.

    distance_from_prior is |accuracy - prior| in units of the prior's sampling error: below 2 nothing was learned.
    """
    weights = verification.bootstrap_weights(trace.pair, seed)
    one = np.ones((1, len(trace)), "float32")
    values = {name: float(v[0]) for name, v in _counted(trace, prediction, one).items()}
    drawn = _counted(trace, prediction, weights)
    groups = _groups(trace)
    intervals = {name: verification.interval(v, groups.get(name, groups["all"])) for name, v in drawn.items()}
    values |= _ranked(trace.invalid, prediction.probability)
    prior = max(trace.invalid.mean(), 1 - trace.invalid.mean())
    sigma = np.sqrt(max(prior * (1 - prior), 1e-12) / len(trace))
    values["distance_from_prior"] = float(abs(values["accuracy"] - prior) / sigma)
    values = {name: value if np.isfinite(value) else None for name, value in values.items()}
    values = {"localisation": None, "violation_code": None} | values  # where no head speaks of operations
    return Scores(values, {name: pair for name, pair in intervals.items() if pair and values[name] is not None})


def _groups(trace) -> dict[str, int]:
    """How many independent pairs a score rests on: all, or those of its strategy."""
    own = {f"f1_{CODES[c]}": trace.pair[trace.strategy == c] for c in set(trace.strategy[trace.invalid]) - {NONE}}
    counts = {name: len(np.unique(pairs)) for name, pairs in own.items()}
    n = len(np.unique(trace.pair))
    return counts | {"worst_strategy_f1": min(counts.values(), default=n), "all": n}


def _counted(trace, prediction, weights) -> dict[str, np.ndarray]:
    """The scores that are ratios of counts, for each row of example weights (rows, n)."""
    true, said = trace.invalid, prediction.invalid

    def count(mask):
        return (weights @ mask.astype("float32")).astype("float64")

    with np.errstate(invalid="ignore", divide="ignore"):
        tp, fp, fn, tn = count(true & said), count(~true & said), count(true & ~said), count(~true & ~said)
        found = {
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "invalid_f1": 2 * tp / (2 * tp + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        }
        strategies = sorted(set(trace.strategy[true]) - {NONE})
        for code in strategies:
            own = true & (trace.strategy == code)
            hit, missed = count(own & said), count(own & ~said)
            found[f"f1_{CODES[code]}"] = 2 * hit / (2 * hit + fp + missed)
        if strategies:
            found["worst_strategy_f1"] = np.min([found[f"f1_{CODES[code]}"] for code in strategies], axis=0)
        known = true & (trace.index >= 0)
        if prediction.suspicion is not None:
            placed = known & (prediction.index == trace.index)
            found["localisation"] = count(placed) / count(known)
            found["violation_code"] = count(placed & (prediction.code == trace.code)) / count(known)
    return found


def _ranked(true, probability) -> dict[str, float]:
    """The scores of the probabilities themselves."""
    both = 0 < true.sum() < len(true)
    return {
        "auroc": float(sk.roc_auc_score(true, probability)) if both else np.nan,
        "average_precision": float(sk.average_precision_score(true, probability)) if both else np.nan,
        "brier_score": float(np.mean((probability - true) ** 2)),
        "calibration_error": verification.expected_calibration_error(probability, true),
    }


def baselines(recipe, parts: dict[str, Trace]) -> dict[str, Scores]:
    """always_valid, always_invalid, oracle, and boosted trees on a summary of what the network sees."""
    test = parts["test"]
    n = len(test)
    found = {
        "always_valid": _constant(test, np.zeros(n)),
        "always_invalid": _constant(test, np.ones(n)),
    }
    if "train" in parts:
        found["boosted_trees"] = _constant(test, _boosted_trees(recipe, parts))
    verdict = rules.oracle(test, recipe.data)
    suspicion = np.zeros(test.op.shape)
    suspicion[np.arange(n), verdict.index] = verdict.invalid
    exact = Prediction(test.name, verdict.invalid.astype(float), 0.5, suspicion, verdict.code)
    return found | {"oracle": metrics(test, exact, recipe.seed)}


def _constant(trace, probability):
    return metrics(trace, Prediction(trace.name, probability), 0)


def _boosted_trees(recipe, parts) -> np.ndarray:
    """P(invalid) of gradient-boosted trees on each input column's minimum, maximum and mean by operation."""
    summary = {name: _summary(parts[name], recipe) for name in ("train", "test")}
    trees = HistGradientBoostingClassifier(random_state=recipe.seed, early_stopping=False)
    trees.fit(summary["train"], parts["train"].invalid)
    return trees.predict_proba(summary["test"])[:, 1] if len(trees.classes_) == 2 else np.zeros(len(parts["test"]))


def _summary(trace: Trace, recipe) -> np.ndarray:
    """(n, operations * columns * 3): what is left of a sequence when its order is forgotten; NaN where no such op."""
    inputs = encode.encode(trace, recipe).inputs
    values = np.concatenate([inputs[name] for name in sorted(inputs)], axis=-1).astype("float32")
    parts = []
    for op in range(len(OPERATIONS)):
        mask = (trace.op == op)[..., None]
        count = mask.sum(axis=1)
        low = np.where(mask, values, np.inf).min(axis=1)
        high = np.where(mask, values, -np.inf).max(axis=1)
        mean = np.where(mask, values, 0).sum(axis=1) / np.maximum(count, 1)
        parts += [np.where(count > 0, part, np.nan) for part in (low, high, mean)]
    return np.concatenate(parts, axis=1)
