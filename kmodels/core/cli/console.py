"""What a person sees: progress with the time left, lines, tables. Everything said is also in the run's log."""

import contextlib
import io
import logging
import math
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kmodels.core.spec.gate import bound_of, level_of, remark_on

log = logging.getLogger("kmodels")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.NullHandler())  # else logging prints errors to stderr a second time
out = Console(highlight=False, soft_wrap=True)

LOG_WIDTH = 80  # columns of a table in the log
GAP = 2  # columns between those of a table
WIDEST = 10_000  # columns: room for any cell
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

MARKS = {"passed": "[green]passed[/]", "failed": "[red]FAILED[/]", "not_measured": "[yellow]not measured[/]"}


def say(text: str) -> None:
    """Print a line, and note it in the log."""
    out.print(text, markup=False)
    log.info(text)


def command(module: str, *words: object) -> str:
    """Write how to run a module, as one types it into a shell, whatever signs a path among `words` has."""
    return shlex.join([Path(sys.executable).name, "-m", module, *map(str, words)])


class _Plain(logging.Formatter):
    """The time and the text, without control codes, whatever a file's name or a library's message has in it."""

    def format(self, record):
        return CONTROL.sub(lambda code: repr(code[0])[1:-1], super().format(record))


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write everything that is said inside to this file as well, with the time."""
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Plain("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def kept() -> Iterator[list[logging.LogRecord]]:
    """Keep what is said inside: a run's data is read before there is a log to write it into, see `log_again`."""
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def log_again(path: Path, said: list[logging.LogRecord]) -> None:
    """Write what was said before, with its time, into this file."""
    with logging_to(path):
        for record in said:
            log.handle(record)


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable]:
    """Show a progress bar with the time left. Nothing is drawn off a terminal.

    Parameters
    ----------
    what : str
        What is being done.
    total : int, optional
        Of what there is to do, where that is known.

    Yields
    ------
    callable
        ``report(done, total, text="")`` moves it.
    """
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
    """Tabulate each headline metric with its interval beside the same metric of every baseline.

    Parameters
    ----------
    report : dict
        What report.json holds.
    headline : tuple of str
        The metrics, in order.
    """
    columns = {
        "model": _reader(report["metrics"]),
        "95% interval": lambda name: interval(report["intervals"].get(name)),
    }
    columns |= {name.replace("_", "\n"): _reader(values) for name, values in report["baselines"].items()}
    return _headline_table("held-out data", report, headline, columns)


def _headline_table(title: str, report: dict, headline: tuple[str, ...], columns: dict[str, Callable]) -> Table:
    """Tabulate the headline metrics, a row each; columns: {heading: function of a metric's name}."""
    table = new_table(title)
    for heading in ("metric", *columns):
        table.add_column(heading, no_wrap=True)
    for name in headline:
        table.add_row(escape(metric_label(report, name)), *(cell(name) for cell in columns.values()))
    return table


def _reader(values: dict) -> Callable[[str], str]:
    """Make the function that writes a metric out of `values`."""
    return lambda name: number(values.get(name))


def metric_label(report: dict, name: str) -> str:
    """Write a metric's name with its unit, "rmse [m]", where the report tells one."""
    unit = report.get("units", {}).get(name)
    return f"{name} [{unit}]" if unit else name


def seeds_table(report: dict, headline: tuple[str, ...]) -> Table:
    """Tabulate each headline metric's mean over seeds, its spread, and every seed's value.

    Parameters
    ----------
    report : dict
        As `seeds.summarize` makes it.
    headline : tuple of str
        The metrics, in order.
    """
    columns = {"mean": _reader(report["metrics"]), "standard\ndeviation": _reader(report["spread"])}
    each = zip(report["seeds"], report["each"], strict=True)
    columns |= {f"seed\n{seed}": _reader(values) for seed, values in each}
    return _headline_table("held-out data, over seeds", report, headline, columns)


def gates_table(gates: list[dict]) -> Table:
    """Tabulate each gate with what the untrained network and the best baseline reach, and its verdict."""
    table = new_table("gates")
    for column in ("gate", "value", "bound", "untrained", "best baseline", ""):
        table.add_column(column, no_wrap=column in ("value", "untrained"))
    for gate in gates:
        best = gate.get("best_baseline")
        table.add_row(
            gate["name"],
            number(gate["value"]),
            bound_of(gate),
            number(gate.get("untrained")),
            f"{number(best['value'])} {best['name'].replace('_', ' ')}" if best else "-",
            _mark(gate),
        )
    return table


def _mark(gate: dict) -> str:
    """Write the verdict on a gate, the prototype's level it reached, and whether passing it says anything."""
    if gate["status"] == "not_measured" and gate["value"] is not None:
        return "[yellow]not judged[/]"
    return ", ".join(filter(None, (MARKS[gate["status"]], level_of(gate), remark_on(gate))))


def new_table(title: str | None) -> Table:
    """Make an empty table in the style of all verbs."""
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def show(table: Table) -> None:
    """Print a table, and note it in the log. Columns for which there is no room stand in a table of their own below."""
    out.print()
    for part in _fitting(table, out):
        out.print(part, soft_wrap=False)
    text = io.StringIO()
    plain = Console(file=text, width=LOG_WIDTH, color_system=None, force_terminal=False)
    for part in _fitting(table, plain):
        plain.print(part)
    log.info("\n%s", text.getvalue().rstrip())


def show_facts(facts: dict[str, str]) -> None:
    """Print facts by their names, a long one folded beside its name."""
    table = new_table(None)
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(escape(name), escape(text))
    show(table)


def _fitting(table: Table, console: Console) -> list[Table]:
    """Part a table that is too wide into tables of some of its columns, each with the first column again."""
    first, *others = [(column, _width(table, column, console)) for column in table.columns]
    parts, room = [[first]], console.width - first[1]
    for column in others:
        if room < GAP + column[1] and len(parts[-1]) > 1:
            parts.append([first])
            room = console.width - first[1]
        parts[-1].append(column)
        room -= GAP + column[1]
    if len(parts) == 1:
        return [table]
    return [
        _of_columns(table, [column for column, _ in part], "" if k else table.title) for k, part in enumerate(parts)
    ]


def _width(table: Table, column, console: Console) -> int:
    """Measure how wide a column must be: as its longest word, or, where it is not to be folded, its longest cell."""
    alone = _of_columns(table, [column], None)
    measured = Measurement.get(console, console.options.update(max_width=WIDEST), alone)
    return measured.maximum if column.no_wrap else measured.minimum


def _of_columns(table: Table, columns: list, title: str | None) -> Table:
    """Make a table of some columns of another one."""
    part = new_table(title)
    for column in columns:
        part.add_column(column.header, no_wrap=column.no_wrap, justify=column.justify)
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    return part


def number(value: float | None) -> str:
    """Write a number for a table: four decimals, large ones with fewer; "-" for what is none."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) >= 10:
        return f"{int(value)}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def interval(low_high: Sequence[float] | None) -> str:
    """Write an interval, or nothing where there is none."""
    return "-".join(number(value) for value in low_high) if low_high else ""


def notice(text: str) -> None:
    """Print a line that asks for nothing to standard error, where it does not mix with what a verb writes."""
    _print_error(f"notice: {text}")
    log.info("notice: %s", text)


def _print_error(text: str) -> None:
    """Print to standard error; on a terminal in lines that it is wide enough for."""
    if sys.stderr.isatty():
        options = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": "  "}
        width = shutil.get_terminal_size().columns
        text = "\n".join(textwrap.fill(line, width, **options) for line in text.splitlines())
    print(text, file=sys.stderr)


def complain(text: str) -> None:
    """Print an error to standard error."""
    _print_error(f"error: {text}")
    log.error("error: %s", text)
