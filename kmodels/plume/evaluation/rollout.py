"""Roll-out: a forecast that goes on from the last one, step after step."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.core.training import inference
from kmodels.core.training.batching import ArrayExamples
from kmodels.plume.data import encode
from kmodels.plume.data.flow.courant import courant_numbers
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.network.closures import CLOSURES, continuation


def roll_out(
    model, windows: Windows, recipe, leads: int, progress: Callable[[int, int], None] | None = None
) -> Forecast:
    """Forecast frames t + 1 .. t + leads: each step's output is the next one's last frame.

    The wind of the frames on the way is taken from the data where it has it, as from a weather forecast, and else
    stays as it was last seen.

    Parameters
    ----------
    model : PlumeNet
        Forecasts the next frame.
    windows : Windows
        What is known at the start.
    recipe : PlumeRecipe
        Of the model.
    leads : int
        Frames to forecast.
    progress : callable, optional
        Told (leads done, leads).

    Returns
    -------
    Forecast
        Of every window and lead.

    Raises
    ------
    UserError
        For a model whose horizon is not one frame.
    """
    if recipe.data.horizon != 1:
        raise UserError(f"this model forecasts {recipe.data.horizon} frames ahead; a roll-out needs data.horizon = 1")
    steps = _solver_steps if recipe.model.base == "solver" else _network_steps
    return _forecast(steps(model, windows, recipe, leads), windows, recipe, leads, progress)


def roll_out_shifted(model, windows: Windows, recipe, leads: int, shifts: np.ndarray) -> Forecast:
    """Forecast as `roll_out`, under closures that are shifted, see `shifted`: a member of an ensemble."""
    return _forecast(_solver_steps(model, windows, recipe, leads, shifts), windows, recipe, leads, None)


def _forecast(steps: Iterator[np.ndarray], windows: Windows, recipe, leads: int, progress) -> Forecast:
    """Collect the frames of a roll-out, given as log1p(c / c0)."""
    frames = []
    for frame in steps:
        frames.append(encode.from_log(frame, recipe.model.c0))
        if progress:
            progress(len(frames), leads)
    return Forecast(windows, np.stack(frames, axis=1))


def _network_steps(model, windows: Windows, recipe, leads: int) -> Iterator[np.ndarray]:
    """Give the network its own forecasts: log1p(c / c0) of each lead, (rows, z, y, x)."""
    rows = np.arange(len(windows))
    past, maps = windows.past(rows), windows.maps(rows)
    for lead in range(leads):
        winds = None
        if recipe.model.needs_wind:
            ages = range(lead - windows.n_past + 1, lead + 1)
            winds = np.stack([windows.wind_at(rows, age) for age in ages], axis=1)
        inputs = encode.encode_inputs(past, winds, maps, windows, rows, recipe)
        future = inference.predict(model, ArrayExamples(inputs, {}), recipe.train.batch_size)["future"]
        yield future
        frame = encode.from_log(future, recipe.model.c0)
        past = np.concatenate([past[:, 1:], frame[:, None]], axis=1)


def _solver_steps(model, windows: Windows, recipe, leads: int, shifts=None) -> Iterator[np.ndarray]:
    """Find the closures in the frames seen, and keep them: what the network made itself tells nothing new."""
    rows, size = np.arange(len(windows)), 4 * recipe.train.batch_size  # without gradients there is room for more
    inputs, _ = replace(encode.encode(windows, recipe), targets=False).take(rows)
    found = inference.predict(model, ArrayExamples(inputs, {}), size)
    kept = {name: found[name] for name in CLOSURES} | {"static": inputs["static"]}
    solver = continuation(model)

    def step(last, missed, age):
        flows = courant_numbers(windows, rows, windows.wind_at(rows, age), recipe.model.substeps)
        given = kept | flows | {"last": last, "missed": missed}
        return inference.predict(solver, ArrayExamples(given, {}), size)["future"]

    missed, last = found["missed"], found["future"]
    if shifts is not None:
        kept |= shifted(kept, shifts)
        before, last = inputs["past"][:, -2], inputs["past"][:, -1]
        air = 1.0 - inputs["static"][..., 0]
        missed = (np.expm1(last) - np.expm1(step(before, np.zeros_like(missed), -1))) * air
        last = step(last, missed, 0)
    yield last
    for lead in range(1, leads):
        last = step(last, recipe.model.memory**lead * missed, lead)
        yield last


def shifted(closures: dict, shifts: np.ndarray) -> dict:
    """Shift closures by (rows, 4): logarithms of the diffusivities, angle [rad] and logarithm of the wind's speed."""
    horizontal, vertical, _, stretch = np.exp(shifts).astype("float32").T[:, :, None, None, None]
    return {
        "horizontal": closures["horizontal"] * horizontal * stretch,
        "vertical": closures["vertical"] * vertical * stretch,
        "wind_correction": closures["wind_correction"] + shifts[:, 2:].astype("float32"),
    }
