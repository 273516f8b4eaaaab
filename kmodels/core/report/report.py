"""A Report remembers: report.json for programs, report.html for people."""

import math
from pathlib import Path

import jinja2

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.report import figures
from kmodels.core.runs import provenance


def judged(task, scores, baselines, measured: bool) -> dict:
    """Metrics, intervals, baselines and gates, as a report holds them."""
    return {
        "metrics": _finite(scores.values),
        "intervals": {name: [float(low), float(high)] for name, (low, high) in scores.intervals.items()},
        "baselines": {name: _finite(one.values) for name, one in baselines.items()},
        "gates": [gate.judge(scores.values, measured) for gate in task.gates],
    }


def assemble(task, run, scores, baselines, history, **facts) -> dict:
    """Return the content of report.json. facts: data_hash, data, sizes, duration_s, notes."""
    return {
        "model": task.name,
        "question": task.question,
        "recipe": run.recipe.model_dump(mode="json"),
        "seed": run.recipe.seed,
        "smoke": run.metadata["smoke"],
        **provenance.here(),
        "peak_memory_gb": provenance.peak_memory_gb(),
        **facts,
        **judged(task, scores, baselines, measured=not run.metadata["smoke"]),
        "history": history,
    }


def _finite(values: dict) -> dict:
    """Plain numbers for JSON; what is not finite is not measured."""
    return {k: float(v) if v is not None and math.isfinite(v) else None for k, v in values.items()}


def write(report: dict, pictures: dict, folder: Path, headline: tuple[str, ...]) -> None:
    """Write figures/*.png, report.html and, last, report.json: its presence says that the run is finished."""
    for name, made in pictures.items():
        files.write_bytes(folder / "figures" / f"{_slug(name)}.png", figures.png(made))
    files.write_text(folder / "report.html", html(report, pictures, headline))
    files.write_json(folder / "report.json", report)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def verdict(gates: list[dict]) -> str:
    """Return the gates in one sentence."""
    count = {status: sum(g["status"] == status for g in gates) for status in ("passed", "failed", "not_measured")}
    if count["failed"]:
        return f"{count['failed']} of {len(gates)} gates FAILED"
    if count["not_measured"]:
        return f"{count['passed']} gates passed, {count['not_measured']} not measured"
    return f"all {len(gates)} gates passed"


def html(report: dict, pictures: dict, headline: tuple[str, ...]) -> str:
    """One self-contained page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": console.number, "interval": console.interval}
    return environment.get_template("report.html.j2").render(
        report=report,
        verdict=verdict(report["gates"]),
        headline=headline,
        pictures={name: figures.data_uri(made) for name, made in pictures.items()},
    )
