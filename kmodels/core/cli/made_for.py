"""What a trained network was made for, where a user's data is of another kind: told by field, with what to do."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from kmodels.core.cli import parse
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

FIELD = re.compile(r"\bdata(?:\.[a-z_]+)+")  # of a recipe, in an error's text
RECORDING = ("data.frames", "data.seq_len")  # how long a recording is: any length will do


def refusal(error: UserError, run: Run, data: Any) -> UserError:
    """Add to a loader's error what the network was made for, and what trains one for these data.

    Parameters
    ----------
    error : UserError
        Of the loader.
    run : Run
        Or preset.
    data : path
        Or whatever else the loader takes.

    Returns
    -------
    UserError
        The same one where the data are no others than the network's, but faulty.
    """
    usual = _fields(run)
    others = differences(run, data)
    named = dict.fromkeys([key for key in FIELD.findall(str(error)) if key in usual] + list(others))
    if not named:
        return error
    made = ", ".join(_told(key, usual[key], others) for key in named)
    return UserError(
        f"{error}; {called(run)} was made for {made}: train another with {_command(run, data, named, others)}"
    )


def notice(run: Run, data: Any) -> None:
    """Say where data that a network takes are of another kind than those that it was trained on."""
    others, usual = differences(run, data), _fields(run)
    if others:
        from kmodels.core.cli import console

        made = ", ".join(_told(key, usual[key], others) for key in others)
        console.notice(
            f"{data}: {called(run)} was made for {made}; how well it does here is not known: "
            f"{_command(run, data)} trains one for these data"
        )


def differences(run: Run, data: Any) -> dict[str, Any]:
    """Measure by which fields of the recipe a user's file differs from what a network was made for.

    Returns
    -------
    dict
        {dotted key: what the data have}; empty where nothing is known of them.
    """
    measure = registry.sizes(run.metadata["model"])
    if measure is None or not isinstance(data, str | Path):
        return {}
    try:
        found = measure(data, {})
    except (UserError, OSError):  # the loader has told it, or will
        return {}
    usual = _fields(run)
    return {key: value for key, value in found.items() if key not in RECORDING and not _alike(value, usual.get(key))}


def called(run: Run) -> str:
    """Name a run as a user does: a preset by its name."""
    from kmodels import presets

    path = run.path.resolve()
    return f"preset {path.name}" if path.parent == presets.HERE.resolve() else str(run.path)


def _fields(run: Run) -> dict[str, Any]:
    return {".".join(key): value for key, value in parse.paths(run.recipe.model_dump(mode="json"))}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) or other is None:
        return one == other
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-3))


def _told(key: str, usual: Any, others: dict) -> str:
    return f"{key} {usual}{f' (these data: {others[key]})' if key in others else ''}"


def _command(run: Run, data: Any, named=(), measured=()) -> str:
    """Write the command; fields that are no part of what is measured have to be chosen."""
    chosen = "".join(f" --{key} ..." for key in named if key not in measured)
    return f"`kmodels fit --model {run.metadata['model']} --data {data}{chosen}`"
