"""Roll-out: the model fed its own forecasts, step after step."""

from collections.abc import Callable

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.core.training import inference
from kmodels.core.training.batching import ArrayExamples
from kmodels.plume.data import encode
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.prediction import Forecast


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
    rows = np.arange(len(windows))
    past, maps = windows.past(rows), windows.maps(rows)
    frames = []
    for lead in range(leads):
        winds = None
        if recipe.model.needs_wind:
            ages = range(lead - windows.n_past + 1, lead + 1)
            winds = np.stack([windows.wind_at(rows, age) for age in ages], axis=1)
        inputs = encode.encode_inputs(past, winds, maps, windows, rows, recipe)
        outputs = inference.predict(model, ArrayExamples(inputs, {}), recipe.train.batch_size)
        frame = encode.from_log(outputs["future"], recipe.model.c0)
        frames.append(frame)
        past = np.concatenate([past[:, 1:], frame[:, None]], axis=1)
        if progress:
            progress(lead + 1, leads)
    return Forecast(windows, np.stack(frames, axis=1))
