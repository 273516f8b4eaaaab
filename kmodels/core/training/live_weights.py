"""Loss weights that somebody changes while a training runs, by a small file in the run's folder.

    mse: 4.0
    curvature: 0

RUN/weights.yaml names loss terms, as TensorBoard's `weight/` does, and the weights that they have from now on. It is
read again at each epoch's end. A name that is taken out goes back to what the task's schedule says, where it has one.
"""

import math
from pathlib import Path

from kmodels.core.cli import console, parse
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.suggest import did_you_mean

FILE = "weights.yaml"


def read(folder: Path, names: list[str], edit: dict[str, float]) -> dict[str, float]:
    """Read the file, and say so if it has changed; a bad one is refused with a line, and the old edit stays.

    Parameters
    ----------
    folder : Path
        The run's.
    names : list of str
        The loss terms that there are.
    edit : dict
        The last edit that was accepted.

    Returns
    -------
    dict
        {term: weight} of now.
    """
    path = folder / FILE
    try:
        new = weights(path, names) if path.exists() else {}
    except (UserError, OSError) as error:
        console.say(f"refused, the loss weights stay as they are: {error}")
        return edit
    if new != edit:
        said = ", ".join(f"{name} {value:g}" for name, value in new.items()) or "none"
        console.say(f"loss weights of {FILE}, from the next epoch on: {said}")
    return new


def weights(path: Path, names: list[str]) -> dict[str, float]:
    """Read the weights that a file gives to loss terms.

    Parameters
    ----------
    path : Path
        A YAML file.
    names : list of str
        The loss terms that there are.

    Returns
    -------
    dict of str to float
        {term: weight}.

    Raises
    ------
    UserError
        For a name or a value that cannot be one.
    """
    source = parse.read_yaml(path)
    for name, value in source.values.items():
        place = source.places[(name,)]
        if name not in names:
            there = f"there are {', '.join(names)}{did_you_mean(name, names)}"
            raise UserError(f"{place}: no such loss term: {name}; {there}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= 0):
            raise UserError(f"{place}: {name} = {value!r}; expected a finite number, 0 or more")
    return {name: float(value) for name, value in source.values.items()}
