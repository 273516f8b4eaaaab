"""What a climb looks like to a reader: the review of a rung, the table of the ladder, its picture."""

from matplotlib.figure import Figure
from rich.table import Table

from kmodels.core.cli import console
from kmodels.core.report import figures, tables
from kmodels.core.spec.gate import bound_of

# A ladder's first figures are its main ones: so many are drawn, shown on a terminal, and in the Markdown table.
DRAWN, SHOWN, TABLED = 3, 4, 5
ABREAST = 3  # figures with intervals in one table


def of_step(record: dict, before: dict | None) -> str:
    """Write the review of a rung: what changed, what it did to each figure, which gates it met, what it cost.

    Parameters
    ----------
    record : dict
        Of the rung, as `metrics_step{k}.json` holds it.
    before : dict or None
        Of the rung that it is compared with.

    Returns
    -------
    str
        Markdown, the content of `review_step{k}.md`.
    """
    parts = [
        f"# Step {record['step']}, {record['name']}: {record['verdict'].replace('_', ' ')}",
        f"What changed: {record['change']}.",
        _changed(record, before),
        "## What it did",
        _figures(record, before),
        *_ratios(record),
        "## Gates",
        tables.gates(record["gates"]),
    ]
    if record["findings"]:
        parts += ["## What the data shows", "\n".join(f"* {line}" for line in record["findings"])]
    parts += ["## What it cost", _cost(record, before)]
    return "\n\n".join(parts) + "\n"


def _changed(record, before) -> str:
    """Tabulate the recipe's fields that differ from the rung before."""
    if before is None:
        return ""
    new, old = tables.flat(record["recipe"]), tables.flat(before["recipe"])
    rows = [[key, f"{old.get(key)}", f"{value}"] for key, value in new.items() if old.get(key) != value]
    return tables.table([["field", "before", "now"], *rows])


def _figures(record, before) -> str:
    rows = [["figure", "before", "now", "95% interval", "prototype"]]
    for name in record["figures"]:
        rows.append(
            [
                name.replace("_", " "),
                console.number(before["metrics"].get(name)) if before else "",
                console.number(record["metrics"].get(name)),
                console.interval(record["intervals"].get(name)),
                console.number(record["prototype"][name]) if name in record["prototype"] else "",
            ]
        )
    return tables.table(rows)


def _ratios(record) -> list[str]:
    """Tabulate the quotients of what several seeds gave."""
    if not record.get("ratios"):
        return []
    rows = [["figure", "now / before", "95% interval over seeds"]]
    rows += [
        [name.replace("_", " "), f"{mean:.4f}", f"{low:.4f}-{high:.4f}"]
        for name, (mean, low, high) in record["ratios"].items()
    ]
    return ["Seed by seed, beside the step that it is compared with:", tables.table(rows)]


def _cost(record, before) -> str:
    then = f" (the step before: {before['duration_s']:.0f} s)" if before else ""
    epochs = ", ".join(str(n) for n in record["epochs"])
    return (
        f"{record['duration_s']:.0f} s{then}, {epochs} epochs, from data to report. {_where(record)} "
        f"Code {(record['commit'] or 'unknown')[:12]}."
    )


def _where(record, seeds: str | None = None) -> str:
    return (
        f"Measured {record['date'][:10]} on {record['backend']}, {seeds or _seeds(record)}, "
        f"{record['held_out']} held-out examples, {tables.machine(record['hardware'])}."
    )


def _seeds(record) -> str:
    return f"{'seed' if len(record['seeds']) == 1 else 'seeds'} {', '.join(map(str, record['seeds']))}"


def _seeds_of_all(records) -> str:
    """Name the seeds of a climb, and the steps that had others than the last one."""
    steps = {}
    for record in records:
        if record["seeds"] != records[-1]["seeds"]:
            steps.setdefault(_seeds(record), []).append(str(record["step"]))
    return ", ".join([_seeds(records[-1]), *(f"{seeds} in step {' and '.join(at)}" for seeds, at in steps.items())])


def _how_to_read(records) -> str:
    """Say what stands in the brackets, and what became of several seeds."""
    if all(len(record["seeds"]) == 1 for record in records):
        return "In brackets: 95% intervals."
    return (
        "Figures are means over the seeds; the brackets hold the 95% intervals of all seeds; a gate is judged on the "
        "worst seed."
    )


def of_ladder(records: list[dict]) -> str:
    """Write a climb as Markdown tables: each step's main figures, then its gates, the prototype's figures and cost.

    Parameters
    ----------
    records : list of dict
        Of the rungs in order, as `metrics_step{k}.json` holds them.

    Returns
    -------
    str
        The tables, none wider than a page, and where it was measured.
    """
    names = records[0]["figures"][:TABLED]
    made = [_figures_table(records, names[k : k + ABREAST]) for k in range(0, len(names), ABREAST)]
    made.append(_course_table(records, names))
    if any(record["gates"] for record in records):
        made.append(_gates_table(records))
    total = sum(record["duration_s"] for record in records)
    where = _where(records[-1], _seeds_of_all(records))
    return "\n\n".join([*made, f"{where} The whole climb: {total / 60:.0f} minutes. {_how_to_read(records)}"])


def _step_name(record) -> str:
    return f"{record['step']} {record['name']}"


def _figures_table(records, names) -> str:
    rows = [["step", *(name.replace("_", " ") for name in names)]]
    return tables.table([*rows, *([_step_name(r), *(_with_interval(r, name) for name in names)] for r in records)])


def _course_table(records, names) -> str:
    """Tabulate what each step's prototype measured, and how long the step took."""
    known = [name for name in names if any(name in record["prototype"] for record in records)]
    head = ["prototype: " + " / ".join(name.replace("_", " ") for name in known)] if known else []
    rows = [["step", *head, "time"]]
    for record in records:
        said = [_of_prototype(record["prototype"], known)] if known else []
        rows.append([_step_name(record), *said, f"{record['duration_s']:.0f} s"])
    return tables.table(rows)


def _gates_table(records) -> str:
    """Tabulate every step's gates by name."""
    rows = [["step", "gate", "value", "bound", ""]]
    for record in records:
        for gate in record["gates"]:
            value = console.number(gate["value"])
            rows.append([_step_name(record), gate["name"], value, bound_of(gate), tables.verdict_of(gate)])
    return tables.table(rows)


def _of_prototype(found: dict[str, float], names: list[str]) -> str:
    """Write what the prototype measured at a step; "open" where it measured nothing."""
    return " / ".join(f"{found[name]:.2f}" if name in found else "-" for name in names) if found else "open"


def _with_interval(record, name) -> str:
    value = console.number(record["metrics"].get(name))
    interval = console.interval(record["intervals"].get(name))
    return f"{value} ({interval})" if interval else value


def summary(records: list[dict]) -> Table:
    """Tabulate a climb for a terminal of 80 columns; `records` as for `of_ladder`."""
    names = records[0]["figures"][:SHOWN]
    table = console.new_table("the climb")
    for column in ("step", *(name.replace("_", "\n") for name in names), "gates", "time"):
        table.add_column(column, no_wrap=column != "step")
    for record in records:
        table.add_row(
            f"{record['step']} {record['name']}",
            *(console.number(record["metrics"].get(name)) for name in names),
            console.MARKS[record["verdict"]],
            f"{record['duration_s']:.0f} s",
        )
    return table


def picture(records: list[dict]) -> Figure:
    """Plot the main figures over the steps with their intervals, and what the prototype measured.

    Parameters
    ----------
    records : list of dict
        As for `of_ladder`; the first three of a record's `figures` are plotted.
    """
    made, axes = figures.figure(8, 4)
    steps = [record["step"] for record in records]
    colours = (figures.BLUE, figures.ORANGE, figures.GREEN)
    for name, colour in zip(records[0]["figures"][:DRAWN], colours, strict=False):
        values = [record["metrics"].get(name) for record in records]
        there = [
            (k, v, r["intervals"].get(name)) for k, v, r in zip(steps, values, records, strict=True) if v is not None
        ]
        label = name.replace("_", " ")
        axes.plot([k for k, _, _ in there], [v for _, v, _ in there], "o-", color=colour, label=label)
        for k, _, interval in there:
            if interval:
                axes.plot([k, k], interval, color=colour, lw=4, alpha=0.3, solid_capstyle="butt")
        prototype = [(r["step"], r["prototype"][name]) for r in records if name in r["prototype"]]
        if prototype:
            axes.plot(*zip(*prototype, strict=True), "x", color=colour, label=f"{label}, prototype")
    labels = [f"{record['step']} {record['name']}" for record in records]
    axes.set_xticks(steps, labels, fontsize=7, rotation=35, ha="right", rotation_mode="anchor")
    axes.set(ylim=(-0.02, 1.02))
    axes.grid(axis="y", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return made
