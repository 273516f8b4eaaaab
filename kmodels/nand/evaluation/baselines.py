"""Baselines of the classifier: constants, the rules themselves, trees and n-grams."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from kmodels.core.io.rows import Appended
from kmodels.core.spec.task import Scores
from kmodels.nand.data import encode
from kmodels.nand.data.records import OPERATIONS, Trace
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.evaluation import operation_baselines
from kmodels.nand.evaluation.metrics import metrics
from kmodels.nand.evaluation.prediction import Prediction


def baselines(recipe, parts: dict[str, Trace]) -> dict[str, Scores]:
    """Score what needs no network on the test part and, where there is one, on the transfer data.

    Parameters
    ----------
    recipe : NandRecipe
        Of the run.
    parts : dict of str to Trace
        "test" and, where they are known, "train", "validation" and "transfer".

    Returns
    -------
    dict of str to Scores
        always_valid, always_invalid, rule_checker (the rules of the recipe) and, where there is a training part,
        those of `operation_baselines`; where it does not say which operations break a rule, summary_trees on a
        summary of the network's inputs. Those of the transfer data begin with `transfer_`.
    """
    judged = {name: parts[name] for name in ("test", "transfer") if name in parts}
    predictions = {
        "always_valid": {name: Prediction(trace.name, np.zeros(len(trace))) for name, trace in judged.items()},
        "always_invalid": {name: Prediction(trace.name, np.ones(len(trace))) for name, trace in judged.items()},
    }
    if "train" in parts:
        predictions |= operation_baselines.predict(recipe, parts, judged) or {
            "summary_trees": _summary_trees(recipe, parts["train"], judged)
        }
    predictions["rule_checker"] = {name: _check_rules(trace, recipe.data) for name, trace in judged.items()}
    return {name: _score(judged, of, recipe.seed) for name, of in predictions.items()}


def _score(judged: dict[str, Trace], predictions: dict[str, Prediction], seed: int) -> Scores:
    scores = {name: metrics(trace, predictions[name], seed) for name, trace in judged.items()}
    return scores["test"].merge(scores["transfer"], "transfer_") if "transfer" in scores else scores["test"]


def _check_rules(trace: Trace, rules) -> Prediction:
    """Predict each sequence by the rules themselves."""
    violations, placed = RuleChecker(rules).check(trace), Appended()
    for some in trace.blocks():
        index, invalid = violations.violation_index[some], violations.invalid[some]
        probability = np.zeros((len(index), trace.op.shape[1]))
        probability[np.arange(len(index)), index] = invalid
        placed.append(probability)
    return Prediction(trace.name, violations.invalid.astype(float), 0.5, placed.array(), violations.violation_code)


def _summary_trees(recipe, train: Trace, judged: dict[str, Trace]) -> dict[str, Prediction]:
    """Predict by gradient-boosted trees on each input column's minimum, maximum and mean by operation."""
    trees = HistGradientBoostingClassifier(random_state=recipe.seed, early_stopping=False)
    train = operation_baselines.learnt_from(train)
    trees.fit(_summarize(train, recipe), train.invalid)
    both = len(trees.classes_) == 2
    return {
        name: Prediction(
            trace.name, trees.predict_proba(_summarize(trace, recipe))[:, 1] if both else np.zeros(len(trace))
        )
        for name, trace in judged.items()
    }


def _summarize(trace: Trace, recipe) -> np.ndarray:
    """Summarise a sequence without its order, (n, operations * columns * 3); NaN where it has no such operation."""
    return np.concatenate([_summary(trace.read(some), recipe) for some in trace.blocks()])


def _summary(trace: Trace, recipe) -> np.ndarray:
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
