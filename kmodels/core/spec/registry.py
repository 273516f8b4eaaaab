"""The names of the models. A new model is a folder `kmodels/<name>/` and one line here.

A dot stands for a folder within: `nand.generator` is in `kmodels/nand/generator/`, and on the command line it is also
`--model nand --variant generator`.
"""

import importlib
import importlib.util

from kmodels.core.spec.errors import UserError
from kmodels.core.spec.suggest import did_you_mean

NAMES = ("nand", "nand.generator", "plume", "precip", "metasurface", "echo")


def families(name: str) -> list[str]:
    """Return the variants of model `name` that are models of their own: `generator` for `nand.generator`."""
    return [other.removeprefix(f"{name}.") for other in NAMES if other.startswith(f"{name}.")]


def chosen(name: str | None, variant: str | None) -> tuple[str | None, str | None]:
    """Return the model and the variant of its recipe that `--model name --variant variant` mean."""
    return (f"{name}.{variant}", None) if variant in families(name) else (name, variant)


def check(name: str) -> None:
    """Raise UserError where there is no model `name`."""
    if name not in NAMES:
        raise UserError(f"there is no model {name!r}{did_you_mean(str(name), NAMES)}; models: {', '.join(NAMES)}")


def variants(name: str) -> list[str]:
    """All that `--variant` takes with `--model name`: variants of its recipe, and models of their own."""
    return [*recipe_type(name).VARIANTS, *families(name)]


def recipe_type(name: str):
    """Return the recipe class of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.recipe").RECIPE


def simulator(name: str):
    """`simulate(recipe, folder, report)` of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.simulator").simulate


def loader(name: str):
    """`load(path, recipe, labels=True)` of model `name`: its records. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.data.load").load


def splitter(name: str):
    """`split(records, recipe)` of model `name`: row indices of its parts. Imports no backend.

    Where the model's data/ has no `split`, records that share a group stay together.
    """
    own = f"kmodels.{name}.data.split"
    return importlib.import_module(own).split if importlib.util.find_spec(own) else _split_by_groups


def _split_by_groups(records, recipe):
    from kmodels.core.training import batching

    return batching.split_groups(records.groups, recipe.data.split, recipe.seed)


def task(name: str):
    """Return the Task of model `name`. Imports Keras: choose the backend first."""
    return importlib.import_module(f"kmodels.{name}.task").TASK
