"""The names of the models. A new model is a folder `kmodels/<name>/` and one line here.

A dot stands for a folder within: `nand.generator` is in `kmodels/nand/generator/`, and on the command line it is also
`--model nand --variant generator`.
"""

import importlib

NAMES = ("nand", "nand.generator", "plume", "precip", "metasurface", "echo")


def families(name: str) -> list[str]:
    """Return the variants of model `name` that are models of their own: `generator` for `nand.generator`."""
    return [other.removeprefix(f"{name}.") for other in NAMES if other.startswith(f"{name}.")]


def chosen(name: str | None, variant: str | None) -> tuple[str | None, str | None]:
    """Return the model and the variant of its recipe that `--model name --variant variant` mean."""
    return (f"{name}.{variant}", None) if variant in families(name) else (name, variant)


def recipe_type(name: str):
    """Return the recipe class of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.recipe").RECIPE


def simulator(name: str):
    """`simulate(recipe, folder, report)` of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.simulator").simulate


def task(name: str):
    """Return the Task of model `name`. Imports Keras: choose the backend first."""
    return importlib.import_module(f"kmodels.{name}.task").TASK
