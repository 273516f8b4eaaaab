"""Training that begins with the weights of a preset or of another run, and what that was good for."""

from pathlib import Path
from typing import TYPE_CHECKING

from kmodels.core.cli import console, parse
from kmodels.core.io import files
from kmodels.core.report import report
from kmodels.core.runs.run import NETWORK, Run
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.suggest import did_you_mean
from kmodels.core.spec.task import MeasuredRecords, Records, Task

if TYPE_CHECKING:
    import keras

SLOWER = 0.1  # the step size of a tuning, in parts of that of the training: what was learned is to be kept
START, NOTHING = "before tuning", "trained from nothing"


def find(name: str) -> Run:
    """Find the preset or the run that a training begins with.

    Raises
    ------
    UserError
        Where it is neither.
    """
    from kmodels import presets

    if name in presets.names():
        return Run.open(presets.path(name))
    if not Path(name).expanduser().exists():
        hint = did_you_mean(name, presets.names())
        raise UserError(f"--from {name}: no run folder, and no preset{hint}; presets: {', '.join(presets.names())}")
    return Run.open(name)


def recipe_of(source: Run, last: parse.RecipeSource, smoke: bool) -> Recipe:
    """Build the recipe of a tuning: the source's < what its model takes for a tuning < --smoke < command line.

    Parameters
    ----------
    source : Run
        Whose weights it begins with.
    last : RecipeSource
        What was asked for.
    smoke : bool
        Whether to train for as few epochs as a smoke run.
    """
    kind, train = type(source.recipe), source.recipe.train
    changes = parse.nested({"train.learning_rate": SLOWER * train.learning_rate} | kind.TUNING)
    layers = [
        parse.RecipeSource(source.recipe.model_dump(mode="json"), "--from"),
        parse.RecipeSource(changes, "--from"),
    ]
    if smoke:
        layers.append(parse.RecipeSource({"train": {"epochs": kind.SMOKE["train"]["epochs"]}}, "--smoke"))
    return parse.resolve(kind, [*layers, last])


def origin(source: Run, frozen: list[str]) -> dict:
    """Write down, for run.json, what a training begins with, and which layers stay as they are.

    Raises
    ------
    UserError
        Where the source is not finished.
    """
    return {
        "path": files.absolute(str(source.path)),
        "sha256": files.sha256(source.network),
        "recipe": source.recipe.digest(),
        "learning_rate": source.recipe.train.learning_rate,
        "inputs": source.metadata.get("inputs"),
        "simulated": source.metadata["data"] is None,
        "frozen": frozen,
    }


def in_its_units(records: Records, run: Run) -> Records:
    """Give records the units that the network of the origin was trained in, where they have units."""
    begun = run.metadata.get("from")
    if begun is None or not isinstance(records, MeasuredRecords):
        return records
    return records.as_trained(begun["inputs"], Path(begun["path"]), simulated=begun["simulated"])


def begin(model: "keras.Model", run: Run) -> "keras.Model":
    """Give a new network the weights of its run's origin, layer by layer, and freeze what is to stay.

    The model's own numbers, such as the weights of loss terms and thresholds, stay those of its recipe.

    Parameters
    ----------
    model : TermModel
        Compiled, not trained.
    run : Run
        That begins with another one's weights, or does not.

    Returns
    -------
    keras.Model
        The same; compiled anew where layers are frozen.

    Raises
    ------
    UserError
        Where the origin has changed since, or has another network.
    """
    begun = run.metadata.get("from")
    if begun is None:
        return model
    ours, theirs = _weighted(model), _weighted(_network(begun))
    if len(ours) != len(theirs):
        raise UserError(f"{begun['path']}: has another network than this recipe: leave its model section as it is")
    for layer, trained in zip(ours, theirs, strict=True):
        values = trained.get_weights()
        if [value.shape for value in values] != [value.shape for value in layer.get_weights()]:
            raise UserError(
                f"{begun['path']}: layer {trained.name} has another shape than this recipe's; leave the model section, "
                f"and the sizes of the data, as they are there"
            )
        layer.set_weights(values)
    return _freeze(model, begun["frozen"]) if begun["frozen"] else model


def _network(begun: dict) -> "keras.Model":
    from kmodels.core.runs.predictor import load_network

    file = Path(begun["path"]) / NETWORK
    if not file.exists() or files.sha256(file) != begun["sha256"]:
        raise UserError(f"{file}: not what the tuning was begun with; bring that back, or begin a new run")
    return load_network(file)


def _weighted(model) -> list:
    return [layer for layer in model.layers if layer.weights]


def _freeze(model, names: list[str]) -> "keras.Model":
    """Let the layers whose names begin so stay as they are."""
    layers = _weighted(model)
    for name in names:
        chosen = [layer for layer in layers if layer.name.startswith(name)]
        if not chosen:
            known = [layer.name for layer in layers]
            raise UserError(f"--freeze {name}: no such layer{did_you_mean(name, known)}; layers: {', '.join(known)}")
        for layer in chosen:
            layer.trainable = False
    if not model.trainable_variables:
        raise UserError(f"--freeze {','.join(names)}: nothing is left to train")
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())  # of the variables that are left
    model.compile(optimizer=optimizer, jit_compile=model.jit_compile)
    return model


def compare(task: Task, run: Run, result: dict) -> dict:
    """Evaluate the origin as it was, and a training from nothing of the same length, on the run's held-out data.

    Parameters
    ----------
    task : Task
        Of the run.
    run : Run
        Finished.
    result : dict
        Its report, which is written again with `tuning`: origin, frozen layers, and the metrics of the three.

    Returns
    -------
    dict
        The report.
    """
    from kmodels.core.runs import pipeline

    begun = run.metadata["from"]
    parts = pipeline.data_of(task, run)
    console.say(f"{START}: evaluated on the same held-out data")
    before = pipeline.evaluate(task, _network(begun), run.recipe, parts).scores
    console.say(f"{NOTHING}: the same recipe with step size {begun['learning_rate']:g}")
    nothing = run.recipe.with_changes({"train": {"learning_rate": begun["learning_rate"]}})
    folder = run.path / "from_nothing"
    _, other = pipeline.train_or_resume(folder, nothing, run.metadata["data"], run.metadata["smoke"])
    compared = {"tuned": result["metrics"], START: report.finite(before.values), NOTHING: other["metrics"]}
    result |= {"tuning": {"from": begun["path"], "frozen": begun["frozen"], "metrics": compared}}
    files.write_json(run.path / "report.json", result)
    return result


def show(result: dict, task: Task) -> None:
    """Say what a tuning gained, in the headline metrics."""
    compared, units = result["tuning"]["metrics"], result.get("units", {})
    console.say(f"\ntuned from {result['tuning']['from']}; on the held-out data:")
    for name in task.headline:
        values = [compared[who].get(name) for who in ("tuned", START, NOTHING)]
        if all(value is not None for value in values):
            tuned, before, nothing = values
            unit = f" [{units[name]}]" if units.get(name) else ""
            console.say(f"  {name}{unit}: {tuned:.4f}; {START} {before:.4f}; {NOTHING} {nothing:.4f}")
