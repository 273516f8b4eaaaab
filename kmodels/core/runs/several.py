"""One recipe trained, or several runs evaluated, from several seeds."""

from pathlib import Path

from kmodels.core.cli import console
from kmodels.core.report import index, report, seeds
from kmodels.core.runs import jobs
from kmodels.core.runs.jobs.training import train
from kmodels.core.spec import registry, verdict
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.task import Task
from kmodels.core.training import backend


def fit(base: Recipe, count: int, out: Path, data: str | None = None, smoke: bool = False) -> dict:
    """Train a recipe with the seeds base.seed, base.seed + 1, ... and write what the runs have in common.

    Each seed is a run of its own in `out`; one that is there already, finished or not, is not begun again.

    Parameters
    ----------
    base : Recipe
        The recipe with the first seed.
    count : int
        Of seeds.
    out : pathlib.Path
        Where run folders go, and `<model>-seeds-<first>-<last>-<hash>/` with report.json and report.html.
    data : str, optional
        The user's file or folder; simulated data by default.
    smoke : bool
        Whether the runs are too small to judge.

    Returns
    -------
    dict
        As `seeds.summarize` makes it.
    """
    task = registry.task(base.task)
    recipes = [base.with_changes({"seed": base.seed + k}) for k in range(count)]
    patience = jobs.PATIENCE if jobs.active() else 0.0
    todo = ((out, recipe, data, smoke, backend.current(), patience) for recipe in recipes)
    reports = {}
    for (_, recipe, *_), (run, found) in jobs.run(train, todo, apart=True, ahead=1, what="training", total=count):
        console.say(f"seed {recipe.seed}: {verdict.sentence(found['gates'])} ({found['duration_s']:.0f} s) {run}")
        reports[recipe.seed] = found
    result = seeds.summarize([reports[recipe.seed] for recipe in recipes])
    folder = out / f"{base.task}-seeds-{base.seed}-{base.seed + count - 1}-{base.digest()}"
    report.write(result, {}, folder, task.headline)
    show(result, task)
    console.say(f"report       {folder / 'report.html'}")
    index.announce(out)
    return result


def show(result: dict, task: Task) -> None:
    """Show what several seeds have in common on the terminal."""
    console.show(console.seeds_table(result, task.headline))
    console.show(console.gates_table(result["gates"]))
    console.say(f"\n{len(result['seeds'])} seeds: {verdict.sentence(result['gates'])}")
