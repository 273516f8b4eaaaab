"""Markdown for people: tables of a report for the README and for reviews."""

from kmodels.core import console
from kmodels.core.gate import bound_of


def table(rows: list[list[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def flat(recipe: dict, prefix: str = "") -> dict:
    """A nested recipe as {"train.epochs": 3}."""
    found = {}
    for key, value in recipe.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def gates(judged: list[dict]) -> str:
    """Gates with value, bound and verdict."""
    rows = [["gate", "value", "bound", "asked by", ""]]
    for gate in judged:
        rows.append(
            [
                gate["name"],
                console.number(gate["value"]),
                bound_of(gate),
                gate["source"],
                gate["status"].replace("_", " "),
            ]
        )
    return table(rows)


def results(report: dict, headline: tuple[str, ...]) -> str:
    """The results beside their baselines, with where they come from."""
    judged = {gate["metric"]: gate for gate in report["gates"]}
    rows = [
        ["metric", report["model"], "95% interval", "gate", *(name.replace("_", " ") for name in report["baselines"])]
    ]
    for name in headline:
        gate = judged.get(name)
        rows.append(
            [
                name.replace("_", " "),
                console.number(report["metrics"].get(name)),
                console.interval(report["intervals"].get(name)),
                f"{bound_of(gate)} {gate['status'].replace('_', ' ')}" if gate else "",
                *(console.number(values.get(name)) for values in report["baselines"].values()),
            ]
        )
    return f"{table(rows)}\n\n{measured(report)}"


def measured(report: dict) -> str:
    """Where and when a report's figures were measured, and what it took."""
    machine, held_out = report["hardware"], report["sizes"]["test"]
    return (
        f"Measured {report['date'][:10]} on {report['backend']}, seed {report['seed']}, {held_out} held-out examples, "
        f"{machine['cores']} cores of {machine['processor']}: {report['duration_s']:.0f} s, "
        f"peak memory {report['peak_memory_gb']:.2f} GB."
    )
