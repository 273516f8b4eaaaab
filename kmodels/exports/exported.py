"""An export and its record: written whole or not at all, compared before it counts, opened by its hash."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmodels.core.io import files
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend
from kmodels.exports import formats, runtimes, worker

EVERY = ("onnx", "saved_model")  # formats that every model of the package was measured in
LOST = 0.2  # share of an output's spread that a lower precision may cost
TOLERANCE = 1e-4  # of an output in float32, as a share of its largest value where that is above 1


@dataclass(frozen=True)
class Exported:
    """An export that was opened in its own runtime.

    Attributes
    ----------
    record : dict
        What is written beside it: inputs and outputs with shapes and units, recipe, hash, what was compared.
    run : callable
        ``run({name: array})`` returns {name: array}; axis 0 is the batch.
    """

    record: dict
    run: Callable[[dict[str, Any]], dict[str, Any]]


def record_of(path: str | Path) -> Path:
    """Name the record beside an export."""
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def check(path: str | Path) -> dict:
    """Read the record of an export, and compare the hash of its files.

    Raises
    ------
    UserError
        Where there is no record, or the files are not what it was written for.
    """
    path, record = Path(path), record_of(path)
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        chosen, sha256 = formats.FORMATS[said["format"]], said["sha256"]
    except FileNotFoundError:
        raise UserError(
            f"{record}: no such file; an export is opened by the record that was written beside it"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{record}: not the record of an export") from None
    missing = [one for one in chosen.files(path) if not one.exists()]
    if missing:
        raise UserError(f"{missing[0]}: no such file")
    if files.sha256(*chosen.files(path)) != sha256:
        raise UserError(f"{path}: is not what {record.name} was written for: altered or cut short; export it again")
    return said


def load(path: str | Path) -> Exported:
    """Open an export in the runtime of its format, where it is what was written.

    Parameters
    ----------
    path : str or Path
        As `--out` named it; its record lies beside it.

    Raises
    ------
    UserError
        Where it was altered or cut short, or its runtime is not installed.
    """
    record = check(path)
    if why := formats.FORMATS[record["format"]].missing(record["format"]):
        raise UserError(why)
    if record["format"] == "keras":
        backend.start()
        from kmodels.core.spec import registry

        registry.task(record["model"])
    run, _ = runtimes.open_file(record["format"], Path(path), list(record["outputs"]))
    return Exported(record, run)


def export(run: Path, name: str, out: Path, precision: str = "float32", data: str | None = None) -> dict:
    """Export a run's network, compare it with Keras' outputs, and write file and record.

    Parameters
    ----------
    run : pathlib.Path
        Folder of a finished run or of a preset.
    name : str
        Of the format.
    out : pathlib.Path
        Where the file or folder goes; what is there is replaced.
    precision : {"float32", "float16", "int8"}
        Of the weights.
    data : str, optional
        A user's file or folder whose first examples are the inputs of the comparison.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    UserError
        That says why it cannot be exported so, and what can.
    """
    chosen = formats.check(name, out, precision)
    out.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=files.ASIDE) as folder:
        path = Path(folder) / out.name
        job = {"run": str(run), "format": name, "precision": precision, "path": str(path), "folder": folder}
        job["data"] = files.absolute(data)
        for written_on in (one for one in chosen.backends if one in backend.installed()):
            found = worker.call("write", job, written_on)
            if found.get("user"):
                raise UserError(found["error"])
            found = found if "error" in found else worker.call("compare", job, written_on)
            if "error" not in found and not (why := _too_far(found, precision)):
                facts = json.loads((Path(folder) / worker.FACTS).read_text(encoding="utf-8"))
                return _keep(chosen, name, path, out, facts | _summary(found))
            reasons.append(f"on {written_on}: {found.get('error') or why}")
    others = " or ".join(other for other in EVERY if other != name)
    raise UserError(f"--format {name} --precision {precision} is not possible: {'; '.join(reasons)}; try {others}")


def _too_far(found: dict, precision: str) -> str:
    """Say which output is too far from Keras'; of lower precisions, which has lost what it says."""
    for check in found["checks"]:
        for name, one in check["outputs"].items():
            allowed = TOLERANCE * max(1.0, one["largest"])
            if precision == "float32" and one["difference"] > allowed:
                batch = check["batch"]
                return f"{name} differs by {one['difference']:.2g} from Keras' at batch {batch}, at most {allowed:.2g}"
            if one["share_of_spread"] > LOST:
                return f"{name} differs from Keras' by {one['share_of_spread']:.0%} of its spread, at most {LOST:.0%}"
    return ""


def _summary(found: dict) -> dict:
    """Add the largest difference over all outputs and batches."""
    every = [(one["difference"], name) for check in found["checks"] for name, one in check["outputs"].items()]
    difference, name = max(every)
    share = max(one["share_of_spread"] for check in found["checks"] for one in check["outputs"].values())
    return found | {"largest_difference": difference, "largest_in": name, "share_of_spread": share}


def _keep(chosen: formats.Format, name: str, path: Path, out: Path, facts: dict) -> dict:
    """Put the files in place, and the record beside them, last."""
    record_of(out).unlink(missing_ok=True)
    for made, place in zip(chosen.files(path), chosen.files(out), strict=True):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        made.replace(place)
    kept = chosen.files(out)
    record = {"format": name, "files": [one.name for one in kept], "sha256": files.sha256(*kept)}
    record |= {"bytes": sum(_size(one) for one in kept)} | facts
    files.write_json(record_of(out), record)
    return record


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size
