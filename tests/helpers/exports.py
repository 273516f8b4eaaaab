"""Every model in every format: `python tests/helpers/exports.py RUNS OUT` writes the report of exports.

RUNS holds a finished run of each model that has no preset. OUT keeps what was exported; that is not made again. Formats
follow, such as `onnx` and `litert-int8`; with `kept` as the last word nothing is exported, and what is there is listed.
`export_speed.py` and `export_costs.py` beside this file add how fast they are and what a lower precision costs.
"""

import datetime
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("onnx", "saved_model", "openvino", "litert")
KEPT = ("largest_difference", "largest_in", "bytes", "runtime", "written_on", "kmodels")


def measured(runs: Path, out: Path, wanted: list[str], kept: bool) -> dict:
    """Export what is not in `out` yet, unless only what is `kept` counts, and collect all rows."""
    from kmodels import presets
    from kmodels.core.spec import registry

    rows = []
    for name in registry.NAMES:
        preset = name in presets.names()
        run = presets.path(name) if preset else max(runs.glob(f"{name}-seed*"))
        for form, precision in (one.split("-") if "-" in one else (one, "float32") for one in wanted):
            row = {"model": name, "network": "preset" if preset else "smoke run", "format": form}
            row |= {"precision": precision}
            found = _one(run.resolve(), name, form, precision, out, kept)
            rows += [row | found] if found else []
    return {
        "rows": rows,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.date.today().isoformat(),
    }


def _one(run: Path, name: str, form: str, precision: str, out: Path, kept: bool) -> dict:
    from kmodels.core.spec.errors import UserError
    from kmodels.exports import exported, formats

    path = out / f"{name}{'' if precision == 'float32' else f'-{precision}'}{formats.FORMATS[form].suffix}"
    why = path.with_name(f"{path.name}.{form}.why")
    if not exported.record_of(path).exists() and not why.exists():
        if kept:
            return {}
        try:
            exported.export(run, form, path, precision)
        except UserError as error:
            why.write_text(str(error))
    if why.exists():
        return {"why": re.sub(r"^.*? is not possible: |; try [^;]*$", "", why.read_text())}
    record = exported.check(path)
    return {key: record[key] for key in KEPT} | {
        "batches": [check["batch"] for check in record["checks"]],
        "share_of_spread": record["share_of_spread"],
    }


def table(report: dict) -> str:
    """Tabulate the rows, a line a model and format."""
    from kmodels.core.report import tables

    lines = [["model", "format", "largest difference", "size", "one example: time / Keras'", "metric", "runtime"]]
    for row in report["rows"]:
        head = [row["model"] + " (smoke run)" * (row["network"] != "preset"), row["format"]]
        precision = row.get("precision", "float32")
        head[1] += "" if precision == "float32" else f", {precision}"
        if "why" in row:
            lines.append([*head, f"not possible: {row['why']}", "", "", "", ""])
            continue
        batches = " and ".join(map(str, row["batches"]))
        share = "" if precision == "float32" else f", {row['share_of_spread']:.1%} of the spread"
        difference = f"{row['largest_difference']:.1e} ({batches}{share})"
        ratio = f"{row['latency_ratio']:.2g}" if row.get("latency_ratio") else "not measured"
        lines.append([*head, difference, f"{row['bytes'] / 1e6:.2f} MB", ratio, _cost(row), row["runtime"]])
    return tables.table(lines)


def _cost(row: dict) -> str:
    """Say what a lower precision costs of a metric."""
    if "cost" not in row:
        return ""
    return f"{row['cost']['metric']} {row['cost']['export']:.4f}, Keras' {row['cost']['keras']:.4f}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from kmodels.core.io import files

    runs, out, *words = sys.argv[1:]
    wanted = [word for word in words if word != "kept"] or list(FORMATS)
    found = measured(Path(runs), Path(out), wanted, "kept" in words)
    files.write_json(ROOT / "configs" / "reports" / "exports.report.json", found)
    print(json.dumps(found, indent=1))
