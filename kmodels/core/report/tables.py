"""Markdown for people: tables of a report for the README and for reviews."""

from kmodels.core.cli import console
from kmodels.core.spec.gate import Gate, bound_of, level_of, lowest_level, remark_on, text_of


def table(rows: list[list[str]]) -> str:
    """Write a Markdown table.

    Parameters
    ----------
    rows : list of list of str
        Cells; the first row is the head.
    """
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "&#124;") for cell in row) + " |" for row in lines)


def flat(recipe: dict, prefix: str = "") -> dict:
    """Flatten a nested recipe to dotted keys, {"train.epochs": 3}.

    Parameters
    ----------
    recipe : dict
        Nested by section.
    prefix : str
        Put before every key.
    """
    found = {}
    for key, value in recipe.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def gates(judged: list[dict]) -> str:
    """Tabulate judged gates in Markdown: value, bound, what the untrained network and the best baseline reach."""
    rows = [["gate", "value", "bound", "untrained", "best baseline", "verdict"]]
    for gate in judged:
        best = gate.get("best_baseline")
        rows.append(
            [
                gate["name"],
                console.number(gate["value"]),
                bound_of(gate),
                console.number(gate.get("untrained")),
                f"{console.number(best['value'])} {best['name'].replace('_', ' ')}" if best else "-",
                verdict_of(gate),
            ]
        )
    return table(rows)


def verdict_of(gate: dict) -> str:
    """Write the status of a judged gate, the level it reached, and what passing it does not say."""
    return ", ".join(filter(None, (gate["status"].replace("_", " "), level_of(gate), remark_on(gate))))


def levels(graded: list[tuple[str, Gate, list[dict], dict]]) -> str:
    """Tabulate in Markdown what the prototype grades: each level's bound, and which one was reached.

    Parameters
    ----------
    graded : list of tuple
        (what, gate, metrics of each seed, metrics of the untrained network), of gates that have levels.

    Returns
    -------
    str
        The table; a level is reached where every seed reaches it.
    """
    names = list(dict.fromkeys(name for _, gate, _, _ in graded for name, _ in gate.levels))
    rows = [["graded by the prototype", *names, "value", "reached", "untrained"]]
    for what, gate, each, untrained in graded:
        own = dict(gate.levels)
        values = [metrics.get(gate.metric) for metrics in each]
        bounds = [text_of(gate.direction, own[name], gate.unit) if name in own else "-" for name in names]
        reached = lowest_level(own, map(gate.level, values)) or "none"
        before = untrained.get(gate.metric)
        start = "-" if before is None else gate.level(before) or "none"
        rows.append([what, *bounds, ", ".join(map(console.number, values)), reached, start])
    return table(rows)


def results(report: dict, headline: tuple[str, ...]) -> str:
    """Tabulate a report's metrics in Markdown beside intervals and baselines, then its gates.

    Parameters
    ----------
    report : dict
        What report.json holds; of one training, or of several seeds.
    headline : tuple of str
        The metrics, in order.

    Returns
    -------
    str
        The tables, and where it was measured.
    """
    spread = report.get("spread")
    rows = [["metric", report["model"], *(["sd over seeds"] if spread else []), "95% interval"]]
    rows[0] += [name.replace("_", " ") for name in report["baselines"]]
    for name in headline:
        row = [name.replace("_", " "), console.number(report["metrics"].get(name))]
        row += [console.number(spread.get(name))] if spread else []
        row.append(console.interval(report["intervals"].get(name)))
        rows.append(row + [console.number(values.get(name)) for values in report["baselines"].values()])
    return f"{table(rows)}\n\n{gates(report['gates'])}\n\n{measured(report)}"


def measured(report: dict) -> str:
    """Say where and when a report's figures were measured, and what it took."""
    several = report.get("seeds")
    seeds = f"seeds {', '.join(map(str, several))} (means)" if several else f"seed {report['seed']}"
    unit = report.get("independent")
    of = f" in {unit['held_out']} independent units ({unit['unit']})" if unit else ""
    return (
        f"Measured {report['date'][:10]} on {report['backend']}, {seeds}, {report['sizes']['test']} held-out "
        f"examples{of}, {machine(report['hardware'])}: {report['duration_s']:.0f} s{' a seed' if several else ''}, "
        f"peak memory {report['peak_memory_gb']:.2f} GB."
    )


def machine(hardware: dict) -> str:
    """Name the processor, and how many cores of it were used."""
    return f"{hardware['cores']} core{'' if hardware['cores'] == 1 else 's'} of {hardware['processor']}"


def several(tables: list[list[list[str]]]) -> str:
    """Write tables below each other."""
    return "\n\n".join(map(table, tables))


def bench(report: dict) -> str:
    """Tabulate a bench in Markdown.

    Parameters
    ----------
    report : dict
        What `kmodels.bench` writes.

    Returns
    -------
    str
        Its tables (pairs, data, growth), and where they were measured.
    """
    makers = _pair_rows, _data_rows, _growth_rows
    made = [rows for rows in (make(report["models"]) for make in makers) if len(rows) > 1]
    minutes = f": {report['minutes']:.0f} minutes" if "minutes" in report else ""
    where = f"Measured {report['date'][:10]}, {machine(report['hardware'])}{minutes}."
    return f"{several(made)}\n\n{where}" if made else where


def _pair_rows(models) -> list[list[str]]:
    """Make the rows of layers and other ways to train: ours against what it is compared with."""
    rows = [["model", "backend", "against", "ours", "other", "ratio"]]
    for model, parts in models.items():
        for backend, pairs in parts.get("pairs", {}).items():
            for name, pair in pairs.items():
                rows.append([model, backend, name, *map(_time, (pair["ours"], pair["theirs"])), f"{pair['ratio']:.2f}"])
    return rows


def _data_rows(models) -> list[list[str]]:
    """Make the rows of examples a second."""
    rows = [["model", "simulated, examples/s", "loaded, examples/s"]]
    for model, parts in models.items():
        if "data" in parts:
            rows.append([model, *(_spread(parts["data"][name], "{:.0f}") for name in ("simulate", "load"))])
    return rows


def _growth_rows(models) -> list[list[str]]:
    """Make the rows of how the cost of a training step grows, with slopes of logarithms."""
    rows = [["model", "backend", "grows with", "step", "memory", "slope of time", "of memory", "of operations"]]
    for model, parts in models.items():
        for backend, axes in parts.get("growth", {}).items():
            for axis, one in axes.items():
                sizes = ", ".join(map(str, one["sizes"]))
                times = ", ".join(f"{1000 * s:.3g}" for s in one["seconds"])
                memory = ", ".join(f"{gb:.2g}" for gb in one["memory_gb"])
                slopes = [one["slopes"][name] for name in ("seconds", "memory_gb", "operations")]
                slopes = ["-" if slope is None else f"{slope:.2f}" for slope in slopes]
                rows.append([model, backend, f"{axis} {sizes}", f"{times} ms", f"{memory} GB", *slopes])
    return rows


def _time(spread) -> str:
    seconds = spread["median"]
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _spread(spread, form) -> str:
    """Write the median, and in brackets the lowest and highest of the rounds."""
    return f"{form} ({form}-{form})".format(spread["median"], spread["low"], spread["high"])
