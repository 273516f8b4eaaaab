"""A Ladder orders recipes from the flawed one to the best."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.recipe import Recipe


@dataclass(frozen=True)
class Step:
    """One rung: what changed against the rung before, as a sentence and as fields, and the gates to pass.

    Attributes
    ----------
    name, change : str
        What it is called, and what changed as a sentence without its full stop.
    changes : dict
        Fields of the recipe, nested by section.
    gates : tuple of Gate
        On the metrics of the held-out data; `<metric>_gain` is a metric's difference to the rung before,
        `<metric>_ratio` its quotient.
    prototype : dict of str to float
        What the prototype's research note measured on this rung.
    findings : callable or None
        ``findings(recipe, records)``: what the data itself shows, as sentences for the review.
    branch : bool
        Whether it stands beside the way up: the rungs after it go on without its changes.
    apart : bool
        Whether it takes about as long as all others: it is climbed only where it alone is asked for.
    """

    name: str
    change: str
    changes: dict[str, Any] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    prototype: dict[str, float] = field(default_factory=dict)
    findings: Callable[[Any, Any], list[str]] | None = None
    branch: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Ladder:
    """Rungs in order. Changes add up: the recipe of rung k holds those of all rungs below it that are no branches.

    Attributes
    ----------
    steps : tuple of Step
        The rungs, from 0.
    figures : tuple of str
        The metrics that tell the story of the climb, in order; the first two or three are plotted.
    """

    steps: tuple[Step, ...]
    figures: tuple[str, ...]

    def index(self, name: str) -> int:
        """Find the number of the rung of this name; ValueError where there is none."""
        return [rung.name for rung in self.steps].index(name)

    def compared_with(self, step: int) -> int | None:
        """Name the rung that rung `step` is compared with, the nearest below on the way up; None for the first."""
        return max((k for k in range(step) if not self.steps[k].branch), default=None)

    def recipe(self, base: Recipe, step: int) -> Recipe:
        """Build the recipe of a rung.

        Parameters
        ----------
        base : Recipe
            What the changes are put upon.
        step : int
            The rung, counted from 0.
        """
        below = [rung for rung in self.steps[:step] if not rung.branch]
        for rung in (*below, self.steps[step]):
            base = base.with_changes(rung.changes)
        return base
