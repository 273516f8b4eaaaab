"""The schedule of the loss weights, epoch by epoch."""

from kmodels.metasurface.network.losses import TERMS
from kmodels.metasurface.recipe import MetasurfaceRecipe


def weights(recipe: MetasurfaceRecipe, epoch: int) -> dict[str, float]:
    """Look up the loss weights of epoch 0, 1, ...: those at the start, changed at the end of scheduled epochs.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        With the weights at the start and their schedule.
    epoch : int
        From 0.

    Returns
    -------
    dict of str to float
        By term.
    """
    current = {name: getattr(recipe.train, f"w_{name}") for name in TERMS}
    for after, name, weight in sorted(recipe.train.weight_schedule, key=lambda change: change[0]):
        if epoch >= after:
            current[name] = weight
    return current


def schedule(model, recipe: MetasurfaceRecipe, epoch: int) -> None:
    """Assign the model's loss weights of an epoch."""
    for name, weight in weights(recipe, epoch).items():
        model.term_weights[name].assign(weight)
