"""plume on an accelerator: `python tests/helpers/on_gpu.py PART`; --help says what else it takes.

``layer`` times a training step of ConvLSTM3D in every form of its convolution, those of the package and candidates,
with the input on the device, and in the package's own choice with the input on the host; on PyTorch it lists the
kernels of that choice and of the fastest form. ``forecast`` times a training step of configs/plume_full.yaml and a
roll-out of 30 frames, with the memory of each. KERAS_BACKEND says on which backend.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEADS = 30
SHOWN = 12  # kernels


def candidates() -> dict:
    """Forms of a 3-D convolution that the package does not have."""
    from keras import ops

    def first(x, kernel, padding, copied=False):
        """Channels first: on PyTorch in the layout that x has, or copied into PyTorch's own."""
        x = ops.transpose(x, (0, 4, 1, 2, 3))
        x = x.contiguous() if copied and hasattr(x, "contiguous") else x
        y = ops.conv(x, kernel, padding=padding, data_format="channels_first")
        return ops.transpose(y, (0, 2, 3, 4, 1))

    return {"first": first, "first_copied": lambda x, kernel, padding: first(x, kernel, padding, True)}


def layer(steps: int, smoke: bool) -> dict:
    """Milliseconds of a step by form; "host": the package's own, fed from the host."""
    from kmodels.benchmarks import contestant, parts
    from kmodels.benchmarks.cases import plume
    from kmodels.core.training import backend, inference
    from kmodels.layers import convolution3d
    from kmodels.layers.conv_lstm3d import ConvLSTM3D

    convolution3d.FORMS.update(candidates())
    shape, found, failed = plume.SHAPES["smoke" if smoke else "full"], {}, {}

    def made(form):
        model, batch = parts.layer_model(ConvLSTM3D(shape[-1], 3, padding="same", form=form), shape)
        return model, batch if form == "auto" and "host" not in found else inference.as_tensors(batch)

    for name, form in [("host", "auto"), ("auto", "auto"), *((name, name) for name in convolution3d.FORMS)]:
        try:
            model, batch = made(form)
            times, _ = contestant.fitted(model, [batch] * (steps + 1), steps)
        except Exception as error:  # noqa: BLE001 - of any backend, such as out of memory: the others are timed
            failed[name] = f"{type(error).__name__}: {error}"[:300]
            continue
        found[name] = round(1e3 * float(sorted(times[1:])[steps // 2]), 3)
        print(f"{name:14s} {found[name]:9.2f} ms", flush=True)
    if backend.current() == "torch" and len(found) > 2:
        best = min((name for name in found if name not in ("host", "auto")), key=found.get)
        for form in dict.fromkeys(("auto", best)):
            print(f"\n{form}:\n{_kernels(*made(form))}", flush=True)
    return {"step_ms": found, "failed": failed}


def _kernels(model, batch) -> str:
    """The kernels that take the most time in a training step on PyTorch."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    model.train_on_batch(*batch)
    gpu = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]) as profiled:
        model.train_on_batch(*batch)
        if gpu:
            torch.cuda.synchronize()
    key = "self_device_time_total" if gpu else "self_cpu_time_total"
    return profiled.key_averages().table(sort_by=key, row_limit=SHOWN, max_name_column_width=60)


def forecast(steps: int, smoke: bool) -> dict:
    """Seconds of a training step and of a roll-out of one window, and the memory of the step [GB]."""
    import yaml

    from kmodels.benchmarks import contestant, devices, parts
    from kmodels.core.spec import registry
    from kmodels.core.training import inference
    from kmodels.plume.evaluation import rollout

    task = registry.task("plume")
    full = yaml.safe_load((ROOT / "configs" / "plume_full.yaml").read_text())
    full.pop("task")
    recipe = task.recipe().with_changes(full).with_changes({"data": {"n_runs": 4, "frames": 36}})
    recipe = recipe.with_changes(task.recipe.SMOKE).with_changes({"model": {"substeps": 4}}) if smoke else recipe
    case = parts.BenchmarkCase(task, recipe)
    batch = inference.as_tensors(case.batch(recipe.train.batch_size))
    times, _ = contestant.fitted(case.model, [batch] * (steps + 1), steps)
    found = {"step_s": float(sorted(times[1:])[steps // 2]), "first_step_s": float(times[0])}
    found |= {"batch": recipe.train.batch_size, "memory_gb": devices.peak_memory_gb(), "leads": LEADS}
    print(json.dumps(found), flush=True)
    windows = task.load(parts.cache.get_or_simulate(task, recipe, lambda *a: None, lambda text: None), recipe).take([0])
    for name in ("first_forecast_s", "forecast_s"):
        began = time.perf_counter()
        frames = rollout.roll_out(case.model, windows, recipe, LEADS)
        found[name] = time.perf_counter() - began
    return found | {"parameters": case.model.count_params(), "shape": list(frames.concentration.shape)}


def main() -> None:
    """Measure a part; write what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("part", choices=["layer", "forecast"])
    options.add_argument("--precision", default="tf32")
    options.add_argument("--steps", type=int, default=15)
    options.add_argument("--smoke", action="store_true")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    from kmodels.benchmarks import contestant
    from kmodels.core.training import backend

    contestant.choose_precision(given.precision)
    backend.start()
    import keras

    from kmodels.benchmarks import devices

    if given.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    part = layer if given.part == "layer" else forecast
    found = part(given.steps, given.smoke)
    found |= {"part": given.part, "backend": backend.current(), "precision": given.precision, "device": devices.name()}
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    main()
