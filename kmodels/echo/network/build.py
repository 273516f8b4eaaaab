"""From a recipe to a compiled network."""

from kmodels.core.training.optimizer import adam
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import mean_map
from kmodels.echo.network.depth_model import BASE, DepthModel
from kmodels.echo.network.freezing import FreezingAdam
from kmodels.echo.network.model import EchoNet
from kmodels.echo.network.range_azimuth_net import RangeAzimuthNet
from kmodels.echo.recipe import EchoRecipe


def build(recipe: EchoRecipe, steps: int) -> DepthModel:
    """Make the compiled network of a recipe for a training of `steps` steps."""
    kind = EchoNet if recipe.model.front_end == "spectrogram" else RangeAzimuthNet
    network = kind.from_recipe(recipe)
    network.compile(optimizer=adam(recipe.train, steps, FreezingAdam, freezes=BASE))
    return network


def adapt(model: DepthModel, pairs: EchoPairs) -> None:
    """Begin with the mean training room, where the network can; planes begin with a room of their own."""
    if isinstance(model, EchoNet):
        model.initialize_base(mean_map(pairs, 1)[0])
