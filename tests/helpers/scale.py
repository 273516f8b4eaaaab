"""Data larger than memory: what a training holds, and how long it waits for input.

`python tests/helpers/scale.py [model ...]` measures, writes configs/reports/scale.report.json and prints it.

Data is eight times the limit. A process trains a small network on it for an epoch, validates, predicts held-out data
and scores it, without the baselines, while its anonymous memory is sampled: pages of files, which the system drops when
it needs room, do not count. A second process does the same with a little data of the same kind; the limit is what the
first may hold more than that. KMODELS_MEMORY is a sixteenth of the limit in both, and glibc's allocator has one arena:
with its usual one a thread the same training differs by 100 MB from itself. The stall is of some steps of the default
network, read from the same data.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
REPORT = ROOT / "configs" / "reports" / "scale.report.json"
MODELS = ("nand", "plume", "precip", "metasurface", "echo")
TIMES = 8  # the limit
LIMIT = {name: 30_000_000 for name in MODELS} | {
    "echo": 60_000_000,
    "precip": 120_000_000,
}  # quantiles are of 10 M cells
SMALL = 20  # times smaller is the data of the baseline
STALL = 0.05
STEPS, WARM = 20, 5


def measured(name: str, folder: Path) -> dict:
    """Measure a model: bytes of data and limit, of peaks beyond the baseline's, the share of time spent waiting."""
    from helpers import large_data
    from kmodels.core.runs import provenance

    limit = LIMIT[name]
    sizes = {
        "small": large_data.make(name, folder / "small", TIMES * limit // SMALL),
        "large": large_data.make(name, folder / "large", TIMES * limit),
    }
    peaks = {kind: _peaks(name, folder, kind, limit) for kind in sizes}
    found = {
        "data_mb": round(sizes["large"] / 1e6),
        "limit_mb": round(sizes["large"] / TIMES / 1e6),
        "small_data_mb": round(sizes["small"] / 1e6),
        "baseline_mb": {part: round(peak / 1e6) for part, peak in peaks["small"].items()},
        "peak_mb": {part: round(peak / 1e6) for part, peak in peaks["large"].items()},
        "more_mb": {part: round((peak - peaks["small"][part]) / 1e6) for part, peak in peaks["large"].items()},
    }
    stall = json.loads(_run(name, folder, "large", limit, "stall").stdout.splitlines()[-1])
    return found | {"stall": round(stall, 4)} | provenance.here()


def _command(name: str, folder: Path, kind: str, what: str) -> list[str]:
    return [sys.executable, __file__, what, name, str(folder / kind), str(folder / f"{kind}-runs")]


def _environment(folder: Path, kind: str, limit: int) -> dict:
    own = {"KMODELS_MEMORY": str(limit // 16), "KMODELS_CACHE": str(folder / f"{kind}-cache")}
    own["MALLOC_ARENA_MAX"] = "1"
    return os.environ | own | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


def _run(name: str, folder: Path, kind: str, limit: int, what: str) -> subprocess.CompletedProcess:
    found = subprocess.run(
        _command(name, folder, kind, what), env=_environment(folder, kind, limit), capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found


def _peaks(name: str, folder: Path, kind: str, limit: int) -> dict[str, int]:
    """Sample a training process's anonymous memory: its highest until it is trained, and until it is scored [bytes]."""
    log = folder / f"{kind}.log"
    trained = folder / f"{kind}-runs" / "trained"
    trained.parent.mkdir()
    peaks = {"training": 0, "scoring": 0}
    with log.open("w") as said:
        process = subprocess.Popen(
            _command(name, folder, kind, "train"), env=_environment(folder, kind, limit), stdout=said, stderr=said
        )
        while process.poll() is None:
            part = "scoring" if trained.exists() else "training"
            peaks[part] = max(peaks[part], _anonymous(process.pid))
            time.sleep(0.005)
    assert process.returncode == 0, log.read_text()
    return peaks


def _anonymous(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def train(name: str, data: str, runs: str) -> None:
    """Train a small network for an epoch and score it; a file says when the training has ended."""
    import kmodels
    from helpers import large_data
    from kmodels.core.runs import pipeline
    from kmodels.core.spec import registry
    from kmodels.plume.evaluation import extended

    evaluate = pipeline.evaluate

    def evaluated(task, model, recipe, splits, untrained):
        (Path(runs) / "trained").touch()
        type(task).baselines = staticmethod(lambda recipe, splits: {})
        task.figures(evaluate(task, model, recipe, splits).evaluated)
        sys.exit()

    pipeline.evaluate = evaluated
    extended.baseline_forecasts = lambda *arguments: {}
    smoke = registry.recipe_type(name).SMOKE["model"]
    changes = {f"model.{key}": value for key, value in smoke.items()} | {"train.epochs": 1}
    changes |= {"model.base": "persistence"} if name == "plume" else {}  # the equation takes long to solve
    kmodels.fit(name, data=data, out=runs, **(changes | large_data.CHANGES[name]))


def stall(name: str, data: str, runs: str) -> None:
    """Train the default network for some steps; print which share of the time it waited for its input."""
    from helpers import large_data
    from kmodels.core.runs import user_data
    from kmodels.core.spec import registry
    from kmodels.core.training import backend, batching

    backend.select()
    task, recipe = registry.task(name), large_data.recipe(name)
    records = user_data.load(recipe, Path(data))
    training = records.take(task.split(records, recipe)["train"])
    examples = task.training_examples(training, recipe)
    model = task.build(recipe, 1000)
    task.adapt(model, training)
    batches = batching.batches(examples, recipe.train.batch_size, recipe.seed)
    ahead = batching.ReadAhead(batches)
    options = {"epochs": 1, "verbose": 0, "shuffle": False}
    feed = iter(ahead)
    model.fit(feed, steps_per_epoch=WARM, **options)
    waited, began = ahead.waited, time.perf_counter()
    model.fit(feed, steps_per_epoch=STEPS, **options)
    share = (ahead.waited - waited) / (time.perf_counter() - began)
    ahead.close()
    print(json.dumps(share))


def table(report: dict) -> str:
    """Make the page's table."""
    from kmodels.core.report import tables

    rows = [["model", "data", "limit", "training", "scoring", "waiting for input"]]
    for name, of in report["models"].items():
        more = [f"{of['more_mb'][part]} MB" for part in ("training", "scoring")]
        rows.append([name, f"{of['data_mb']} MB", f"{of['limit_mb']} MB", *more, f"{of['stall']:.1%}"])
    one = next(iter(report["models"].values()))
    return f"{tables.table(rows)}\n\nMeasured {one['date'][:10]}: {one['backend']}, {_machine(one)}."


def table_of_two(report: dict) -> str:
    """Make the page's table of two cores against one."""
    from kmodels.core.report import tables

    names = {
        "alone": "rooms of echo, in processes of their own without Dask",
        "simulation": "rooms of echo, `simulate --workers`",
        "search": "trials, `tuning.search --workers`",
    }
    rows = [["", "an hour on one core", "on two", "times"]]
    for name, of in report["jobs"].items():
        rows.append([names[name], *(f"{value:,}" for value in of["jobs_an_hour"]), f"{of['ratio']:.2f}"])
    for name, of in report["devices"].items():
        what = "rows that {} trains on, `--devices`, {}".format(*name.split(", "))
        rows.append([what, *(f"{3600 * value:,.0f}" for value in of["rows_a_second"]), f"{of['ratio']:.2f}"])
    one = next(iter(report["jobs"].values()))
    return f"{tables.table(rows)}\n\nMeasured {one['date'][:10]}: {_machine(one)}."


def _machine(found: dict) -> str:
    return f"{found['hardware']['cores']} cores of {found['hardware']['processor']}"


def record(name: str, found: dict, section: str = "models") -> None:
    """Put the figures of a model, or of another job, into a section of the report."""
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    known = report.get(section, {}) | {name: found}
    order = {each: at for at, each in enumerate(MODELS)}
    report[section] = dict(
        sorted(known.items(), key=lambda of: (order.get(of[0].partition(",")[0], len(order)), of[0]))
    )
    REPORT.write_text(json.dumps(report, indent=1) + "\n")


def main() -> None:
    """Measure the models that are named, all by default."""
    if sys.argv[1:2] and sys.argv[1] in ("train", "stall"):
        globals()[sys.argv[1]](*sys.argv[2:])
        return
    for name in sys.argv[1:] or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            found = measured(name, Path(folder))
        print(name, json.dumps(found, indent=1), flush=True)
        record(name, found)


if __name__ == "__main__":
    main()
