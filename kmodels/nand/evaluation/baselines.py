"""Baselines of the classifier: constants, the rules themselves, trees and n-grams."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from kmodels.core.spec.task import Scores
from kmodels.nand.data import encode
from kmodels.nand.data.records import OPERATIONS, Trace
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.evaluation import operation_baselines
from kmodels.nand.evaluation.metrics import metrics
from kmodels.nand.evaluation.prediction import Prediction


def baselines(recipe, parts: dict[str, Trace]) -> dict[str, Scores]:
    """Score what needs no network on the test part.

    Parameters
    ----------
    recipe : NandRecipe
        Of the run.
    parts : dict of str to Trace
        "test" and, where it is known, "train".

    Returns
    -------
    dict of str to Scores
        always_valid, always_invalid, rule_checker (the rules of the recipe) and, where there is a training part,
        those of `operation_baselines`; where it does not say which operations break a rule, summary_trees on a
        summary of the network's inputs.
    """
    test = parts["test"]
    scores = {
        "always_valid": _scores(test, np.zeros(len(test))),
        "always_invalid": _scores(test, np.ones(len(test))),
    }
    if "train" in parts:
        trained = operation_baselines.predict(recipe, parts) or {"summary_trees": _summary_trees(recipe, parts)}
        scores |= {name: metrics(test, prediction, recipe.seed) for name, prediction in trained.items()}
    return scores | {"rule_checker": metrics(test, _check_rules(test, recipe.data), recipe.seed)}


def _scores(trace: Trace, probability: np.ndarray) -> Scores:
    return metrics(trace, Prediction(trace.name, probability), 0)


def _check_rules(trace: Trace, rules) -> Prediction:
    """Predict each sequence by the rules themselves."""
    violations = RuleChecker(rules).check(trace)
    probability = np.zeros(trace.op.shape)
    probability[np.arange(len(trace)), violations.violation_index] = violations.invalid
    return Prediction(trace.name, violations.invalid.astype(float), 0.5, probability, violations.violation_code)


def _summary_trees(recipe, parts) -> Prediction:
    """Predict by gradient-boosted trees on each input column's minimum, maximum and mean by operation."""
    summary = {name: _summarize(parts[name], recipe) for name in ("train", "test")}
    trees = HistGradientBoostingClassifier(random_state=recipe.seed, early_stopping=False)
    trees.fit(summary["train"], parts["train"].invalid)
    both = len(trees.classes_) == 2
    probability = trees.predict_proba(summary["test"])[:, 1] if both else np.zeros(len(parts["test"]))
    return Prediction(parts["test"].name, probability)


def _summarize(trace: Trace, recipe) -> np.ndarray:
    """Summarise a sequence without its order, (n, operations * columns * 3); NaN where it has no such operation."""
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
