"""A Ladder orders recipes from the flawed one to the best."""

from dataclasses import dataclass, field
from typing import Any

from kmodels.core.gate import Gate
from kmodels.core.recipe import Recipe


@dataclass(frozen=True)
class Step:
    """One rung: what changed against the rung before, as a sentence and as fields, and the gates to pass."""

    name: str
    change: str
    changes: dict[str, Any] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """Rungs in order. Changes add up: the recipe of rung k holds those of all rungs below it."""

    steps: tuple[Step, ...]

    def recipe(self, base: Recipe, step: int) -> Recipe:
        """The recipe of rung `step`, counted from 0, upon the recipe `base`."""
        for rung in self.steps[: step + 1]:
            base = base.with_changes(rung.changes)
        return base
