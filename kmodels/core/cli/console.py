"""What a person sees: progress with the time left, lines, tables. Everything said is also in the run's log."""

import contextlib
import logging
import math
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kmodels.core.spec.gate import bound_of

log = logging.getLogger("kmodels")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.NullHandler())  # else logging prints errors to stderr a second time
out = Console(highlight=False, soft_wrap=True)

MARKS = {"passed": "[green]passed[/]", "failed": "[red]FAILED[/]", "not_measured": "[yellow]not measured[/]"}


def say(text: str) -> None:
    """Print a line, and note it in the log."""
    out.print(text, markup=False)
    log.info(text)


def command(module: str, *words) -> str:
    """How to run a module, as one types it into a shell, whatever signs a path among `words` has."""
    return shlex.join([Path(sys.executable).name, "-m", module, *map(str, words)])


@contextlib.contextmanager
def logging_to(path: Path):
    """While inside, everything said goes to this file as well, with the time."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def progress(what: str, total: int | None = None):
    """A progress bar with the time left; yields `report(done, total, text="")`. Nothing is drawn off a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(what, total=total, text="")

        def report(done: int, total: int, text: str = "") -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield report


def metrics_table(report: dict, headline: tuple[str, ...]) -> Table:
    """Each headline metric with its interval beside the same metric of every baseline; 80 columns wide."""
    baselines = report["baselines"]
    table = new_table("held-out data")
    for name in ("metric", "model", "95% interval", *baselines):
        table.add_column(name.replace("_", "\n"), no_wrap=True)
    for name in headline:
        table.add_row(
            name,
            number(report["metrics"].get(name)),
            interval(report["intervals"].get(name)),
            *(number(values.get(name)) for values in baselines.values()),
        )
    return table


def gates_table(gates: list[dict]) -> Table:
    """Each gate with its verdict."""
    table = new_table("gates")
    for column in ("gate", "value", "bound", "source", ""):
        table.add_column(column, no_wrap=True)
    for gate in gates:
        table.add_row(gate["name"], number(gate["value"]), bound_of(gate), gate["source"], MARKS[gate["status"]])
    return table


def new_table(title: str) -> Table:
    """An empty table in the house's style."""
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def show(table: Table) -> None:
    """Print a table, and note it in the log."""
    out.print()
    out.print(table)
    plain = Console(width=120)
    with plain.capture() as captured:
        plain.print(table)
    log.info("\n%s", captured.get().rstrip())


def number(value: float | None) -> str:
    """A number as people want it in a table: four decimals, large ones with fewer."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) >= 10:
        return f"{int(value)}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def interval(low_high) -> str:
    """An interval, or nothing."""
    return "-".join(number(value) for value in low_high) if low_high else ""


def notice(text: str) -> None:
    """A line that asks for nothing, to the standard error stream, where it does not mix with what a verb writes."""
    print(f"notice: {text}", file=sys.stderr)
    log.info("notice: %s", text)


def complain(text: str) -> None:
    """An error, to the standard error stream."""
    print(f"error: {text}", file=sys.stderr)
    log.error("error: %s", text)
