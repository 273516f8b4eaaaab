"""The same recipe trained from several seeds: means, spreads and a verdict on each gate."""

import numpy as np

from kmodels.core.spec.gate import lowest_level, margin, strictest


def summarize(reports: list[dict]) -> dict:
    """Sum up the reports of one recipe's seeds as one report.

    Parameters
    ----------
    reports : list of dict
        As `report.assemble` makes them, or parts of such; one a seed.

    Returns
    -------
    dict
        The first report with, in place of its own: `metrics` and `baselines` as means over the seeds, `intervals` that
        hold those of all seeds, `gates` judged on every seed, `duration_s` and `training_s` [s] as means,
        `peak_memory_gb` the largest. And `seeds`; `each`, the metrics of every seed; `spread`, the standard deviation
        over seeds. Without `history` and `parts_s`.
    """
    first = {name: value for name, value in reports[0].items() if name not in ("history", "parts_s")}
    metrics = [report["metrics"] for report in reports]
    measured = {
        name: mean([report[name] for report in reports]) for name in ("duration_s", "training_s") if name in first
    }
    if "peak_memory_gb" in first:
        measured["peak_memory_gb"] = max(report["peak_memory_gb"] for report in reports)
    return first | {
        "seeds": [report["seed"] for report in reports],
        "metrics": over_seeds(metrics, mean),
        "spread": over_seeds(metrics, _deviation),
        "each": metrics,
        "intervals": hull([report["intervals"] for report in reports]),
        "baselines": {
            name: over_seeds([report["baselines"][name] for report in reports], mean)
            for name in first["baselines"]
            if all(name in report["baselines"] for report in reports)
        },
        "gates": [_judged_together(rows) for rows in zip(*(report["gates"] for report in reports), strict=True)],
        **measured,
    }


def over_seeds(each: list[dict], how) -> dict:
    """Apply `how` to the values that every seed's dictionary has under a name."""
    return {name: how([values.get(name) for values in each]) for name in each[0]}


def mean(values: list) -> float | None:
    """Compute the mean; None where one of the values is none."""
    return None if any(value is None for value in values) else float(np.mean(values))


def hull(intervals: list[dict]) -> dict:
    """Compute the interval that holds those of all seeds."""
    names = [name for name in intervals[0] if all(name in one for one in intervals)]
    return {name: [min(one[name][0] for one in intervals), max(one[name][1] for one in intervals)] for name in names}


def _deviation(values: list) -> float | None:
    """Compute the standard deviation over seeds; None for one seed, or where a value is none."""
    return None if len(values) < 2 or any(value is None for value in values) else float(np.std(values, ddof=1))


def _judged_together(rows: tuple[dict, ...]) -> dict:
    """Judge one gate on all seeds: passed and discriminating only where it is so on each of them."""
    told = [row["discriminates"] for row in rows]
    return rows[0] | {
        "value": mean([row["value"] for row in rows]),
        "each": [row["value"] for row in rows],
        "status": strictest(list(rows)),
        "untrained": _nearest([row["untrained"] for row in rows], rows[0]),
        "best_baseline": _nearest_baseline(rows),
        "discriminates": None if None in told else all(told),
        **({"level": lowest_level(rows[0]["levels"], [row["level"] for row in rows])} if rows[0].get("levels") else {}),
    }


def _nearest(values: list, row: dict) -> float | None:
    """Choose the value that comes nearest to passing."""
    found = [value for value in values if value is not None]
    return max(found, key=lambda value: margin(value, row["direction"], row["bound"]), default=None)


def _nearest_baseline(rows: tuple[dict, ...]) -> dict | None:
    found = [row["best_baseline"] for row in rows if row["best_baseline"]]
    row = rows[0]
    return max(found, key=lambda best: margin(best["value"], row["direction"], row["bound"]), default=None)
