"""A Gate judges one held-out metric by a bound that says where it comes from."""

import math
import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "within": lambda value, bounds: bounds[0] <= value <= bounds[1],
}
UNTRAINED = "untrained"  # the name of the network before its first step, among the baselines


@dataclass(frozen=True)
class Gate:
    """A bound on one held-out metric: `metric direction bound [unit]`, and who asks for it.

    A gate on quality counts only where it tells a trained network from what needs no training: it discriminates
    where the same network untrained and every baseline fail it. What is necessary and no evidence of skill (a mass
    balance, a latency, calibration, which climatology has by nature) is a requirement: it must hold, and counts for
    nothing more.

    Attributes
    ----------
    name : str
        What is bounded, for people.
    metric : str
        A key of the report's metrics.
    bound : float or tuple of float
        In `unit`; (low, high) for "within".
    source : str
        The prototype (the research note that the model comes from), a paper, or this project.
    direction : {">=", "<=", "within"}
        On which side of the bound, or between which bounds, the metric must lie.
    unit : str
        "1" for counts and shares.
    kind : {"quality", "requirement"}
        Whether passing is evidence of skill.
    levels : tuple of tuple
        Where the prototype grades: ("minimum", bound), ("good", bound), ... from the least to the best.
    """

    name: str
    metric: str
    bound: float | tuple[float, float]
    source: str
    direction: Literal[">=", "<=", "within"] = ">="
    unit: str = "1"
    kind: Literal["quality", "requirement"] = "quality"
    levels: tuple[tuple[str, float | tuple[float, float]], ...] = ()

    def holds(self, value: float | None) -> bool:
        """Say whether a value lies within the bound; what is not a finite number does not."""
        return self._within(value, self.bound)

    def level(self, value: float | None) -> str | None:
        """Name the best of the prototype's levels whose bound a value holds; None where it holds none."""
        return next((name for name, bound in reversed(self.levels) if self._within(value, bound)), None)

    def _within(self, value: float | None, bound) -> bool:
        return value is not None and math.isfinite(value) and _COMPARE[self.direction](value, bound)

    def judge(
        self,
        metrics: dict[str, float | None],
        measured: bool = True,
        baselines: dict[str, dict[str, float | None]] | None = None,
        references: Collection[str] = (),
    ) -> dict:
        """Compare a metric with the bound, and say whether the bound tells skill from none; NaN never passes.

        Parameters
        ----------
        metrics : dict of str to float or None
            Of held-out data.
        measured : bool
            False leaves the status open whatever the value is: a smoke run is too small to judge.
        baselines : dict of str to dict, optional
            The metrics of each baseline by its name, `UNTRAINED` among them.
        references : collection of str
            Baselines that know the answer, such as the law that the data was drawn from.

        Returns
        -------
        dict
            The gate's row in a report. `status` is passed, failed or not_measured; `untrained` the untrained
            network's value; `best_baseline` the name and value of the best of the others; `discriminates` whether
            all of them fail, None for a requirement and where no untrained network was measured; of a gate with
            levels also `levels`, {name: bound}, and `level`, the one that was reached.
        """
        value = metrics.get(self.metric)
        others = {name: values.get(self.metric) for name, values in (baselines or {}).items() if name not in references}
        status = "passed" if self.holds(value) else "failed"
        if value is None or not measured:
            status = "not_measured"
        known = self.kind == "quality" and measured and UNTRAINED in others
        return {
            "name": self.name,
            "metric": self.metric,
            "value": _finite(value),
            "direction": self.direction,
            "bound": list(self.bound) if self.direction == "within" else self.bound,
            "unit": self.unit,
            "source": self.source,
            "kind": self.kind,
            "status": status,
            "untrained": _finite(others.pop(UNTRAINED, None)),
            "best_baseline": self._best(others),
            "discriminates": self._discriminates(baselines, references) if known else None,
            **self._levels(value if measured else None),
        }

    def _levels(self, value: float | None) -> dict:
        """List the levels and the one that a value reaches, where the prototype grades."""
        return {"levels": dict(self.levels), "level": self.level(value)} if self.levels else {}

    def _best(self, others: dict[str, float | None]) -> dict | None:
        """Choose the baseline that comes nearest to passing, or passes with the widest margin."""
        found = {name: value for name, value in others.items() if _finite(value) is not None}
        if not found:
            return None
        name = max(found, key=lambda other: margin(found[other], self.direction, self.bound))
        return {"name": name, "value": found[name]}

    def _discriminates(self, baselines, references) -> bool:
        others = (values for name, values in baselines.items() if name not in references)
        return not any(self.holds(values.get(self.metric)) for values in others)


def margin(value: float, direction: str, bound) -> float:
    """Compute how far a value lies on the right side of a bound; negative on the wrong side."""
    if direction == "within":
        return min(value - bound[0], bound[1] - value)
    return value - bound if direction == ">=" else bound - value


def bound_of(row: dict) -> str:
    """Write the bound of a judged gate as it was given, not rounded: ">= 0.9950001", "0.9 to 1.1 m"."""
    return text_of(row["direction"], row["bound"], row["unit"])


def text_of(direction: str, bound, unit: str) -> str:
    """Write a bound as it was given."""
    both = direction == "within"
    text = " to ".join(f"{limit:.15g}" for limit in bound) if both else f"{direction} {bound:.15g}"
    return text + ("" if unit == "1" else f" {unit}")


def remark_on(row: dict) -> str:
    """Say what passing a judged gate does not say: "required", "does not discriminate", or nothing."""
    if row.get("kind") == "requirement":
        return "required"
    return "does not discriminate" if row.get("discriminates") is False else ""


def level_of(row: dict) -> str:
    """Name the prototype's level that a judged gate reached, or that it lies below; nothing where there is none."""
    if not row.get("levels") or row["status"] == "not_measured":
        return ""
    return row["level"] or f"below {next(iter(row['levels']))}"


def lowest_level(names: Iterable[str], reached: Iterable[str | None]) -> str | None:
    """Choose the lowest of the levels that several seeds reached; `names` from the least to the best."""
    order = [None, *names]
    return order[min(map(order.index, reached))]


def strictest(rows: list[dict]) -> str:
    """Sum up the status of gates that are judged together: failed before not_measured before passed."""
    statuses = {row["status"] for row in rows}
    return next((status for status in ("failed", "not_measured") if status in statuses), "passed")


def worst(rows: list[dict]) -> dict:
    """Choose, of one gate judged several times, the worst: failed before not measured before passed."""
    order = {"failed": 0, "not_measured": 1, "passed": 2}
    return min(rows, key=lambda row: (order[row["status"]], _margin_of(row)))


def _margin_of(row: dict) -> float:
    return 0.0 if row["value"] is None else margin(row["value"], row["direction"], row["bound"])


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
