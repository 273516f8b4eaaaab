"""Climbing a Ladder: every rung is trained and judged, its review written; stops where a gate fails."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.report import figures, review, seeds, verification
from kmodels.core.runs import jobs, pipeline, provenance
from kmodels.core.runs.jobs.training import train
from kmodels.core.runs.run import Run
from kmodels.core.spec.gate import strictest, worst
from kmodels.core.spec.ladder import Ladder
from kmodels.core.spec.task import Task
from kmodels.core.training import backend


@dataclass(frozen=True)
class LadderRun:
    """A ladder to climb, and where its records go: `metrics_step{k}.json`, `review_step{k}.md`, `runs/step{k}/`.

    Attributes
    ----------
    task : Task
        Whose metrics are judged.
    ladder : Ladder
        The task's own, or another.
    base : Recipe
        That the ladder's changes are put upon.
    out : pathlib.Path
        The folder of the records.
    n_seeds : int
        Trainings of a rung, with the seeds base.seed, base.seed + 1, ...; a gate is passed when every one of them
        passes it.
    smoke : bool
        Whether recipes are made too small to judge.
    """

    task: Task
    ladder: Ladder
    base: object
    out: Path
    n_seeds: int = 1
    smoke: bool = False

    def recipes(self, k: int) -> list:
        """Build the recipes of rung k, one a seed."""
        recipe = self.ladder.recipe(self.base, k)
        if self.smoke:
            recipe = recipe.with_changes(self.task.recipe.SMOKE)
        return [recipe.with_changes({"seed": self.base.seed + s}) for s in range(self.n_seeds)]

    def record(self, k: int) -> dict | None:
        """Read metrics_step{k}.json, where it was measured with this recipe and this code; else None."""
        path = self.out / f"metrics_step{k}.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if found["key"] == self.key(k) else None

    def runs(self, k: int) -> Path:
        """Name the folder of the runs of rung k."""
        return self.out / "runs" / f"step{k}"

    def is_left_out(self, k: int, first: int, last: int) -> bool:
        """Say whether rung k of first .. last is one that is climbed alone, and was not."""
        return self.ladder.steps[k].apart and first < last and self.record(k) is None

    def key(self, k: int) -> dict:
        """Collect what the figures of rung k depend on."""
        digests, code = [recipe.digest() for recipe in self.recipes(k)], provenance.code(self.task.name)
        return {"recipes": digests, "code": code, "backend": backend.current(), "smoke": self.smoke}


def climb(what: LadderRun, first: int, last: int, keep_going: bool) -> tuple[list[dict], bool]:
    """Climb the rungs first .. last: train, judge, record.

    A rung that was climbed before with the same recipe and code is not trained again; an interrupted one goes on. Where
    there are workers, they train the seeds of a rung at the same time, and with `keep_going` all rungs.

    Parameters
    ----------
    what : LadderRun
        The ladder, and where its records go.
    first, last : int
        Rungs, counted from 0.
    keep_going : bool
        Whether to climb on where a gate fails.

    Returns
    -------
    records : list of dict
        Of all rungs climbed so far, in order, as `metrics_step{k}.json` holds them.
    failed : bool
        Whether a gate failed on the rungs first .. last.
    """
    if jobs.active() and keep_going:
        train_side_by_side(what, first, last)
    for k in range(first, last + 1):
        if what.is_left_out(k, first, last):
            console.say(
                f"\nstep {k}: {what.ladder.steps[k].name}: left out; --from {k} --until {k} climbs it, at length"
            )
            continue
        other = what.ladder.compared_with(k)
        before = None if other is None else what.record(other)
        record = what.record(k)
        if record is None:
            console.say(f"\nstep {k}: {what.ladder.steps[k].name}")
            if jobs.active() and not keep_going:
                train_side_by_side(what, k, k)
            record = _step(what, k, before)
            files.write_json(what.out / f"metrics_step{k}.json", record)
        else:
            console.say(f"\nstep {k}: {record['name']} (climbed before)")
        files.write_text(what.out / f"review_step{k}.md", review.of_step(record, before))
        console.show(console.gates_table(record["gates"]))
        if record["verdict"] == "failed" and not keep_going:
            console.say(f"stopped at step {k}: a gate failed; --keep-going climbs on")
            break
    records = [r for k in range(len(what.ladder.steps)) if (r := what.record(k)) is not None]
    _write_summary(what, records)
    climbed = [r for r in records if first <= r["step"] <= last]
    return records, any(r["verdict"] == "failed" for r in climbed)


def train_side_by_side(what: LadderRun, first: int, last: int) -> None:
    """Train rungs on the workers of `jobs`; `climb` then finds them.

    A rung whose training fails is left to `climb`, which says why.

    Parameters
    ----------
    what : LadderRun
        The ladder, and where its runs go.
    first, last : int
        Rungs, counted from 0.
    """
    chosen = backend.current()
    todo = [
        (what.runs(k), recipe, None, what.smoke, chosen, jobs.PATIENCE)
        for k in range(first, last + 1)
        if what.record(k) is None and not what.is_left_out(k, first, last)
        for recipe in what.recipes(k)
        if not _is_trained(what, k, recipe)
    ]
    todo.sort(key=lambda job: -_passes(job[1]))  # the longest first, so that none is left alone at the end
    trained = jobs.run(train, todo, apart=True, ahead=1, keep_going=True, what="training", total=len(todo))
    for (folder, recipe, *_), answer in trained:
        said = f"not trained: {answer}" if isinstance(answer, Exception) else f"trained in {answer[1]['duration_s']} s"
        console.say(f"{folder.name}, seed {recipe.seed}: {said}")


def _passes(recipe) -> int:
    """Count the epochs of a recipe's training, those of every member of an ensemble."""
    return recipe.train.epochs * getattr(recipe.model, "ensemble_size", 1)


def _is_trained(what: LadderRun, k: int, recipe) -> bool:
    run = Run.find_existing(what.runs(k), recipe, backend.current())
    return run is not None and run.report is not None


def _step(what: LadderRun, k: int, before: dict | None) -> dict:
    """Train rung k with every seed and judge it."""
    step = what.ladder.steps[k]
    reports = [_trained(what, k, recipe) for recipe in what.recipes(k)]
    figures_of = [_with_gains(result["metrics"], before) for result in reports]
    gates = [worst([gate.judge(metrics, not what.smoke) for metrics in figures_of]) for gate in step.gates]
    return {
        "model": what.task.name,
        "step": k,
        "name": step.name,
        "change": step.change,
        "key": what.key(k),
        "verdict": strictest(gates),
        "recipe": reports[0]["recipe"],
        "seeds": [result["seed"] for result in reports],
        "metrics": seeds.over_seeds(figures_of, seeds.mean),
        "each": figures_of,
        "ratios": _ratios(what.ladder.figures, figures_of, before),
        "intervals": seeds.hull([result["intervals"] for result in reports]),
        "prototype": step.prototype,
        "figures": list(what.ladder.figures),
        "gates": gates,
        "findings": _findings(what, step, k),
        "held_out": reports[0]["sizes"]["test"],
        "epochs": [len(result["history"]) for result in reports],
        "duration_s": round(sum(result["duration_s"] for result in reports), 1),
        **provenance.of(reports[0]),
    }


def _trained(what: LadderRun, k: int, recipe) -> dict:
    """Train rung k's recipe, or find it trained, and return its report."""
    _, report = pipeline.train_or_resume(what.runs(k), recipe, smoke=what.smoke)
    return report


def _findings(what, step, k) -> list[str]:
    """Ask the step what its own data shows."""
    if step.findings is None:
        return []
    recipe = what.recipes(k)[0]
    return step.findings(recipe, pipeline.load_splits(what.task, recipe, None).records)


def _with_gains(metrics: dict, before: dict | None) -> dict:
    """Add to the metrics, as `<metric>_gain` and `<metric>_ratio`, how they differ from the rung before's."""
    old = before["metrics"] if before else {}
    both = [name for name, value in metrics.items() if value is not None and old.get(name) is not None]
    gains = {f"{name}_gain": metrics[name] - old[name] for name in both}
    return metrics | gains | {f"{name}_ratio": metrics[name] / old[name] for name in both if old[name]}


def _ratios(names, each: list[dict], before: dict | None) -> dict:
    """Compute each figure's quotient to the rung it is compared with, seed by seed: {name: [mean, low, high]}."""
    if before is None or len(each) < 2 or len(before["each"]) != len(each):
        return {}
    pairs = {
        name: [(new.get(name), old.get(name)) for new, old in zip(each, before["each"], strict=True)] for name in names
    }
    whole = {name: np.array(found) for name, found in pairs.items() if all(a and b and a * b > 0 for a, b in found)}
    return {name: list(verification.ratio_interval(*found.T)) for name, found in whole.items()}


def _write_summary(what: LadderRun, records: list[dict]) -> None:
    """Write ladder.json, ladder.md and ladder.png: the whole climb as it stands."""
    if not records:
        return
    files.write_json(what.out / "ladder.json", {"model": what.task.name, "steps": records})
    files.write_text(what.out / "ladder.md", f"# The climb of {what.task.name}\n\n{review.of_ladder(records)}\n")
    files.write_bytes(what.out / "ladder.png", figures.png(review.picture(records)))
