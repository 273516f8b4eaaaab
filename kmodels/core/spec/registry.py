"""The names of the models. A new model is a folder `kmodels/<name>/` and one line here, or a package of its own.

A dot stands for a folder within: `nand.generator` is in `kmodels/nand/generator/`, and on the command line it is also
`--model nand --variant generator`.

A package of its own tells its model by an entry point of the group `kmodels.models`, `name = "package"`; README.md
beside this file goes through all of it.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe
from kmodels.core.spec.suggest import did_you_mean

NAMES = ("nand", "nand.generator", "plume", "precip", "metasurface", "echo")  # that come with kmodels
GROUP = "kmodels.models"


def names() -> tuple[str, ...]:
    """List all models: those of kmodels, and those of other packages that are installed."""
    return (*NAMES, *plugged())


@functools.cache
def plugged() -> dict[str, str]:
    """Find the models of other packages: {name: package}; a name of kmodels' own models stays theirs."""
    points = importlib.metadata.entry_points(group=GROUP)
    return {point.name: point.value for point in sorted(points) if point.name not in NAMES}


def package(name: str) -> str:
    """Name the Python package that model `name` is in."""
    return plugged().get(name, f"kmodels.{name}")


def folder(name: str) -> Path:
    """Find the folder of model `name`, without importing it; that of nand for nand.generator."""
    if name not in plugged():
        return Path(__file__).resolve().parents[2] / name.partition(".")[0]
    found = importlib.util.find_spec(package(name))
    if found is None or found.origin is None:
        raise UserError(f"model {name}: its package {package(name)} is not installed any more")
    return Path(found.origin).resolve().parent


def _module(name: str, part: str) -> ModuleType:
    """Import a module of model `name`, and say which one is missing where another package does not have it."""
    check(name)
    wanted = f"{package(name)}.{part}"
    try:
        return importlib.import_module(wanted)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{wanted}.".startswith(f"{error.name}."):
            raise
        raise UserError(f"model {name}: there is no module {error.name}; every model needs {wanted}") from None


def families(name: str) -> list[str]:
    """List the variants of model `name` that are models of their own: `generator` for `nand.generator`."""
    return [other.removeprefix(f"{name}.") for other in names() if other.startswith(f"{name}.")]


def chosen(name: str | None, variant: str | None) -> tuple[str | None, str | None]:
    """Tell which model, and which variant of its recipe, `--model name --variant variant` mean.

    Parameters
    ----------
    name, variant : str or None
        As they were given.

    Returns
    -------
    tuple of str or None
        (model, variant of its recipe).
    """
    return (f"{name}.{variant}", None) if variant in families(name) else (name, variant)


def check(name: str) -> None:
    """Refuse a name that no model has.

    Raises
    ------
    UserError
        That lists the models and names the nearest.
    """
    if name not in names():
        raise UserError(f"there is no model {name!r}{did_you_mean(str(name), names())}; models: {', '.join(names())}")


def variants(name: str) -> list[str]:
    """List all that `--variant` takes with `--model name`: variants of its recipe, and models of their own."""
    return [*recipe_type(name).VARIANTS, *families(name)]


def recipe_type(name: str) -> type[Recipe]:
    """Import the recipe class of model `name`; imports no backend."""
    return _module(name, "recipe").RECIPE


def simulator(name: str) -> Callable:
    """Import `simulate(recipe, folder, report)` of model `name`; imports no backend."""
    return _module(name, "simulator").simulate


def loader(name: str) -> Callable:
    """Import `load(path, recipe, labels=True)` of model `name`, which returns its records; imports no backend."""
    return _module(name, "data.load").load


def sizes(name: str) -> Callable | None:
    """Import `sizes(path, chosen)` of model `name`: what a user's data says of the recipe; imports no backend.

    Fields go in and out by their dotted keys. None where the model takes data of any size.
    """
    return getattr(_module(name, "data.load"), "sizes", None)


def summary(name: str):
    """Import the module of model `name` that says what was understood of data: `describe` and `picture`."""
    return _module(name if name in plugged() else name.partition(".")[0], "evaluation.summary")


def splitter(name: str) -> Callable:
    """Import `split(records, recipe)` of model `name`; imports no backend.

    Where the model's data/ has no `split`, records that share a group stay together.

    Returns
    -------
    callable
        Gives {"train", "validation", "test"} -> row indices.
    """
    own = f"{package(name)}.data.split"
    return importlib.import_module(own).split if importlib.util.find_spec(own) else _split_by_groups


def units(name: str) -> dict[str, str]:
    """Look up the units of model `name`'s metrics, by metric, of those that have one; imports no backend."""
    return _module(name, "evaluation.units").UNITS


def _split_by_groups(records, recipe):
    from kmodels.core.training import batching

    return batching.split_groups(records.groups, recipe.data.split, recipe.seed)


def task(name: str):
    """Import the Task of model `name`. It imports Keras: choose the backend first."""
    return _module(name, "task").TASK


def legacy(name: str):
    """How model `name` of kmodels and its arguments were called when earlier versions saved it. Imports Keras."""
    return importlib.import_module(f"kmodels.{name}.network.legacy")
