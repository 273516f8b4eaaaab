"""The page of a folder of runs: `index.html` lists all of them; `index.json` holds what was read of them."""

import datetime
import json
from pathlib import Path

from kmodels.core.cli import console, parse
from kmodels.core.io import files
from kmodels.core.report import pages, tables
from kmodels.core.report.compare import recipe_fields, seeds_of
from kmodels.core.spec import registry, verdict
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.gate import strictest

FORMAT = 1  # of index.json; rows of another format are read anew
MAIN = 3  # metrics of a run that are listed
WAIT = 5.0  # s: for another process that writes the same page
# Errors that reading an altered or incomplete run folder may raise.
BROKEN = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, UserError)


def write(folder: Path) -> Path | None:
    """Write `index.html` of a folder of runs anew. It never ends a training: what fails is told in one line.

    Only runs that have changed since `index.json` was written are read.

    Parameters
    ----------
    folder : pathlib.Path
        That holds runs; those in folders below it are not listed.

    Returns
    -------
    pathlib.Path or None
        The page; None where it could not be written, or where a page of somebody else has its name.
    """
    page = Path(folder) / "index.html"
    try:
        if page.exists() and not pages.is_ours(page):
            return None
        lock = page.with_name(".index.lock")
        with files.file_lock(lock, wait=WAIT) as is_alone:  # else an older list could replace a newer one
            rows = collect(folder)
            files.write_json(page.with_name("index.json"), {"format": FORMAT, "runs": rows})
            files.write_text(page, html(rows, Path(folder).absolute().name))
            if is_alone:
                lock.unlink(missing_ok=True)
    except OSError as error:
        console.notice(f"{page}: not written: {error.strerror or error}")
        return None
    return page


def announce(folder: Path) -> None:
    """Write the page of a folder of runs anew, and say where it is."""
    if page := write(folder):
        console.say(f"all runs     {page}")


def collect(folder: Path) -> list[dict]:
    """Collect a row for each run in a folder, and for each report that sums up several, newest first.

    Parameters
    ----------
    folder : pathlib.Path
        Of runs. A run that cannot be read has a row that says so; what is no run has none.
    """
    known = _known(Path(folder) / "index.json")
    rows = []
    for path in Path(folder).iterdir():
        stamp = _stamp(path)
        if stamp is None:
            continue
        row = known.get(path.name)
        row = row if row and row["stamp"] == stamp else {"stamp": stamp} | _read(path)
        if row["state"] != "damaged" or (path / "run.json").exists():
            rows.append(row)
    for row in rows:
        if row["state"] in ("running", "stopped"):
            row["state"] = _state(Path(folder) / row["name"])
    return sorted(rows, key=lambda row: (row["time"], row["name"]), reverse=True)


def _known(path: Path) -> dict[str, dict]:
    """Read the rows that were collected before, by the run's name; none where there are none of this format."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {row["name"]: row for row in found["runs"]} if found["format"] == FORMAT else {}
    except BROKEN:
        return {}


def _stamp(path: Path) -> list[int] | None:
    """Tell a report, or where there is none yet a run's record, from one that was written later; None without both."""
    for name in ("report.json", "run.json"):
        try:
            about = (path / name).stat()
            return [about.st_mtime_ns, about.st_size]
        except OSError:
            continue
    return None


def _read(path: Path) -> dict:
    """Read the row of a run."""
    try:
        if (path / "report.json").exists():
            return _finished(path, json.loads((path / "report.json").read_text(encoding="utf-8")))
        return _unfinished(path, json.loads((path / "run.json").read_text(encoding="utf-8")))
    except BROKEN:
        return _row(path, "damaged", path.stat().st_mtime)


def _row(path: Path, state: str, time: float, **more) -> dict:
    """Make a row. state: finished, running, stopped or damaged. time: seconds since 1970."""
    empty = {"model": None, "about": "", "verdict": "", "status": "", "metrics": [], "duration_s": None}
    return {"name": path.name, "state": state, "time": time} | empty | more


def _finished(path: Path, report: dict) -> dict:
    unit = pages.units(report)
    main = report.get("headline") or list(dict.fromkeys(gate["metric"] for gate in report["gates"]))
    return _row(
        path,
        "finished",
        datetime.datetime.fromisoformat(report["date"]).timestamp(),
        model=report["model"],
        about=_about(report["model"], report["recipe"], report["smoke"], seeds_of(report)),
        verdict=verdict.sentence(report["gates"]),
        status="failed" if verdict.exit_status(report["gates"]) else strictest(report["gates"]),
        metrics=[[name, report["metrics"].get(name), unit.get(name, "")] for name in main[:MAIN]],
        duration_s=report["duration_s"],
    )


def _unfinished(path: Path, metadata: dict) -> dict:
    recipe = parse.read_yaml(path / "recipe.yaml").values
    about = _about(metadata["model"], recipe, metadata["smoke"], f"seed {recipe.get('seed', 0)}")
    return _row(path, _state(path), (path / "run.json").stat().st_mtime, model=metadata["model"], about=about)


def _state(path: Path) -> str:
    """Tell whether a process works on an unfinished run: its lock names one that is not known to be gone."""
    try:
        words = (path / ".lock").read_text(encoding="utf-8").split()
    except OSError:
        return "stopped"
    return "stopped" if len(words) > 1 and files.is_gone(words[1]) else "running"


def _about(model: str, recipe: dict, smoke: bool, seeds: str) -> str:
    """Say which recipe of its model it is: variant, smoke run, seeds."""
    words = _variant(model, recipe_fields(model, recipe), smoke), "smoke" if smoke else None, seeds
    return ", ".join(word for word in words if word)


def _variant(model: str, fields: dict, smoke: bool) -> str | None:
    """Find the variant whose fields the recipe has, of several the one with most; None for the default.

    None, too, for a model that is not installed here, and where a smoke run hides which of two variants it is.
    """
    if model not in registry.names():
        return None
    kind = registry.recipe_type(model)
    overruled = tables.flat(kind.SMOKE) if smoke else {}
    own = {name: tables.flat(changes) for name, changes in kind.VARIANTS.items()}
    own = {name: {k: v for k, v in changes.items() if k not in overruled} for name, changes in own.items()}
    fitting = [name for name, changes in own.items() if changes and changes.items() <= fields.items()]
    most = max((len(own[name]) for name in fitting), default=0)
    found = [name for name in fitting if len(own[name]) == most]
    return found[0] if len(found) == 1 else None


def html(rows: list[dict], folder: str) -> str:
    """Render the list as a page.

    Parameters
    ----------
    rows : list of dict
        Of `collect`.
    folder : str
        Its name.
    """
    return pages.render("index.html.j2", rows=rows, folder=folder)
