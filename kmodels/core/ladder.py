"""A Ladder orders recipes from the flawed one to the best."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kmodels.core.gate import Gate
from kmodels.core.recipe import Recipe


@dataclass(frozen=True)
class Step:
    """One rung: what changed against the rung before, as a sentence and as fields, and the gates to pass.

    gates: on the metrics of the held-out data; `<metric>_gain` is a metric's difference to the rung before,
    `<metric>_ratio` its quotient.
    seed: what the seed document measured on this rung. findings(recipe, records): what the data itself shows, as
    sentences for the review.
    """

    name: str
    change: str
    changes: dict[str, Any] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    seed: dict[str, float] = field(default_factory=dict)
    findings: Callable[[Any, Any], list[str]] | None = None


@dataclass(frozen=True)
class Ladder:
    """Rungs in order. Changes add up: the recipe of rung k holds those of all rungs below it.

    figures: the metrics that tell the story of the climb, in order; the first two or three are drawn.
    """

    steps: tuple[Step, ...]
    figures: tuple[str, ...]

    def recipe(self, base: Recipe, step: int) -> Recipe:
        """The recipe of rung `step`, counted from 0, upon the recipe `base`."""
        for rung in self.steps[: step + 1]:
            base = base.with_changes(rung.changes)
        return base
