"""Metrics of validity and of the place of the violation.

Invalid is the positive class throughout. The F1 of a strategy sets that strategy's invalid sequences against ALL
valid ones: on its own sequences alone, "always invalid" would score 1.
"""

import numpy as np
from sklearn import metrics as sk

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.nand.data.records import CODES, NONE, Trace
from kmodels.nand.evaluation.prediction import Prediction


def metrics(trace: Trace, prediction: Prediction, seed: int) -> Scores:
    """Score a prediction, with bootstrap intervals over pairs.

    Parameters
    ----------
    trace : Trace
        Labelled sequences.
    prediction : Prediction
        Of the same sequences.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Scores
        distance_from_prior is |accuracy - prior| in units of the prior's sampling error: below 2 nothing was learned.
        localisation is the share of invalid sequences whose first violation is placed exactly; None without an
        operation head.
    """
    one = np.ones((1, len(trace)), "float32")
    values = {name: float(v[0]) for name, v in _ratios(trace, prediction, one).items()}
    resampled = verification.resample(trace.pair, seed, lambda weights: _ratios(trace, prediction, weights))
    groups = _count_pairs(trace)
    intervals = {name: verification.interval(v, groups.get(name, groups["all"])) for name, v in resampled.items()}
    values |= _probability_scores(trace.invalid, prediction.probability)
    prior = max(trace.invalid.mean(), 1 - trace.invalid.mean())
    sigma = np.sqrt(max(prior * (1 - prior), 1e-12) / len(trace))
    values["distance_from_prior"] = float(abs(values["accuracy"] - prior) / sigma)
    values = {name: value if np.isfinite(value) else None for name, value in values.items()}
    values = {"localisation": None, "violation_code": None} | values
    return Scores(values, {name: pair for name, pair in intervals.items() if pair and values[name] is not None})


def _count_pairs(trace) -> dict[str, int]:
    """Count the independent pairs that a score rests on: all, or those of its strategy."""
    own = {f"f1_{CODES[c]}": trace.pair[trace.strategy == c] for c in set(trace.strategy[trace.invalid]) - {NONE}}
    counts = {name: len(np.unique(pairs)) for name, pairs in own.items()}
    n = len(np.unique(trace.pair))
    return counts | {"worst_strategy_f1": min(counts.values(), default=n), "all": n}


def _ratios(trace, prediction, weights) -> dict[str, np.ndarray]:
    """Compute the scores that are ratios of counts, for each row of example weights (rows, n)."""
    true, predicted = trace.invalid, prediction.invalid

    def count(mask):
        return (weights @ mask.astype("float32")).astype("float64")

    with np.errstate(invalid="ignore", divide="ignore"):
        tp, fp = count(true & predicted), count(~true & predicted)
        fn, tn = count(true & ~predicted), count(~true & ~predicted)
        scores = {
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "invalid_f1": 2 * tp / (2 * tp + fp + fn),
            "valid_f1": 2 * tn / (2 * tn + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        }
        scores["macro_f1"] = (scores["invalid_f1"] + scores["valid_f1"]) / 2
        strategies = sorted(set(trace.strategy[true]) - {NONE})
        for code in strategies:
            own = true & (trace.strategy == code)
            hit, missed = count(own & predicted), count(own & ~predicted)
            scores[f"f1_{CODES[code]}"] = 2 * hit / (2 * hit + fp + missed)
        if strategies:
            scores["worst_strategy_f1"] = np.min([scores[f"f1_{CODES[code]}"] for code in strategies], axis=0)
        if prediction.violation_probability is not None:
            known = true & (trace.violation_index >= 0)
            placed = known & (prediction.violation_index == trace.violation_index)
            named = placed & (prediction.violation_code == trace.violation_code)
            scores["localisation"] = count(placed) / count(known)
            scores["violation_code"] = count(named) / count(known)
    return scores


def _probability_scores(true, probability) -> dict[str, float]:
    """Compute the scores of the probabilities themselves."""
    both = 0 < true.sum() < len(true)
    return {
        "auroc": float(sk.roc_auc_score(true, probability)) if both else np.nan,
        "average_precision": float(sk.average_precision_score(true, probability)) if both else np.nan,
        "brier_score": float(np.mean((probability - true) ** 2)),
        "calibration_error": verification.expected_calibration_error(probability, true),
    }
