"""Whole jobs: a fit from the command to its report, each in a process of its own that finds nothing in a cache."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kmodels.core.runs.course.stopwatch import PARTS


def measured(todo: list[tuple[str, str]], smoke: bool, before: dict, keep: Callable, report: Callable) -> dict:
    """Run fits one after another, and keep what each took.

    Parameters
    ----------
    todo : list of (str, str)
        Models and backends.
    smoke : bool
        Whether the fits are so small that the figures mean nothing.
    before, keep, report
        As for `contestant.time_all`.

    Returns
    -------
    dict
        `rows`, what `of_job` measured, and `failed`, a sentence for each that did not end.
    """
    found = before | {"rows": before.get("rows", []), "failed": []}
    done = {(row["model"], row["backend"]) for row in found["rows"]}
    left = [job for job in todo if job not in done]
    for number, (model, backend) in enumerate(left):
        report(number, len(left), f"fit of {model} on {backend}")
        try:
            found["rows"].append(of_job(model, backend, smoke))
        except ValueError as error:
            found["failed"].append(f"{model} on {backend}: {error}")
        keep(found)
    return found


def of_job(model: str, backend: str, smoke: bool) -> dict:
    """Run a fit, and read what it took.

    Returns
    -------
    dict
        `wall_s` from the command to its end; `parts_s` of that, see `stopwatch`; `memory_gb`, the process' peak;
        `passed`, whether no gate failed; `machine`, `date` and `commit`.

    Raises
    ------
    ValueError
        With the last thing that it said, where there is no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kmodels.fit", "--model", model, "--backend", backend, "--out", folder]
        own = os.environ | {"KMODELS_CACHE": str(Path(folder) / "cache")}
        started = time.perf_counter()
        done = subprocess.run([*command, *["--smoke"] * smoke], capture_output=True, text=True, env=own)
        wall = time.perf_counter() - started
        reports = list(Path(folder).glob("*/report.json"))
        if not reports:
            raise ValueError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
        said = json.loads(reports[0].read_text())
    row = {"model": model, "backend": backend, "wall_s": round(wall, 1), "parts_s": said["parts_s"]}
    row |= {"memory_gb": said["peak_memory_gb"], "passed": done.returncode == 0}
    return row | {"machine": said["hardware"], "date": said["date"], "commit": said["commit"]}


def table(rows: list[dict]) -> list[list[str]]:
    """Make the cells of a table, a row a fit; judging and pictures also as a share of the whole."""
    cells = [["fit of", "backend", "command to report", *PARTS, "judging, pictures", "peak memory", "gates"]]
    for row in rows:
        parts = row["parts_s"]
        behind = (parts["judging"] + parts["pictures"]) / row["wall_s"]
        took = [f"{row['wall_s']:.1f} s", *(f"{parts[part]:.1f} s" for part in PARTS), f"{behind:.0%}"]
        gates = "passed" if row["passed"] else "FAILED"
        cells.append([row["model"], row["backend"], *took, f"{row['memory_gb']:.2f} GB", gates])
    return cells
