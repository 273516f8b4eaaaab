"""Several runs of one model side by side: pure functions on reports; nothing here knows Keras."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from kmodels.core.cli import console, parse
from kmodels.core.report import figures, pages, tables
from kmodels.core.spec import registry, verdict
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.gate import bound_of

MOST = len(string.ascii_uppercase)  # runs: each has a letter
COLOURS = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.RED, figures.GREY)
PLOTTED = 2  # metrics whose validation curves are plotted beside the loss
NEEDED = ("model", "recipe", "metrics", "intervals", "gates", "date", "seed", "backend", "duration_s")


@dataclass(frozen=True)
class Compared:
    """A finished run as it stands beside others.

    Attributes
    ----------
    letter : str
        Its name in tables.
    path : pathlib.Path
        Its folder, or the report's file.
    report : dict
        What report.json holds.
    """

    letter: str
    path: Path
    report: dict

    @property
    def name(self) -> str:
        """Of its folder, or of its file without the endings of reports."""
        return self.path.name.removesuffix(".json").removesuffix(".report")

    @cached_property
    def recipe(self) -> dict:
        """The fields by dotted key; see `recipe_fields`."""
        return recipe_fields(self.report["model"], self.report["recipe"])

    @property
    def seeds(self) -> str:
        """Of its training, or of those that a report sums up: "seed 0", "seeds 1000, 1001"."""
        return seeds_of(self.report)

    @property
    def verdict(self) -> str:
        """Its gates in a sentence."""
        return verdict.sentence(self.report["gates"])

    @property
    def gates(self) -> dict[tuple[str, str], dict]:
        """Its judged gates by metric and bound: their names have changed between versions."""
        return {(row["metric"], bound_of(row)): row for row in self.report["gates"]}


def seeds_of(report: dict) -> str:
    """Name the seed of a report, or the seeds of one that sums up several trainings."""
    several = report.get("seeds")
    return f"seeds {', '.join(map(str, several))}" if several else f"seed {report['seed']}"


def recipe_fields(model: str, stored: dict) -> dict:
    """List a stored recipe's fields by dotted key, under their names of today where it is a recipe of today.

    Parameters
    ----------
    model : str
        Whose recipe it is.
    stored : dict
        Nested by section, as a report or recipe.yaml holds it.
    """
    try:
        recipe = parse.from_stored(registry.recipe_type(model), stored, tell=False)
    except (UserError, ImportError):
        return tables.flat(stored)
    return tables.flat(recipe.model_dump(mode="json"))


def together(reports: list[tuple[Path, dict]]) -> list[Compared]:
    """Put reports side by side.

    Parameters
    ----------
    reports : list of tuple
        (path, what report.json holds) of each.

    Raises
    ------
    UserError
        Where they are fewer than two or too many, no reports, or of different models.
    """
    if not 2 <= len(reports) <= MOST:
        raise UserError(f"compare takes 2 to {MOST} runs, not {len(reports)}")
    for path, report in reports:
        missing = [name for name in NEEDED if name not in report] if isinstance(report, dict) else NEEDED
        if missing:
            raise UserError(f"{path}: not the report of a run: it has no {missing[0]}")
    (first, one), *others = reports
    for path, report in others:
        if report["model"] != one["model"]:
            raise UserError(
                f"{first} is a run of {one['model']}, {path} one of {report['model']}; compare runs of one model"
            )
    return [
        Compared(letter, Path(path), report)
        for letter, (path, report) in zip(string.ascii_uppercase, reports, strict=False)
    ]


def recipe_differences(runs: list[Compared]) -> list[tuple[str, list[str]]]:
    """List the fields in which recipes differ, (key, a value of each run); "-" where a recipe has no such field."""
    keys = dict.fromkeys(key for run in runs for key in run.recipe)
    rows = [(key, [f"{run.recipe.get(key, '-')}" for run in runs]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def metric_names(runs: list[Compared]) -> tuple[list[str], list[str]]:
    """Name the headline metrics, and all others; in reports that tell no headline, those that gates bound."""
    reports = [run.report for run in runs]
    main = [report.get("headline") or [gate["metric"] for gate in report["gates"]] for report in reports]
    there = dict.fromkeys(name for report in reports for name in report["metrics"])
    headline = [name for name in dict.fromkeys(name for names in main for name in names) if name in there]
    return headline, [name for name in there if name not in headline]


def gate_rows(runs: list[Compared]) -> list[tuple[str, str, list[dict | None]]]:
    """List (name, bound, the judged gate of each run) of all gates; one whose bound has changed stands twice.

    Parameters
    ----------
    runs : list of Compared
        The newest one's name of a gate is taken.
    """
    keys = dict.fromkeys(key for run in runs for key in run.gates)
    names = {key: row["name"] for run in sorted(runs, key=lambda r: r.report["date"]) for key, row in run.gates.items()}
    return [(names[key], key[1], [run.gates.get(key) for run in runs]) for key in keys]


def units(runs: list[Compared]) -> dict[str, str]:
    """Look up the units of all metrics."""
    return {name: unit for run in runs for name, unit in pages.units(run.report).items()}


def notes(runs: list[Compared]) -> list[str]:
    """Say what makes a comparison less than it seems: other held-out data, other code, runs too small."""
    checks: dict[str, Callable[[dict], object]] = {
        "the held-out data are not the same: differences between metrics are partly those of the data": (
            lambda report: (report.get("data_hash"), report.get("sizes", {}).get("test"), seeds_of(report))
        ),
        "the runs were made by different commits": lambda report: report.get("commit"),
        "the runs used different backends": lambda report: report["backend"],
    }
    found = [text for text, of in checks.items() if len({of(run.report) for run in runs}) > 1]
    smoke = [run.letter for run in runs if run.report.get("smoke")]
    return [*found, f"smoke runs, too small to judge: {', '.join(smoke)}"] if smoke else found


def curves(runs: list[Compared]) -> Figure | None:
    """Plot the validation loss, and up to two headline metrics, of all runs over the epochs.

    None where no run has a history, as none of several trainings has.
    """
    histories = {run.letter: run.report["history"] for run in runs if run.report.get("history")}
    if not histories:
        return None
    shown = ["loss", *metric_names(runs)[0]]
    shown = [name for name in shown if all(any(f"val_{name}" in row for row in rows) for rows in histories.values())]
    shown = shown[: 1 + PLOTTED]
    unit = units(runs)
    made, axes = figures.figure(4.0 * max(1, len(shown)), 3.6, 1, max(1, len(shown)))
    for axis, name in zip([axes] if len(shown) < 2 else axes, shown, strict=False):
        for letter, rows in histories.items():
            points = [(row["epoch"], row[f"val_{name}"]) for row in rows if row.get(f"val_{name}") is not None]
            mark = "o-" if len(points) < 3 else "-"
            axis.plot(*zip(*points, strict=True), mark, color=_colour(letter), label=letter)
        of = f" [{unit[name]}]" if name in unit else ""
        axis.set(title=f"validation: {pages.words(name)}{of}", xlabel="epoch")
        axis.title.set_fontsize(10)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(frameon=False)
    return made


def _colour(letter: str):
    k = string.ascii_uppercase.index(letter)
    return COLOURS[k] if k < len(COLOURS) else matplotlib.colormaps["tab20"](k % 20)


def terminal(runs: list[Compared]) -> list[Table]:
    """Tabulate runs, differences of recipes, headline metrics with intervals, and gates, for a terminal."""
    return [_runs_table(runs), _recipes_table(runs), _metrics_table(runs), _gates_table(runs)]


def _runs_table(runs) -> Table:
    table = console.new_table(f"runs of {runs[0].report['model']}")
    table.add_column("", no_wrap=True)
    table.add_column("run")
    for run in runs:
        about = f"{run.seeds}, {run.report['backend']}, {pages.duration(run.report['duration_s'])}: {run.verdict}"
        table.add_row(run.letter, escape(f"{run.name}\n{about}"))
    return table


def _letters_table(title: str, heads: tuple[str, ...], runs, folded: bool = False) -> Table:
    """Make an empty table with a column a run behind those of `heads`, the first of which is folded, or the runs'."""
    table = console.new_table(title)
    table.min_width = len(title)  # else the title of a narrow table is folded
    for column in heads:
        table.add_column(column, no_wrap=folded or column != heads[0])
    for run in runs:
        table.add_column(run.letter, no_wrap=not folded)
    return table


def _recipes_table(runs) -> Table:
    table = _letters_table("recipes, where they differ", ("field",), runs, folded=True)
    for key, values in recipe_differences(runs) or [("(they are the same)", [""] * len(runs))]:
        table.add_row(key, *map(escape, values))
    return table


def _metrics_table(runs) -> Table:
    unit, table = units(runs), _letters_table("held-out data, with 95% intervals", ("metric",), runs, folded=True)
    is_row = len(runs) == 2  # three and more have no room for their intervals in 80 columns
    for name in metric_names(runs)[0]:
        label = f"{name} [{unit[name]}]" if name in unit else name
        table.add_row(escape(label), *(_with_interval(run.report, name, is_row) for run in runs))
    return table


def _with_interval(report: dict, name: str, is_row: bool) -> str:
    value, interval = pages.number(report["metrics"].get(name)), report["intervals"].get(name)
    if not interval:
        return value
    low, high = (pages.number(limit, digits=3) for limit in interval)
    return f"{value} ({low} to {high})" if is_row else f"{value}\n{low} to {high}"


def _gates_table(runs) -> Table:
    table = _letters_table("gates", ("gate", "bound"), runs)
    for name, bound, rows in gate_rows(runs):
        table.add_row(name, bound, *(f"{pages.judged_value(row)} {_mark(row)}" if row else "-" for row in rows))
    return table


def _mark(row: dict) -> str:
    """Write a gate's verdict; of one that proves nothing in brackets."""
    is_weak = row.get("discriminates") is False and row.get("kind") != "requirement"
    if is_weak or row["status"] == "not_measured":
        return f"({pages.verdict_on(row)})" if is_weak else f"[yellow]{pages.verdict_on(row)}[/]"
    return console.MARKS[row["status"]]


def html(runs: list[Compared]) -> str:
    """Render the comparison as one self-contained page.

    Parameters
    ----------
    runs : list of Compared
        Of `together`.
    """
    headline, others = metric_names(runs)
    made = curves(runs)
    return pages.render(
        "compare.html.j2",
        runs=runs,
        model=runs[0].report["model"],
        notes=notes(runs),
        differences=recipe_differences(runs),
        gates=gate_rows(runs),
        headline=headline,
        others=others,
        units=units(runs),
        curves=made and figures.Picture("by epoch", figures.png(made)),
    )
