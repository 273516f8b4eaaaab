"""How models that earlier versions saved are read: their names then, and their arguments, as they are called today."""

from kmodels.core.cli import parse
from kmodels.precip.network.model import recipe_arguments
from kmodels.precip.recipe import PrecipRecipe

REGISTERED = {
    "kmodels>PrecipModel": "kmodels.precip>PrecipVAE",
    "kmodels>Climate": "kmodels.precip>RainNormalization",
    "kmodels>Rain": "kmodels.precip>RainDenormalization",
    "kmodels>FreshNoise": "kmodels.precip>FreshNoise",
}
GROUPS = {"climate": "rain_normalization"}


def upgrade_config(class_name: str, config: dict) -> dict:
    """Return today's constructor arguments for a saved configuration.

    Parameters
    ----------
    class_name : str
        "PrecipModel" (before), "PrecipVAE", or another, whose configuration stays as it is.
    config : dict
        As it was saved.
    """
    if "recipe" not in config:
        return config
    arguments = recipe_arguments(parse.from_stored(PrecipRecipe, config["recipe"]))
    return arguments | {"name": config.get("name", arguments["name"])}
