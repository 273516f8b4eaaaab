"""Where a number comes from: code, machine, time."""

import ast
import datetime
import functools
import hashlib
import platform
import subprocess
from pathlib import Path

import psutil

from kmodels.core.io import files, system
from kmodels.core.spec import registry
from kmodels.core.training import backend

NAMES = ("date", "commit", "backend", "versions", "hardware")
# Methods that make files and tables of what was computed, or a file of the network as it is.
FOR_PEOPLE = {"write", "frame", "export"}
# Texts, pictures and bounds, and whatever else is measured with a model.
APART = {"studies", "ladder.py", "gates.py", "figures.py", "drawing.py", "summary.py", "diagnostics.py"}
APART |= {"tensorboard.py"}
# What reads users' files: that simulated data is read as ever has a test, with fingerprints (test_simulated_data.py).
APART |= {"load.py", "table.py", "text.py", "cf_reader.py", "cf_writer.py", "series.py", "aermod.py"}
APART |= {"hdf5.py", "matlab.py", "layout.py", "agreement.py", "batvision.py", "recording.py", "legacy_numpy.py"}
# Units, former names, and the door that sets up a backend: that runs of earlier versions predict and go on as ever has
# a test, too (test_saved_by_earlier_versions.py).
APART |= {"units.py", "legacy.py", "backend.py"}
# What shares a batch out among devices: that the weights are those of one device has a test (test_distribution.py).
APART |= {"distribution.py", "agreement.py"}


def here() -> dict:
    """Collect what whoever reads a figure of this process must know, by NAMES."""
    values = (
        datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        commit(),
        backend.current(),
        backend.versions(),
        hardware(),
    )
    return dict(zip(NAMES, values, strict=True))


def of(report: dict) -> dict:
    """Select what `here` collected from a report."""
    return {name: report[name] for name in NAMES}


def commit() -> str | None:
    """Ask git for the commit of this code.

    Reports in configs/reports/ may differ from it: they are what is measured, and one of many figures may just have
    been put there.

    Returns
    -------
    str or None
        The commit, with "+changes" when files differ from it; None outside a checkout.
    """
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None

    def git(*words):
        return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=20)

    try:
        head = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!configs/reports")
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def code(model: str | None = None) -> str:
    """Hash the source of kmodels, and of a model in another package: figures of other code are measured again."""
    package = Path(__file__).resolve().parents[2]
    own = registry.folder(model).rglob("*.py") if model in registry.plugged() else ()
    return files.sha256(*sorted(package.rglob("*.py")), *sorted(own))[:16]


def code_of(model: str) -> str:
    """Hash the code that a model's figures come from, so that a report can be told from one of other code.

    That is the model's own folder but what is APART, all layers, and the training. Comments, docstrings and layout
    count for nothing; bounds do not either, for a gate can be judged again without training; nor do methods
    FOR_PEOPLE. A recipe's fields are compared by value, for a report holds them all.

    Parameters
    ----------
    model : str
        Its name; for `nand.generator` the folder of nand counts, too.

    Returns
    -------
    str
        16 hexadecimal digits; they differ between minor versions of Python.
    """
    package = Path(__file__).resolve().parents[2]
    own = registry.folder(model) if model in registry.plugged() else package / model.split(".")[0]
    roots = [own, package / "layers", package / "core" / "training"]
    paths = sorted(path for root in roots for path in root.rglob("*.py"))
    names = {path: path.relative_to(package if path.is_relative_to(package) else own.parent) for path in paths}
    paths = [path for path in paths if _makes_figures(names[path], model)]
    judging = package / "core" / "report" / "verification.py"
    digest = hashlib.sha256()
    for path, name in [*((path, names[path]) for path in paths), (judging, judging.relative_to(package))]:
        meaning = _meaning(path.read_text(encoding="utf-8"), fields=path.name != "recipe.py")
        digest.update(f"{name}\n{meaning}\n".encode())
    return digest.hexdigest()[:16]


def _makes_figures(name: Path, model: str) -> bool:
    """Say whether a file, named from the package on, can change a model's figures."""
    rooms = name.parts
    return not APART & set(rooms) and ("generator" not in rooms or model.endswith(".generator"))


@functools.cache  # a process that trains many models asks for the same files each time
def _meaning(source: str, fields: bool) -> str:
    """Write a module's syntax tree without docstrings, those FOR_PEOPLE and, if not wanted, fields of classes."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body = [part for part in node.body if getattr(part, "name", "") not in FOR_PEOPLE]
            node.body = [part for part in node.body if fields or not isinstance(part, ast.AnnAssign)]
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            said = body[0].value
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                body[0] = ast.Pass()
    return ast.dump(tree)


def hardware() -> dict:
    """Describe processor, cores, memory and accelerators."""
    return {
        "processor": _processor(),
        "cores": len(system.cores()),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "accelerators": backend.accelerators(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_memory_gb() -> float:
    """Measure the largest memory that this process has held so far [GB]."""
    return round(system.peak_memory() / 1e9, 3)
