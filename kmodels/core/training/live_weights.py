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


class LiveWeights:
    """The last edit that was accepted, and the file that the next one comes from.

    edit: {term: weight}, saved with the training's state, so that a resumed run goes on with it.
    """

    def __init__(self, run):
        self.run = run
        self.edit: dict[str, float] = {}

    def read(self, names) -> None:
        """Take up the file, if it says something new; a bad one is refused with a line, and the old edit stays."""
        path = self.run.path / FILE
        try:
            new = weights(path, names) if path.exists() else {}
        except (UserError, OSError) as error:
            console.say(f"refused, the loss weights stay as they are: {error}")
            return
        if new != self.edit:
            said = ", ".join(f"{name} {value:g}" for name, value in new.items()) or "none"
            console.say(f"loss weights of {FILE}, from the next epoch on: {said}")
            self.edit = new

    def apply(self, model) -> None:
        """Give the model's loss terms the weights of the edit."""
        for name, value in self.edit.items():
            model.term_weights[name].assign(value)


def weights(path: Path, names) -> dict[str, float]:
    """The weights that a file gives to loss terms. Raises UserError for a name or a value that cannot be one."""
    layer = parse.read_yaml(path)
    for name, value in layer.values.items():
        place = layer.places[(name,)]
        if name not in names:
            there = f"there are {', '.join(names)}{did_you_mean(name, names)}"
            raise UserError(f"{place}: no such loss term: {name}; {there}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= 0):
            raise UserError(f"{place}: {name} = {value!r}; expected a finite number, 0 or more")
    return {name: float(value) for name, value in layer.values.items()}
