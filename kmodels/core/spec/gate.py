"""A Gate judges one held-out metric by a bound that says where it comes from."""

import math
import operator
from dataclasses import dataclass
from typing import Literal

_COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Gate:
    """A bound on one held-out metric: `metric direction bound [unit]`, and who asks for it.

    Attributes
    ----------
    name : str
        What is bounded, for people.
    metric : str
        A key of the report's metrics.
    bound : float
        In `unit`.
    source : str
        The prototype (the research note that the model comes from), a paper, or this project.
    direction : {">=", "<="}
        On which side of the bound the metric must lie.
    unit : str
        "1" for counts and shares.
    """

    name: str
    metric: str
    bound: float
    source: str
    direction: Literal[">=", "<="] = ">="
    unit: str = "1"

    def judge(self, metrics: dict[str, float | None], measured: bool = True) -> dict:
        """Compare a metric with the bound; NaN never passes.

        Parameters
        ----------
        metrics : dict of str to float or None
            Of held-out data.
        measured : bool
            False leaves the status open whatever the value is: a smoke run is too small to judge.

        Returns
        -------
        dict
            The gate's row in a report; its `status` is passed, failed or not_measured.
        """
        value = metrics.get(self.metric)
        if value is None or not measured:
            status = "not_measured"
        elif math.isfinite(value) and _COMPARE[self.direction](value, self.bound):
            status = "passed"
        else:
            status = "failed"
        return {
            "name": self.name,
            "metric": self.metric,
            "value": value if value is None or math.isfinite(value) else None,
            "direction": self.direction,
            "bound": self.bound,
            "unit": self.unit,
            "source": self.source,
            "status": status,
        }


def bound_of(row: dict) -> str:
    """Write the bound of a judged gate: ">= 0.99"."""
    return f"{row['direction']} {row['bound']:g}" + ("" if row["unit"] == "1" else f" {row['unit']}")


def bounds_of(rows: list[dict]) -> str:
    """Write the bounds of all gates on one metric: ">= 0.9, <= 1.1"."""
    return ", ".join(dict.fromkeys(bound_of(row) for row in rows))


def strictest(rows: list[dict]) -> str:
    """Sum up the status of gates that are judged together: failed before not_measured before passed."""
    statuses = {row["status"] for row in rows}
    return next((status for status in ("failed", "not_measured") if status in statuses), "passed")
