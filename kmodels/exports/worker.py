"""The two steps of an export, each in a fresh process: Keras writes, the format's own runtime answers."""

import json
import os
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

import kmodels
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend

FEW, MANY = 8, 64  # examples of the larger batch
LARGE = 1 << 20  # bytes of an example's inputs from which on a batch has FEW
TIMED = 30  # calls, of which the median is told
# Operations that a message of a converter or of a runtime names as missing.
UNKNOWN = re.compile(
    r"No conversion rule found for operations?:? (\w+(?:, \w+)*)|\bFlex([A-Z]\w+)(?= ?\))"
    r'|to FlatBuffer\.<unknown>:0: error: loc\(callsite\(fused\["(\w+):'
)
ARRAYS, FACTS, FOUND = "arrays.npz", "facts.json", "found.json"


def call(step: str, job: dict, chosen: str) -> dict:
    """Run a step in a process of its own.

    Parameters
    ----------
    step : {"write", "compare"}
        Which.
    job : dict
        What it is to do; `folder` is where it leaves what it found.
    chosen : str
        The backend.

    Returns
    -------
    dict
        What it found; {"error": one line} where it failed.
    """
    folder = Path(job["folder"])
    (folder / FOUND).unlink(missing_ok=True)
    command = [sys.executable, "-m", "kmodels.exports.worker", step, json.dumps(job)]
    quiet = {"KERAS_BACKEND": chosen, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | quiet)
    if (folder / FOUND).exists():
        return json.loads((folder / FOUND).read_text(encoding="utf-8"))
    said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
    return {"error": said[-1]}


def main() -> int:
    """Run the step that the command line names."""
    step, job = sys.argv[1], json.loads(sys.argv[2])
    try:
        found = STEPS[step](job)
    except UserError as error:
        found = {"error": str(error), "user": True}
    except Exception as error:  # noqa: BLE001 - converters raise errors of any class
        found = {"error": _one_line(error)}
    (Path(job["folder"]) / FOUND).write_text(json.dumps(found), encoding="utf-8")
    return 0


def _one_line(error: Exception) -> str:
    """Say in a line what a converter or a runtime complains of; where it lacks operations, which."""
    lines = [line.strip(" \t•") for line in str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()]
    said = " ".join(line for line in lines if line)
    unknown = sorted({name for found in UNKNOWN.findall(said) for name in re.split(r",\s*", "".join(found)) if name})
    if unknown:
        return f"its converter or runtime has no operation {', '.join(unknown)}"
    return f"{type(error).__name__}: {said}"[:300]


def write(job: dict) -> dict:
    """Export a run's network, and keep inputs and Keras' own outputs for them.

    Parameters
    ----------
    job : dict
        `run`, `data`, `format`, `precision`, `path`, and `folder` for what is kept.
    """
    backend.start()
    from kmodels.core.runs.predictor import Predictor
    from kmodels.exports import graph, plain, signature
    from kmodels.exports.formats import FORMATS

    predictor = Predictor.open(job["run"])
    recipe, chosen = predictor.recipe, FORMATS[job["format"]]
    said = signature.of(recipe)
    encoded = _examples(predictor, said, job["data"])
    many = len(next(iter(encoded.values())))
    expected = {n: _predict(predictor.model, {k: v[:n] for k, v in encoded.items()}) for n in (1, many)}
    with plain.operations():
        network = graph.bare(predictor.model, said)
        model, inputs, outputs = graph.assemble(network, said, chosen.as_dict)
        facts = {
            "model": predictor.task.name,
            "question": predictor.task.question,
            "inputs": graph.describe(inputs, said.inputs),
            "outputs": graph.describe(outputs, said.outputs),
            "facts": said.facts(predictor.model) if said.facts else {},
            "recipe_hash": recipe.digest(),
            "recipe": recipe.model_dump(mode="json"),
            "precision": job["precision"],
            "kmodels": kmodels.__version__,
            "keras": metadata.version("keras"),
            "written_on": backend.current(),
        }
        physical = signature.physical(said, encoded)
        one = {name: value[:1] for name, value in physical.items()}
        model(one if chosen.as_dict else [one[name] for name in sorted(one)])  # Keras exports what has been called
        chosen.write(model, Path(job["path"]), facts, job["precision"])
    arrays = {f"x/{name}": value for name, value in physical.items()}
    arrays |= {f"{n}/{name}": value for n, values in expected.items() for name, value in values.items()}
    np.savez(Path(job["folder"]) / ARRAYS, **arrays)
    (Path(job["folder"]) / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return {}


def _predict(network, inputs) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in network.predict_on_batch(inputs).items()}


def _examples(predictor, said, data: str | None) -> dict[str, np.ndarray]:
    """Encode a batch: of the user's data, of the run's, or of a little simulated by its recipe."""
    from kmodels.core.cli import console
    from kmodels.core.runs import cache, pipeline
    from kmodels.core.training import batching

    task, recipe, run = predictor.task, predictor.recipe, predictor.run
    if data or run.metadata["data"]:
        records = predictor.load(data or run.metadata["data"])
    elif said.sample is None:
        records = pipeline.data_of(task, run).part("test")
    else:
        name, count = said.sample
        less = recipe.with_changes({"data": {name: min(count, getattr(recipe.data, name))}})
        records = task.load(cache.get_or_simulate(task, less, lambda done, total: None, console.say), less)
    examples = task.encode(records, recipe)
    first = examples.take(np.arange(1))[0]
    count = FEW if sum(value.nbytes for value in first.values()) > LARGE else MANY
    return examples.take(batching.filled(np.arange(min(count, len(examples))), count))[0]


def compare(job: dict) -> dict:
    """Run an exported file in its own runtime on both batches, and time one example.

    Returns
    -------
    dict
        `runtime`, `latency_ms`, and `checks`: of each batch, by output, the largest difference, the largest value, and
        the root mean square of the difference as a share of the output's standard deviation.
    """
    folder, facts = Path(job["folder"]), json.loads((Path(job["folder"]) / FACTS).read_text(encoding="utf-8"))
    if job["format"] == "keras":
        backend.start()
        from kmodels.core.spec import registry

        registry.task(facts["model"])
    from kmodels.exports import runtimes

    run, runtime = runtimes.open_file(job["format"], Path(job["path"]), list(facts["outputs"]))
    with np.load(folder / ARRAYS) as arrays:
        inputs = {name[2:]: arrays[name] for name in arrays.files if name.startswith("x/")}
        checks = []
        for n in _sizes(arrays.files):
            found = run({name: value[:n] for name, value in inputs.items()})
            expected = {name.partition("/")[2]: arrays[name] for name in arrays.files if name.startswith(f"{n}/")}
            checks.append({"batch": n, "outputs": {k: _difference(found[k], v) for k, v in expected.items()}})
    one = {name: value[:1] for name, value in inputs.items()}
    return {"runtime": runtime, "latency_ms": _latency(lambda: run(one)), "checks": checks}


def _sizes(names: list[str]) -> list[int]:
    """List the sizes of the batches whose outputs were kept."""
    return sorted({int(name.partition("/")[0]) for name in names if not name.startswith("x/")})


def _difference(found: np.ndarray, expected: np.ndarray) -> dict:
    """Compare an output with Keras'.

    Raises
    ------
    ValueError
        For another shape, or values that are not finite where Keras' are.
    """
    if found.shape != expected.shape:
        raise ValueError(f"an output of shape {found.shape}, Keras' has {expected.shape}")
    if not np.isfinite(found[np.isfinite(expected)]).all():
        raise ValueError("an output is not finite")
    difference = np.abs(found.astype("float64") - expected)
    spread = float(expected.std(dtype="float64"))
    share = float(np.sqrt((difference**2).mean())) / spread if spread > 0 else 0.0
    return {"difference": float(difference.max()), "largest": float(np.abs(expected).max()), "share_of_spread": share}


def _latency(call) -> float:
    """Time calls; the median [ms]."""
    for _ in range(3):
        call()
    taken = []
    for _ in range(TIMED):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(1e3 * float(np.median(taken)), 3)


STEPS = {"write": write, "compare": compare}

if __name__ == "__main__":
    sys.exit(main())
