"""What runs written by earlier code call the network and its arguments, and what they are called now."""

from kmodels.core.cli import parse
from kmodels.precip.network.model import recipe_arguments
from kmodels.precip.recipe import PrecipRecipe

REGISTERED = {"kmodels>PrecipModel": "kmodels.precip>PrecipVAE"}


def upgrade_config(config: dict) -> dict:
    """Turn the stored arguments of the network, once a whole recipe, into those of today.

    Parameters
    ----------
    config : dict
        What it was stored with.

    Returns
    -------
    dict
        The arguments of `PrecipVAE`; those of today as they are.
    """
    if "recipe" not in config:
        return config
    recipe = parse.from_stored(PrecipRecipe, config["recipe"], tell=False)  # the run's recipe.yaml told it
    arguments = recipe_arguments(recipe)
    return arguments | {"name": config.get("name", arguments["name"])}
