"""Exports beside Keras: `python tests/helpers/export_speed.py OUT [MODEL ...]` measures one example, and writes ratios.

OUT holds what `tests/helpers/exports.py` has exported. Of a model, Keras on each backend and each export wait in
processes of their own; in a round each is asked in turn, and answers with the median time of some calls. A ratio is
that of an export's time to the fastest backend's, the median over rounds: what else runs on the machine slows both.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "configs" / "reports" / "exports.report.json"
ROUNDS, CALLS = 15, 9
LONG = 0.3  # seconds, after which a slow one is not called again


def of_model(name: str, out: Path) -> dict[str, float]:
    """Measure the exports of a model's preset: {format or format-precision: ratio}."""
    from kmodels import presets
    from kmodels.core.training import backend

    files = {}
    for path in sorted(out.glob(f"{name}*.json")):
        record = json.loads(path.read_text())
        if record["model"] == name:
            files[_called(record)] = path.with_name(path.name.removesuffix(".json"))
    with tempfile.TemporaryDirectory() as folder:
        run, arrays = presets.path(name), Path(folder) / "one.npz"
        subprocess.run([sys.executable, __file__, "--arrays", str(run), str(arrays)], check=True)
        every = {f"keras on {one}": (one, ["keras", str(run)]) for one in backend.installed()}
        every |= {form: (backend.installed()[0], ["export", str(path)]) for form, path in files.items()}
        rounds = _rounds({who: (one, [*words, str(arrays)]) for who, (one, words) in every.items()})
    ratios = {form: [] for form in files}
    for times in rounds:
        best = min(value for who, value in times.items() if who.startswith("keras on "))
        for form in files:
            ratios[form].append(times[form] / best)
    return {form: float(f"{median(values):.3g}") for form, values in ratios.items()}


def _called(record: dict) -> str:
    return record["format"] + ("" if record["precision"] == "float32" else f"-{record['precision']}")


def _rounds(every: dict[str, tuple[str, list[str]]]) -> list[dict[str, float]]:
    """Let all answer in turn, every other round from the last to the first: milliseconds by who, a round each."""
    waiting = {}
    for who, (chosen, words) in every.items():
        command = [sys.executable, __file__, "--wait", *words]
        quiet = {"KERAS_BACKEND": chosen, "TF_CPP_MIN_LOG_LEVEL": "3"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        waiting[who] = subprocess.Popen(command, env=os.environ | quiet, **pipes)
        if waiting[who].stdout.readline().strip() != "ready":
            raise SystemExit(f"{who}: cannot be timed")
    found = []
    for k in range(ROUNDS):
        times = {}
        for who in list(waiting)[:: 1 if k % 2 == 0 else -1]:
            waiting[who].stdin.write("\n")
            waiting[who].stdin.flush()
            times[who] = float(waiting[who].stdout.readline())
        found.append(times)
    for one in waiting.values():
        one.stdin.close()
        one.wait()
    return found


def wait(kind: str, path: str, arrays: str) -> None:
    """Open a network, and time calls for each line that comes."""
    import numpy as np

    with np.load(arrays) as kept:
        part = {"keras": "encoded", "export": "physical"}[kind]
        one = {name.partition("/")[2]: kept[name] for name in kept.files if name.startswith(part)}
    if kind == "keras":
        from kmodels.core.runs.predictor import Predictor

        model = Predictor.open(path).model

        def call():
            return {name: np.asarray(value) for name, value in model.predict_on_batch(one).items()}

    else:
        from kmodels.exports import exported

        run = exported.load(path).run

        def call():
            return run(one)

    for _ in range(5):
        call()
    print("ready", flush=True)
    for _ in sys.stdin:
        taken = []
        while len(taken) < CALLS and sum(taken) < LONG:
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        print(1e3 * median(taken), flush=True)


def write_arrays(run: str, path: str) -> None:
    """Keep an example of a preset, as the network takes it and in an export's units."""
    import numpy as np

    from kmodels.core.training import backend

    backend.start()
    from kmodels.core.runs.predictor import Predictor
    from kmodels.exports import signature, worker

    predictor = Predictor.open(run)
    said = signature.of(predictor.recipe)
    encoded = {name: value[:1] for name, value in worker._examples(predictor, said, None).items()}
    physical = signature.physical(said, encoded)
    parts = {"encoded": encoded, "physical": physical}
    np.savez(path, **{f"{part}/{name}": value for part, x in parts.items() for name, value in x.items()})


def main() -> None:
    """Measure, and put the ratios into the report of exports."""
    from kmodels.core.io import files

    out, *models = sys.argv[1:]
    report = json.loads(REPORT.read_text())
    for name in models or dict.fromkeys(row["model"] for row in report["rows"]):
        ratios = of_model(name, Path(out))
        print(name, ratios, flush=True)
        for row in report["rows"]:
            if row["model"] == name and "why" not in row:
                row["latency_ratio"] = ratios.get(_called(row))
        files.write_json(REPORT, report)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1] == "--wait":
        wait(*sys.argv[2:])
    elif sys.argv[1] == "--arrays":
        write_arrays(*sys.argv[2:])
    else:
        main()
