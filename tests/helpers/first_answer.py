"""First answers of the presets: `python tests/helpers/first_answer.py [BACKEND ...]` times a command to its file.

Each preset answers on the file of its worked example, a fresh process each, as a user would start it. What else runs on
the machine makes the wall clock slower than it is, but hardly the processor's time, which a quiet machine needs about,
or less, where work runs side by side. Where others took more than half a core meanwhile, the report says so.

On jax each command runs twice: the second time what was compiled is there already (see `backend.start`).
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "configs" / "reports" / "presets.report.json"
TIMES = ("", "again_")
BUSY = 0.5  # share of a core that others may take while it is measured
WORDS = {  # of the command, behind --preset
    "nand": "predict --data examples/nand/trace.csv --out out.csv",
    "nand.generator": "generate --n 100 --out out.csv",
    "plume": "predict --data examples/plume/cloud.nc --lead 15 --out out.nc",
    "precip": "predict --data examples/precip/days --members 20 --out out.nc",
    "metasurface": "predict --data examples/metasurface/patterns.h5 --out out.h5",
    "echo": "predict --data examples/echo/drive --out out",
}


def of_preset(name: str, chosen: str) -> dict:
    """Time the command in a cache of its own, and on jax once more in the same one."""
    with tempfile.TemporaryDirectory() as cache:
        row = _once(name, chosen, cache)
        if chosen == "jax":
            again = _once(name, chosen, cache)
            row |= {f"again_{part}": again[part] for part in ("wall_s", "processor_s", "quiet")}
    return row


def _once(name: str, chosen: str, cache: str) -> dict:
    """Start the command, and read what it took when it has ended."""
    verb, *words = WORDS[name].split()
    words = [str(ROOT / word) if word.startswith("examples/") else word for word in words]
    command = [sys.executable, "-m", "kmodels", verb, "--preset", name, "--backend", chosen, *words]
    with tempfile.TemporaryDirectory() as folder:
        busy, start = _busy(), time.perf_counter()
        own = os.environ | {"PYTHONPATH": str(ROOT), "KMODELS_CACHE": cache}
        child = subprocess.Popen(command, cwd=folder, env=own, stderr=subprocess.PIPE)
        said = child.stderr.read().decode()
        _, status, used = os.wait4(child.pid, 0)
        wall, others = time.perf_counter() - start, _busy() - busy
        assert status == 0, said
        assert any(Path(folder).iterdir()), "it wrote nothing"
    taken = used.ru_utime + used.ru_stime
    return {
        "preset": name,
        "command": f"kmodels {WORDS[name].replace(verb, f'{verb} --preset {name}', 1)}",
        "backend": chosen,
        "wall_s": round(wall, 1),
        "processor_s": round(taken, 1),
        "memory_gb": round(used.ru_maxrss * 1024 / 1e9, 2),
        "quiet": (others - taken) / wall < BUSY,
    }


def _busy() -> float:
    """Add up the seconds that all processors have worked since the start of the machine."""
    import psutil

    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def table(report: dict) -> str:
    """Tabulate first answers; a wall clock beside other work is no figure of the package."""
    from kmodels.core.report import tables

    lines = [["preset", "backend", "command to file", "again", "processor time", "again", "peak memory"]]
    for row in report["rows"]:
        cells = [*(_wall(row, when) for when in TIMES), *(_seconds(row, f"{when}processor_s") for when in TIMES)]
        lines.append([row["preset"], row["backend"], *cells, f"{row['memory_gb']:.2f} GB"])
    where = f"Measured {report['date']}, {report['cores']} cores of {report['processor']}."
    return f"{tables.table(lines)}\n\n{where}"


def _wall(row: dict, when: str) -> str:
    return _seconds(row, f"{when}wall_s") if row.get(f"{when}quiet", True) else "not measured: busy machine"


def _seconds(row: dict, part: str) -> str:
    return f"{row[part]:.1f} s" if part in row else "-"


def main(backends: list[str]) -> None:
    """Measure every preset with these backends; rows of others stay."""
    from kmodels import presets
    from kmodels.core.io import files
    from kmodels.core.runs import provenance

    rows = json.loads(REPORT.read_text())["rows"] if REPORT.exists() else []
    machine = provenance.hardware()
    said = {"date": datetime.date.today().isoformat(), "cores": machine["cores"], "processor": machine["processor"]}
    for chosen in backends:
        for name in presets.names():
            rows = [row for row in rows if (row["preset"], row["backend"]) != (name, chosen)]
            rows.append(of_preset(name, chosen))
            print(rows[-1], flush=True)
            rows.sort(key=lambda row: (list(WORDS).index(row["preset"]), row["backend"]))
            files.write_json(REPORT, {"rows": rows} | said)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from kmodels.core.training import backend

    main(sys.argv[1:] or backend.installed())
