"""The saved states of a run, judged one by one: what is best by one figure can be worst by another."""

from collections.abc import Callable

from rich.table import Table

from kmodels.core.cli.console import new_table, number
from kmodels.core.runs.predictor import Predictor
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.task import Scores
from kmodels.core.training.inference import as_numpy
from kmodels.core.training.state import assign


def judged(predictor: Predictor, parts: dict, report: Callable[[int, int], None]) -> dict[int, Scores]:
    """Score every state that a run kept at an epoch's end.

    The predictor's model holds its own weights again afterwards.

    Parameters
    ----------
    predictor : Predictor
        Of the run.
    parts : dict of str to Records
        "test" is scored; others as for `Task.metrics`.
    report : callable
        ``report(done, total)`` shows how far it is.

    Returns
    -------
    dict of int to Scores
        {epoch: Scores}.

    Raises
    ------
    UserError
        Where no state was kept, or one is damaged.
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


def table(found: dict[int, Scores], names: tuple[str, ...]) -> Table:
    """Tabulate checkpoints for a terminal, a row a metric, a column a checkpoint.

    Parameters
    ----------
    found : dict of int to Scores
        As `judged` returns it.
    names : tuple of str
        Of the metrics, in order.
    """
    made = new_table("checkpoints, held-out data")
    for column in ("metric", *(f"epoch {epoch}" for epoch in found)):
        made.add_column(column, no_wrap=True)
    for name in names:
        made.add_row(name, *(number(scores.values.get(name)) for scores in found.values()))
    return made
