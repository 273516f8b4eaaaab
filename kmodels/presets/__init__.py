"""Trained networks that come with the package: `kmodels.from_preset("nand")`, or `--preset nand` of a verb.

A preset is a folder like a run's, without what only a training needs, and with a card: what it was trained on, what it
reaches, and the hash of its weights. `python -m kmodels.presets.make` makes one of a finished run.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kmodels.core.io import files
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.suggest import did_you_mean

if TYPE_CHECKING:
    from kmodels.core.runs.predictor import Predictor

HERE = Path(__file__).parent
CARD, NETWORK = "card.json", "model.keras"
KEPT = (NETWORK, "recipe.yaml", "run.json")  # files whose hashes are in the card


def names() -> list[str]:
    """List the presets that there are."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{CARD}"))


def path(name: str) -> Path:
    """Find the folder of a preset, whose network and recipe are those of its card.

    Parameters
    ----------
    name : str
        Such as "nand".

    Returns
    -------
    pathlib.Path
        The folder; it can be opened like a run's.

    Raises
    ------
    UserError
        Where there is none of this name, or its file has been altered.
    """
    if name not in names():
        raise UserError(f"there is no preset {name!r}{did_you_mean(str(name), names())}; presets: {', '.join(names())}")
    folder = HERE / name
    for file, sha256 in card(name)["sha256"].items():
        if not (folder / file).exists():
            raise UserError(f"{folder / file}: is missing; reinstall")
        if files.sha256(folder / file) != sha256:
            raise UserError(f"{folder / file}: is not what its card was written for: altered or cut short; reinstall")
    return folder


def card(name: str) -> dict:
    """Read the card of a preset: recipe, data, metrics with intervals and baselines, gates, licence, hashes.

    Raises
    ------
    UserError
        Where it is no card.
    """
    path = HERE / name / CARD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if set(found["sha256"]) != set(KEPT):
            raise KeyError("sha256")
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{path}: no card of a preset: altered or cut short; reinstall") from None
    return found


def from_preset(name: str) -> "Predictor":
    """Load a trained network that comes with the package, with its pre- and post-processing.

    Parameters
    ----------
    name : str
        Such as "nand"; `kmodels.presets.names()` lists them.

    Returns
    -------
    kmodels.core.runs.predictor.Predictor
        As `kmodels.load` returns it.

    Raises
    ------
    UserError
        Where there is none of this name, or its file has been altered.
    """
    from kmodels.core.runs.predictor import Predictor

    return Predictor.open(path(name))
