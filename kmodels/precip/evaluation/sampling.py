"""Fields on request: which days, from which law, how many, how bold."""

import math
from pathlib import Path

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.core.training import inference
from kmodels.precip.data.encode import DayExamples
from kmodels.precip.data.records import Days
from kmodels.precip.evaluation.sampler import STREAMS, Sampler
from kmodels.precip.recipe import PrecipRecipe


def sample(
    model,
    records: Days,
    recipe: PrecipRecipe,
    progress=None,
    mode: str = "prior",
    members: int | None = None,
    temperature: float = 1.0,
    days: str = "all",
    seed: int = 0,
) -> Sampler:
    """A sampler of these days; the same seed gives the same fields.

    mode: prior, z ~ p(z|x), needs the coarse state alone; posterior, z ~ q(z|x,y), needs the rain, too. members: fields
    a day, by default those of the recipe. temperature: z lies so many times as far from its mean as the law says.
    days: all; heavy, which needs the rain; or file:F, a text file with a date, such as 2001-12-31, in each line.
    Raises UserError for what makes no sense.
    """
    members = recipe.model.members if members is None else members
    _check(mode, members, temperature, days, seed)
    chosen = records.take(_rows(records, days, float(model.known()["heavy"])))
    return sampler_of(model, chosen, recipe, members, mode=mode, temperature=temperature, seed=seed, progress=progress)


def sampler_of(model, days: Days, recipe: PrecipRecipe, samples: int, **options) -> Sampler:
    """A sampler of these days, each encoded once; options: those of `Sampler`."""
    outputs = inference.predict(model.coder, DayExamples(days, recipe, noise="none"), recipe.train.batch_size)
    return Sampler.of(model, days, outputs, samples, **options)


def _check(mode, members, temperature, days, seed) -> None:
    if mode not in STREAMS:
        raise UserError(f"--mode {mode}: one of {', '.join(STREAMS)}")
    if members < 1:
        raise UserError(f"--members {members}: 1 or more")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UserError(f"--temperature {temperature:g}: a finite number, 0 or more")
    if days not in ("all", "heavy") and not days.startswith("file:"):
        raise UserError(f"--days {days}: all, heavy, or file:F with a file of dates")
    if seed < 0:
        raise UserError(f"--seed {seed}: 0 or more")


def _rows(days: Days, which: str, threshold: float) -> np.ndarray:
    """Row indices of the days that are asked for."""
    if which == "all":
        return np.arange(len(days))
    if which == "heavy":
        rows = np.flatnonzero(days.heavy(threshold))
        if not len(rows):
            raise UserError(f"--days heavy: none of {len(days)} days has more than {threshold:.1f} mm/day over land")
        return rows
    return _listed(days, Path(which.removeprefix("file:")))


def _listed(days: Days, path: Path) -> np.ndarray:
    """Row indices of the dates in a file, in its order."""
    if not path.is_file():
        raise UserError(f"--days: {path}: no such file")
    row_of = {date.isoformat()[:10]: row for row, date in enumerate(days.dates)}
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        date = line.strip()
        if not date:
            continue
        if date not in row_of:
            span = f"{min(row_of)} to {max(row_of)}"
            raise UserError(f"{path}:{number}: {date}: no such day in the data, which has days from {span}")
        rows.append(row_of[date])
    if not rows:
        raise UserError(f"{path}: no dates in it; expected one such as {min(row_of)} in each line")
    return np.array(rows)
