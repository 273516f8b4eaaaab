"""A deliberately broken training: every example is given the labels of another one."""

from pathlib import Path
from unittest import mock

import numpy as np

from kmodels.core.runs import pipeline
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.recipe import Recipe
from kmodels.core.training import backend

WITH_LABELS = {"precip": {"rain"}}  # inputs that are the labels again: they go with them


class ShuffledLabels:
    """Examples whose targets are those of other examples, chosen once.

    Parameters
    ----------
    examples : Examples
        What would be trained on.
    seed : int
        Of the shuffle.
    with_labels : set of str
        Inputs that go with the targets.
    """

    def __init__(self, examples, seed: int, with_labels=frozenset()):
        self.examples, self.with_labels = examples, with_labels
        self.others = np.random.default_rng([seed, 0x5BFF]).permutation(len(examples))

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, rows) -> tuple[dict, dict]:
        """Take the inputs of these rows with the targets of others."""
        inputs, _ = self.examples.take(rows)
        moved, targets = self.examples.take(self.others[np.asarray(rows)])
        return inputs | {name: moved[name] for name in self.with_labels}, targets


def fit(recipe: Recipe, out: Path, smoke: bool = False) -> dict:
    """Train a recipe on shuffled labels and judge it as `fit` does; returns its report."""
    task = registry.task(recipe.task)
    make = task.training_examples

    def broken(records, recipe):
        return ShuffledLabels(make(records, recipe), recipe.seed, WITH_LABELS.get(task.name, set()))

    with mock.patch.object(type(task), "training_examples", staticmethod(broken)):
        return pipeline.fit(Run.create(out, recipe, backend.current(), None, smoke))


def record(report: dict) -> dict:
    """Select what the committed record of a broken training holds."""
    kept = ("seed", "date", "commit", "code", "backend", "versions", "hardware", "duration_s", "gates")
    return {name: report[name] for name in kept}
