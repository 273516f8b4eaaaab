"""Fields on request: which days, from which law, how many, how bold; and those that scores and figures are made of."""

import math
from pathlib import Path

import numpy as np
from keras import ops

from kmodels.core.io.rows import blocks, choose
from kmodels.core.spec.errors import UserError
from kmodels.core.training import inference
from kmodels.precip.data.encode import DayExamples
from kmodels.precip.data.records import Days
from kmodels.precip.evaluation.daily_statistics import ExampleDay, SampleStatistics
from kmodels.precip.evaluation.sampler import LAWS, STREAMS, Sampler
from kmodels.precip.recipe import PrecipRecipe

POSTERIOR_MEMBERS = 10
SHOWN = 4  # prior fields of the example day


def needs_rain(mode: str = "prior", days: str = "all", **others) -> bool:
    """Tell whether `sample` needs the days' rain: to sample from the posterior, or to know the heavy days."""
    return mode == "posterior" or days == "heavy"


def sample(
    model,
    records: Days,
    recipe: PrecipRecipe,
    progress=None,
    *,
    mode: str = "prior",
    members: int | None = None,
    temperature: float | None = None,
    days: str = "all",
    seed: int = 0,
) -> Sampler:
    """Make a sampler of days; the same seed gives the same fields.

    Parameters
    ----------
    model : PrecipVAE
        The network.
    records : Days
        With rain where `needs_rain` says so.
    recipe : PrecipRecipe
        Of the network.
    progress : callable, optional
        progress(done, total), told while all days are written.
    mode : {"prior", "posterior"}
        z ~ p(z|x), which needs the coarse state alone, or z ~ q(z|x,y), which needs the rain, too.
    members : int, optional
        Fields a day; by default those of the network.
    temperature : float, optional
        z lies so many times as far from its mean as the law says; by default the recipe's for the prior, 1 for the
        posterior.
    days : str
        "all"; "heavy"; or "file:F", a text file with a date, such as 2001-12-31, in each line.
    seed : int
        Of the fields.

    Raises
    ------
    UserError
        For what makes no sense, by the name of the option.
    """
    members = model.members if members is None else members
    if temperature is None:
        temperature = recipe.model.temperature if mode == "prior" else 1.0
    _check(mode, members, temperature, days, seed)
    chosen = records.take(_rows(records, days, float(model.training_statistics().heavy)))
    return sampler_of(model, chosen, recipe, members, mode=mode, temperature=temperature, seed=seed, progress=progress)


def sampler_of(model, days: Days, recipe: PrecipRecipe, members: int, **options) -> Sampler:
    """Make a sampler of these days, each encoded once; options: those of `Sampler`."""
    outputs = inference.predict(model.coder, DayExamples(days, recipe, noise="none"), recipe.train.batch_size)
    return Sampler.of(model, days, outputs, members, **options)


def with_statistics(sampler: Sampler, brief: bool = False, posterior_members: int = POSTERIOR_MEMBERS) -> Sampler:
    """Sample all that scores and figures need, from the prior and from the posterior.

    Parameters
    ----------
    sampler : Sampler
        Of days whose rain is known.
    brief : bool
        Leave out the scores that take longest.
    posterior_members : int
        Fields a day from the posterior, at most those of the sampler.

    Returns
    -------
    Sampler
        The same, with its `statistics`.
    """
    code = sampler.code
    posterior = sampler.replace(mode="posterior", members=min(posterior_members, sampler.members), temperature=1.0)
    statistics = SampleStatistics(
        prior=sampler.replace(mode="prior").daily_statistics(brief),
        posterior=posterior.daily_statistics(brief),
        shuffled=with_shuffled_code(posterior).daily_statistics(brief=True),
        kl_by_dimension=ops.convert_to_numpy(sampler.model.kl(code)).mean(0, dtype="float64"),
        map_kl=_map_kl(sampler),
        mean_shift=code["mean"] - code["prior_mean"],
        example=_example(sampler),
    )
    return sampler.replace(statistics=statistics)


def with_shuffled_code(sampler: Sampler) -> Sampler:
    """Make a posterior sampler with the z of another day: its fields are as good where z says nothing."""
    order = np.roll(np.arange(len(sampler.days)), 1)
    code = sampler.code | {name: choose(sampler.code[name], order) for name in LAWS if name in sampler.code}
    return sampler.replace(mode="posterior", code=code)


def _map_kl(sampler: Sampler) -> float:
    """Average KL(q || N(0, 1)) of the noise that has a posterior over the days, some at a time [nats]."""
    laws = {name: sampler.code[name] for name in LAWS if name in sampler.code}
    per_row = sum(value[:1].nbytes for value in laws.values())
    parts = [sampler.model.map_kl({k: v[some] for k, v in laws.items()}) for some in blocks(laws["mean"], per_row)]
    return float(np.concatenate([ops.convert_to_numpy(part) for part in parts]).mean(dtype="float64"))


def _example(sampler: Sampler) -> ExampleDay:
    """Fields of the day with most rain over land."""
    days = sampler.days
    row = int(np.argmax(days.land_mean))
    prior = sampler.replace(mode="prior", members=min(SHOWN, sampler.members)).fields([row])[0]
    posterior = sampler.replace(mode="posterior", members=2, temperature=1.0).fields([row])[0, 0]
    return ExampleDay(days.domain, days.rain(np.array([row]))[0], prior, posterior)


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
    """List the row indices of the days that are asked for."""
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
