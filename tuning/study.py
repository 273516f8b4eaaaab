"""A Study says what is searched and by what it is judged: a recipe to begin with, a space, an objective."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe, leaves, merge
from kmodels.core.spec.suggest import did_you_mean

NAMES = ("nand_step4", "precip_weights", "plume", "metasurface", "echo")
TUNERS = ("random", "bayesian", "hyperband", "grid")
EPOCHS = "tuner/epochs"  # what Hyperband calls the epochs that it grants a trial


@dataclass(frozen=True)
class Study:
    """What is searched, and by what it is judged.

    Attributes
    ----------
    name, question : str
        What it is called, and what it asks.
    base : Recipe
        That the search begins with; its first trial, but for a grid, which goes in order.
    space : callable
        ``space(hp) -> Recipe``: `base` with the values that Keras Tuner's `hp` gives. Its parameters are named by their
        keys in the recipe, `hp.Choice("model.hidden", ...)`, and default to `base`'s values.
    objective : str
        A figure of validation data, as a row of a report's history names it, in the epoch that is kept. Never a sum
        whose weights are searched: trials would be compared by different measures.
    direction : {"min", "max"}
        Of the objective.
    tuner : str
        How it is searched unless somebody says otherwise; one of TUNERS.
    max_trials : int or None
        The most trials unless somebody says otherwise; a grid is searched whole with None.
    beside : tuple of str
        Further figures of that row, for the table.
    held_out : tuple of str
        Metrics of the report, for the table; none of them chooses.
    """

    name: str
    question: str
    base: Recipe
    space: Callable[[Any], Recipe]
    objective: str
    direction: Literal["min", "max"]
    tuner: Literal["random", "bayesian", "hyperband", "grid"]
    max_trials: int | None
    beside: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def recipe(self, hp: Any, smoke: bool = False) -> Recipe:
        """Make a trial's recipe with the values of `hp`.

        Parameters
        ----------
        hp : keras_tuner.HyperParameters
            Of the trial.
        smoke : bool
            Whether the recipe is made tiny; what is searched stays as it is.
        """
        made = self.space(hp)
        if smoke:
            made = made.with_changes(_without(type(made).SMOKE, hp.values))
        return made.with_changes({"train": {"epochs": hp.values[EPOCHS]}}) if EPOCHS in hp.values else made

    def declared(self) -> Any:
        """Declare the whole space, every parameter at its default.

        Returns
        -------
        keras_tuner.HyperParameters
            With the parameters of the space.

        Raises
        ------
        UserError
            Where a name is no key of the recipe, or the defaults are not the base's values.
        """
        from keras_tuner import HyperParameters

        hp = HyperParameters()
        try:
            made = self.space(hp)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise UserError(f"study {self.name}: its space gives no recipe: {where}: {fault['msg']}") from None
        unknown = [one.name for one in hp.space if one.name not in leaves(type(self.base))]
        if unknown:
            raise UserError(f"study {self.name}: {unknown[0]} is no key of the recipe of {self.base.task}")
        if made != self.base:
            raise UserError(f"study {self.name}: the defaults of its space do not give its base")
        return hp


def load(name: str) -> Study:
    """Load the study of a name, or of a Python file that defines STUDY.

    Raises
    ------
    UserError
        Where there is none, or the file fails.
    """
    if name.endswith(".py"):
        return _of_file(Path(name).expanduser())
    if name not in NAMES:
        meant = did_you_mean(name, NAMES)
        raise UserError(f"--study {name}: there are {', '.join(NAMES)}, or your own file NAME.py{meant}")
    return importlib.import_module(f"tuning.studies.{name}").STUDY


def _of_file(path: Path) -> Study:
    if not path.is_file():
        raise UserError(f"--study {path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's own code raises
        raise UserError(f"--study {path}: {type(error).__name__}: {error}") from error
    if not isinstance(getattr(module, "STUDY", None), Study):
        raise UserError(f"--study {path}: a study's file defines STUDY, a tuning.study.Study")
    return module.STUDY


def nested(values: dict[str, Any]) -> dict:
    """Nest dotted keys, {"train.epochs": 3} as {"train": {"epochs": 3}}, for `Recipe.with_changes`."""
    found: dict = {}
    for key, value in values.items():
        for part in reversed(key.split(".")):
            value = {part: value}
        found = merge(found, value)
    return found


def _without(changes: dict, keys, prefix: str = "") -> dict:
    """Drop those of these dotted keys from nested changes."""
    kept = {}
    for name, value in changes.items():
        if isinstance(value, dict):
            kept[name] = _without(value, keys, f"{prefix}{name}.")
        elif prefix + name not in keys:
            kept[name] = value
    return kept
