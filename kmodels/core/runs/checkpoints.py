"""The saved states of a run, judged one by one: what is best by one figure can be worst by another."""

from collections.abc import Callable

from kmodels.core.cli.console import new_table, number
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.task import Scores
from kmodels.core.training.inference import as_numpy
from kmodels.core.training.state import assign


def judged(predictor, parts: dict, report: Callable[[int, int], None]) -> dict[int, Scores]:
    """{epoch: Scores on parts["test"]} of every state that the run kept at an epoch's end.

    report(done, total) shows progress. The predictor's model holds its own weights again afterwards.
    """
    task, model, run = predictor.task, predictor.model, predictor.run
    own = [as_numpy(variable) for variable in model.variables]
    steps, found = run.saved_steps(), {}
    if not steps:
        raise UserError(f"{run.path}: no saved states in its checkpoints folder")
    try:
        for done, step in enumerate(steps):
            values, metadata = run.load_state(step)
            assign(model.variables, values[: len(own)])  # `training.variables` has them first
            prediction = task.predict(model, parts["test"], predictor.recipe)
            found[len(metadata["history"])] = task.metrics(parts, prediction, predictor.recipe.seed)
            report(done + 1, len(steps))
    finally:
        assign(model.variables, own)
    return found


def table(found: dict[int, Scores], names: tuple[str, ...]):
    """Return a row a metric, a column a checkpoint."""
    made = new_table("checkpoints, held-out data")
    for column in ("metric", *(f"epoch {epoch}" for epoch in found)):
        made.add_column(column, no_wrap=True)
    for name in names:
        made.add_row(name, *(number(scores.values.get(name)) for scores in found.values()))
    return made
