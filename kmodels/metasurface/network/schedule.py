"""The loss weights that a recipe asks for, epoch by epoch."""

from kmodels.metasurface.network.losses import TERMS
from kmodels.metasurface.recipe import MetasurfaceRecipe


def weights(recipe: MetasurfaceRecipe, epoch: int) -> dict[str, float]:
    """{term: weight} in epoch 0, 1, ...: those at the start, and what is scheduled for an earlier epoch's end."""
    found = {name: getattr(recipe.train, f"w_{name}") for name in TERMS}
    for after, name, weight in sorted(recipe.train.weight_schedule, key=lambda change: change[0]):
        if epoch >= after:
            found[name] = weight
    return found


def schedule(model, recipe: MetasurfaceRecipe, epoch: int) -> None:
    """Give the model's loss terms their weights of this epoch."""
    for name, weight in weights(recipe, epoch).items():
        model.term_weights[name].assign(weight)
