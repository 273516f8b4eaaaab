"""Completion of a command line by the shell's TAB key: verbs, options, recipe fields, and their values.

The shell starts the command with variables that say what was typed so far; argcomplete, an optional package, answers in
place of the verb. For bash and zsh, once in a session or in ~/.bashrc:

  pip install "kmodels[completion]"
  eval "$(register-python-argcomplete kmodels)"
"""

import argparse
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from kmodels.core.spec import registry
from kmodels.core.spec.recipe import Recipe, leaves

START = "_ARGCOMPLETE"  # counted from 1, the word that the arguments of the parser stand behind


def is_asked() -> bool:
    """Tell whether the shell asks how the line goes on, and wants nothing to be done."""
    return START in os.environ


def words() -> list[str]:
    """List the words typed so far, behind the command's own; not the one that is to be completed."""
    from argcomplete import lexers

    found = lexers.split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    return found[int(os.environ[START]) :]


def skip_verb() -> None:
    """Take the verb for a part of the command: what comes next is completed by the verb's own parser."""
    os.environ[START] = str(int(os.environ[START]) + 1)


def complete_verb(verbs: list[str]) -> None:
    """Answer with the verbs that fit, and end the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    parser.add_argument("verb", choices=verbs)
    _answer(parser)


def complete(options: argparse.ArgumentParser) -> None:
    """Answer with the options of a verb, or values of one, that fit, and end the process.

    Parameters
    ----------
    options : argparse.ArgumentParser
        Of the verb. Where it takes a recipe and its model is known, the recipe's fields are added.
    """
    said = dict(itertools.pairwise(words()))
    model, variant = said.get("--model"), said.get("--variant")
    is_known = model in registry.names()
    if is_known and any(action.dest == "config" for action in options._actions):
        _add_fields(options, registry.recipe_type(registry.chosen(model, variant)[0]))
    for action in options._actions:
        if action.dest in VALUES:
            action.completer = _of(VALUES[action.dest](model if is_known else None))
        elif action.dest in FOLDERS:
            action.completer = _folders
    _answer(options)


def _answer(parser: argparse.ArgumentParser) -> None:
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options="long")


def _add_fields(options: argparse.ArgumentParser, kind: type[Recipe]) -> None:
    """Add an option for each field of a recipe; where its values are few, these complete it."""
    for key, field in leaves(kind).items():
        if key != "task" and f"--{key}" not in options._option_string_actions:
            values = ("true", "false") if field.annotation is bool else get_args(field.annotation)
            few = [str(value) for value in values if isinstance(value, str | int)]
            options.add_argument(f"--{key}", help=(field.description or "").replace("%", "%%")).completer = _of(few)


def _of(values: list[str]) -> Callable:
    return lambda **_: values


def _folders(prefix: str, **_) -> list[str]:
    """List the folders that a path may go on with."""
    parent = Path(os.path.dirname(prefix) or ".").expanduser()  # noqa: PTH120 - Path drops the slash at the end
    start = prefix[: len(prefix) - len(os.path.basename(prefix))]  # noqa: PTH119
    return [f"{start}{path.name}/" for path in sorted(parent.iterdir()) if path.is_dir()] if parent.is_dir() else []


def _presets(model: str | None) -> list[str]:
    from kmodels import presets

    return presets.names()


def _backends(model: str | None) -> list[str]:
    from kmodels.core.training import backend

    return list(backend.NAMES)


VALUES = {
    "model": lambda model: list(registry.names()),
    "variant": lambda model: registry.variants(model) if model else [],
    "preset": _presets,
    "start": _presets,
    "backend": _backends,
}
FOLDERS = ("run", "resume")
