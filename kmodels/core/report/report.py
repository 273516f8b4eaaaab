"""A Report remembers: report.json for programs, report.html for people."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmodels.core.io import files
from kmodels.core.report import figures, pages
from kmodels.core.runs import provenance
from kmodels.core.spec import registry, verdict
from kmodels.core.spec.task import Scores, Task

if TYPE_CHECKING:
    from kmodels.core.runs.run import Run


def judged(task: Task, scores: Scores, baselines: dict[str, Scores], measured: bool) -> dict:
    """Judge the gates of a task, beside metrics, intervals and baselines as a report holds them.

    Parameters
    ----------
    task : Task
        Whose gates are judged.
    scores : Scores
        Of the model, on held-out data.
    baselines : dict of str to Scores
        By name.
    measured : bool
        False leaves every gate open: a smoke run is too small to judge.

    Returns
    -------
    dict
        `units`, `metrics`, `intervals`, `baselines` and `gates`, for JSON; what is not a finite number is None.
    """
    return {
        "units": registry.units(task.name),
        "metrics": finite(scores.values),
        "intervals": {name: [float(low), float(high)] for name, (low, high) in scores.intervals.items()},
        "baselines": {name: finite(one.values) for name, one in baselines.items()},
        "gates": judge(task, scores.values, {name: one.values for name, one in baselines.items()}, measured),
    }


def judge(task: Task, metrics: dict, baselines: dict[str, dict], measured: bool) -> list[dict]:
    """Judge every gate of a task by metrics, those of the baselines and of the untrained network beside."""
    return [gate.judge(metrics, measured, baselines, task.references) for gate in task.gates]


def assemble(
    task: Task, run: "Run", scores: Scores, baselines: dict[str, Scores], history: list[dict], **facts: Any
) -> dict:
    """Assemble the content of report.json.

    Parameters
    ----------
    task : Task
        That was trained.
    run : Run
        Whose recipe it was trained by.
    scores, baselines
        As for `judged`.
    history : list of dict
        A row an epoch.
    **facts
        `data_hash`, `data`, `sizes`, `duration_s` [s], `training_s` [s], `parts_s` and `notes`.

    Returns
    -------
    dict
        For JSON.
    """
    return {
        "model": task.name,
        "question": task.question,
        "recipe": run.recipe.model_dump(mode="json"),
        "seed": run.recipe.seed,
        "smoke": run.metadata["smoke"],
        **provenance.here(),
        "code": provenance.code_of(task.name),
        "peak_memory_gb": provenance.peak_memory_gb(),
        **facts,
        **judged(task, scores, baselines, measured=not run.metadata["smoke"]),
        "headline": list(task.headline),
        "history": history,
    }


def finite(values: dict) -> dict:
    """Make plain numbers for JSON; what is not finite is not measured."""
    return {k: float(v) if v is not None and math.isfinite(v) else None for k, v in values.items()}


def write(
    report: dict,
    plots: dict,
    folder: Path,
    headline: tuple[str, ...],
    others: dict[str, bytes] | None = None,
    drawn: Callable[[], None] = lambda: None,
) -> None:
    """Write figures/, report.html and, last, report.json: its presence says that the run is finished.

    Parameters
    ----------
    report : dict
        As `assemble` makes it.
    plots : dict of str to matplotlib.figure.Figure
        Pictures by title; one that is the same as another is left out.
    folder : pathlib.Path
        The run's.
    headline : tuple of str
        Metrics of the page's table, in order.
    others : dict of str to bytes
        Further files for figures/, by name; a GIF is shown on the page, too.
    drawn : callable
        Called once all pictures are made, before the report is written.
    """
    others = others or {}
    pictures = figures.different(figures.Picture(title, figures.png(made)) for title, made in plots.items())
    for picture in pictures:
        files.write_bytes(folder / "figures" / f"{_slug(picture.title)}.png", picture.content)
    for name, content in others.items():
        files.write_bytes(folder / "figures" / name, content)
    pictures += [
        figures.Picture(f"{Path(name).stem}, animated", one) for name, one in others.items() if name.endswith(".gif")
    ]
    drawn()
    files.write_text(folder / "report.html", html(report, pictures, headline))
    files.write_json(folder / "report.json", report)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def html(report: dict, pictures: list[figures.Picture], headline: tuple[str, ...]) -> str:
    """Render a report as one self-contained page.

    Parameters
    ----------
    report : dict
        As `assemble` makes it, or one of an earlier version.
    pictures : list of figures.Picture
        In order.
    headline : tuple of str
        As for `write`.

    Returns
    -------
    str
        HTML, with the pictures in it.
    """
    return pages.render(
        "report.html.j2",
        report=report,
        verdict=verdict.sentence(report["gates"]),
        headline=headline,
        units=pages.units(report),
        pictures=pictures,
    )
