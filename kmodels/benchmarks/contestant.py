"""One contestant: training steps, timed in a process that runs nothing else."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata

import numpy as np

from kmodels.core.runs import provenance
from kmodels.core.training import backend

PLAIN = ("eager", "compiled")  # PyTorch
CONTESTANTS = ("ours", "keras", *PLAIN)
WARM = 10  # predictions before those that are timed: the first compile, or record what the others play back
PREDICTING = 5.0  # seconds of predictions that are timed, three at least, where that is less than the steps asked for
PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class Contestant:
    """What is timed.

    Attributes
    ----------
    model : str
        As the registry has it.
    contestant : {"ours", "keras", "eager", "compiled"}
        Our network; Keras' own layer, of a layer alone; plain PyTorch, as it is or by `torch.compile`.
    backend : str
        That Keras runs on; torch for plain PyTorch.
    layer : bool
        Whether the layer that the model has beside one of Keras' is timed alone.
    precision : {"float32", "tf32", "bfloat16"}
        Of products and convolutions on an accelerator; float32 rounds nothing, bfloat16 keeps weights in float32. A CPU
        knows no TF32.
    steps : int
        Training steps that are timed.
    size : {"default", "full", "smoke"}
        Of the recipe, or of the layer's input.
    """

    model: str
    contestant: str
    backend: str
    layer: bool = False
    precision: str = "tf32"
    steps: int = 30
    size: str = "default"

    def __str__(self):
        what = "layer" if self.layer else "training step"
        return f"{what} of {self.model}, {self.contestant} on {self.backend}, {self.precision}"

    def words(self) -> list[str]:
        """Write the options of `kmodels.bench` that time this contestant."""
        words = ["--model", self.model, "--contestant", self.contestant, "--backend", self.backend]
        words += ["--precision", self.precision, "--steps", str(self.steps)]
        words += [] if self.size == "default" else [f"--{self.size}"]
        return words + ["--part", "layer"] * self.layer


def choose_precision(precision: str) -> None:
    """Say how products and convolutions are rounded; call it before Keras is imported.

    NVIDIA's libraries, which both jax and PyTorch call, obey the first of these variables; PyTorch's matrix products
    ask for TF32 only by the second, its convolutions without; what XLA compiles by itself obeys the third.
    """
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0" if precision == "float32" else "1"
    os.environ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = "0" if precision == "float32" else "1"
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "float32" if precision == "float32" else "tensorfloat32"


def measure(entry: Contestant, recipe) -> dict:
    """Time the training steps of a contestant, and the predictions of a network.

    Parameters
    ----------
    entry : Contestant
        Keras runs on its backend already.
    recipe : Recipe
        Of its model, at its size.

    Returns
    -------
    dict
        Its fields, and `median_ms`, `low_ms` and `high_ms` of a step, `first_s` of the first one, which compiles,
        `memory_gb`, the peak of the accelerator, or of the process on a CPU, in these steps, and `device`; of our
        network `waiting`, the share of the time for which the input was not ready, and `steps_of_training`, how many a
        training by the default recipe takes; of plain PyTorch, as it is, `operations` and `bytes` of a step and the
        processor's `peaks`, see `measure.peaks`; of a network whose size is not full,
        `predict_ms`, medians by the number of examples, and `first_answer_s` of the first prediction of one, but for
        plain PyTorch that does not compile them.
    """
    import keras

    from kmodels.benchmarks import devices

    if entry.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    prepare = _layer if entry.layer else _model
    times, rest = prepare(entry, recipe)
    figures = {name: 1e3 * f(times[1:]) for name, f in (("median", np.median), ("low", np.min), ("high", np.max))}
    found = {f"{name}_ms": round(float(value), 3) for name, value in figures.items()}
    found |= {"first_s": round(float(times[0]), 2), "memory_gb": devices.peak_memory_gb(), "device": devices.name()}
    return asdict(entry) | found | rest


def _model(entry: Contestant, recipe) -> tuple[np.ndarray, dict]:
    from kmodels.benchmarks import bench, devices, parts, reference
    from kmodels.core.spec import registry
    from kmodels.core.training import batching

    case, size = parts.BenchmarkCase(registry.task(entry.model), recipe), recipe.train.batch_size
    own = bench.case(entry.model)
    if entry.contestant != "ours":
        compiled = entry.contestant == "compiled"
        steps = reference.steps(entry.model, recipe, case.model, entry.precision)
        times = repeated(steps.train(*case.batch(size), compiled=compiled), entry.steps)
        predicted = parts.PREDICTED if own.compiles_predictions or not compiled else ()
        calls = {n: steps.predict(case.inputs(n), compiled=compiled) for n in predicted}
        rest = {"batch": size, "memory_gb": devices.peak_memory_gb(), **_predictions(calls, entry)}
        return times, rest | (_limits(steps, case.batch(size)) if entry.size != "full" and not compiled else {})
    ahead = batching.ReadAhead(batching.batches(case.examples, size, recipe.seed))
    try:
        times, waited = fitted(case.model, ahead, entry.steps)
    finally:
        ahead.close()
    parameters = sum(int(np.prod(weight.shape)) for weight in case.model.trainable_weights)
    calls = {n: case.predict(n) for n in parts.PREDICTED}
    steps = parts.training_steps(case, own)
    rest = {"waiting": round(waited, 4), "parameters": parameters, "memory_gb": devices.peak_memory_gb()}
    return times, {"batch": size, "steps_of_training": steps, **rest, **_predictions(calls, entry)}


def _predictions(calls: dict[int, Callable], entry: Contestant) -> dict:
    """Time predictions by the number of examples, none in full size; those of one from the tenth on, and the first."""
    if entry.size == "full" or not calls:  # an accelerator's time is lent, and 64 examples may not fit
        return {}
    warm, times = {}, {}
    for n, call in calls.items():
        warm[n] = repeated(call, WARM - 1)
        times[n] = repeated(call, max(3, min(entry.steps, int(PREDICTING / warm[n][-1]))))
    medians = {str(n): round(1e3 * float(np.median(values)), 3) for n, values in times.items()}
    return {"predict_ms": medians, "first_answer_s": round(float(warm[min(warm)][0]), 2)}


def _limits(steps, batch: tuple[dict, dict]) -> dict:
    """Count what a step of the reference computes and moves, and measure what the processor does at most."""
    from kmodels.benchmarks import measure as timing

    return {"operations": steps.operations(*batch), "bytes": steps.traffic(*batch), "peaks": timing.peaks()}


def in_a_process(entry: Contestant, limit: float, more: tuple[str, ...] = ()) -> dict:
    """Time a contestant in a new process.

    Parameters
    ----------
    entry : Contestant
        What is timed.
    limit : float
        Seconds that it may take.
    more : tuple of str
        Further options of `kmodels.bench`.

    Returns
    -------
    dict
        As `measure` returns it.

    Raises
    ------
    ValueError
        With the last thing that the process said, where it failed.
    subprocess.TimeoutExpired
        Where it took longer.
    """
    command = [sys.executable, "-m", "kmodels.bench", *entry.words(), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def _layer(entry: Contestant, recipe) -> tuple[np.ndarray, dict]:
    from kmodels.benchmarks import bench, parts, reference
    from kmodels.core.training import inference

    pair = next(iter(bench.case(entry.model).layers.values()))
    ours, theirs, shape = pair(entry.size)
    if entry.contestant in PLAIN:
        step = reference.layer_step(shape, ours.filters, entry.precision, entry.contestant == "compiled")
        return repeated(step, entry.steps), {"shape": list(shape)}
    model, batch = parts.layer_model(ours if entry.contestant == "ours" else theirs, shape)
    # On the device before the clock starts, as plain PyTorch's: on torch Keras would copy it in every step.
    batch = inference.as_tensors(batch)
    times, _ = fitted(model, [batch] * (entry.steps + 1), entry.steps)
    return times, {"shape": list(shape)}


def time_all(todo: list[tuple[Contestant, dict]], time_one: Callable, before: dict, keep: Callable, report: Callable):
    """Time contestants one after another, and keep what was measured after each.

    Parameters
    ----------
    todo : list of (Contestant, dict)
        Whom to time, in order, and what their rows hold beside, such as a round.
    time_one : callable
        ``time_one(contestant)`` returns what it measured, in a process of its own.
    before : dict
        An earlier report of the same machine, or empty: what it measured is not timed again.
    keep : callable
        ``keep(found)`` is called after each, so that nothing is lost where the machine is taken away.
    report : callable
        ``report(done, total, text)`` shows how far it is.

    Returns
    -------
    dict
        `rows`, what each measured, `failed`, a sentence for each that did not end well, and where and when: `date`,
        `commit`, `versions`.
    """
    here = {"date": time.strftime("%Y-%m-%d"), "commit": provenance.commit(), "versions": _versions()}
    found = before | here | {"rows": before.get("rows", []), "failed": []}
    left = [(entry, more) for entry, more in todo if not any(_is_of(row, entry, more) for row in found["rows"])]
    for number, (entry, more) in enumerate(left):
        report(number, len(left), ", ".join([str(entry), *(f"{name} {value}" for name, value in more.items())]))
        try:
            found["rows"].append(time_one(entry) | more)
        except (subprocess.SubprocessError, ValueError) as error:
            found["failed"].append(f"{entry}: {error}")
        keep(found)
    return found


def _is_of(row: dict, entry: Contestant, more: dict) -> bool:
    return (asdict(entry) | more).items() <= row.items()


def _versions() -> dict[str, str]:
    """List the versions of what is timed; no backend is imported, for it would take the accelerator's memory."""
    have = {name: importlib.util.find_spec(name) for name in ("keras", *backend.NAMES)}
    return {"python": platform.python_version()} | {name: metadata.version(name) for name, spec in have.items() if spec}


def fitted(model, batches: Iterable, steps: int) -> tuple[np.ndarray, float]:
    """Time the steps of a fit.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    batches : iterable
        Of (inputs, targets[, weights]); where it counts in `waited` the seconds that one waited for it, they are told.
    steps : int
        How many, after the first.

    Returns
    -------
    times : numpy.ndarray
        (steps + 1,) seconds.
    waited : float
        Share of the time of all but the first step for which the next batch was not ready.
    """
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # Keras has fetched the loss: the step is done
            ends.append(time.perf_counter())
            waits.append(getattr(batches, "waited", 0.0))

    ends, waits = [time.perf_counter()], []
    model.fit((batch for batch in batches), steps_per_epoch=steps + 1, callbacks=[Clock()], shuffle=False, verbose=0)
    return np.diff(ends), (waits[-1] - waits[0]) / (ends[-1] - ends[1])


def repeated(step: Callable[[], float], steps: int) -> np.ndarray:
    """Time a function again and again; it returns when its work is done.

    Returns
    -------
    numpy.ndarray
        (steps + 1,) seconds.
    """
    ends = [time.perf_counter()]
    for _ in range(steps + 1):
        step()
        ends.append(time.perf_counter())
    return np.diff(ends)
