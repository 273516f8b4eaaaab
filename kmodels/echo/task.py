"""Which function of the echo model does what, for the pipeline that all models share."""

from kmodels.core.spec.task import Task, TrainingData
from kmodels.core.training.callbacks import EpochSchedule
from kmodels.echo.data.encode import encode, training_examples
from kmodels.echo.data.load import SUFFIXES, load
from kmodels.echo.data.records import files
from kmodels.echo.data.split import split
from kmodels.echo.evaluation.baselines import baselines
from kmodels.echo.evaluation.diagnostics import diagnostics, hints
from kmodels.echo.evaluation.extended import extended_evaluation
from kmodels.echo.evaluation.figures import plot
from kmodels.echo.evaluation.metrics import compare_with_baselines, metrics
from kmodels.echo.evaluation.prediction import SUFFIXES as OUTPUT_SUFFIXES
from kmodels.echo.evaluation.prediction import decode
from kmodels.echo.gates import GATES
from kmodels.echo.ladder import LADDER
from kmodels.echo.network import sizes
from kmodels.echo.network.build import adapt, build
from kmodels.echo.network.curriculum import schedule
from kmodels.echo.recipe import EchoRecipe
from kmodels.echo.simulator.recordings import SIMULATION

TRANSFER_ROOMS = 60
# Softer walls, lower ceilings and a loudspeaker (and ears) that is less directed than any of the training's.
OTHER_SETTING = {"absorption": [0.5, 0.8], "room_height": [2.1, 2.4], "directivity": 0.4}


def transfer(recipe: EchoRecipe) -> EchoRecipe:
    """Make the recipe of the transfer data: a setting that nobody trained on, in a few dozen rooms.

    The seed is another one, else the rooms would be those of the training with other walls.
    """
    data = OTHER_SETTING | {"n_rooms": min(TRANSFER_ROOMS, recipe.data.n_rooms)}
    return recipe.with_changes({"seed": recipe.seed_elsewhere(), "data": data})


def notes(recipe: EchoRecipe) -> list[str]:
    """Say what a reader of the report must know."""
    parts = sizes.weights(recipe)
    found = ["weights to train: " + ", ".join(f"{name} {n / 1e6:.2f} M" for name, n in parts.items())]
    found.append(
        "scores called transfer are of simulated rooms with softer walls, lower ceilings and a less directed "
        "loudspeaker than any training saw"
    )
    train = recipe.train
    if train.curriculum == "adaptive" and train.warmup_epochs >= train.epochs:
        found.append(f"the base was never frozen: {train.epochs} epochs are no more than the warm-up")
    found.append(
        "shuffled audio: the model is given another room's echoes and predicts that room, so its error lies above the "
        "mean map's; shuffled audio gap: how far the error is from the mean map's where the best share of that "
        "prediction is added to the mean map. Above 2% the model knows rooms by more than their echoes"
    )
    return found


class EchoTask(Task):
    """Depth from a chirp's binaural echoes."""

    name = "echo"
    question = "Depth from a chirp's binaural echoes"
    recipe = EchoRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = OUTPUT_SUFFIXES
    gates = GATES
    unit = "room"
    ladder = LADDER
    monitor = "val_rmse"
    headline = (
        "rmse",
        "mae",
        "abs_rel",
        "log10",
        "delta1",
        "delta2",
        "delta3",
        "delta1_detail",
        "rmse_ratio_mean_map",
        "rmse_ratio_transfer",
        "shuffled_audio_ratio",
        "shuffled_audio_gap",
        "sparse",
        "residual_share",
        "base_mae_trained",
        "base_mae_unseen",
        "rmse_batvision",
        "delta1_batvision",
        "rmse_echogeom",
        "delta1_echogeom",
        "rmse_htf",
        "delta1_htf",
    )

    load = staticmethod(load)
    split = staticmethod(split)
    encode = staticmethod(encode)
    training_examples = staticmethod(training_examples)
    build = staticmethod(build)
    adapt = staticmethod(adapt)
    decode = staticmethod(decode)
    metrics = staticmethod(metrics)
    baselines = staticmethod(baselines)
    compare = staticmethod(compare_with_baselines)
    extended_evaluation = staticmethod(extended_evaluation)
    transfer_recipe = staticmethod(transfer)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    hints = staticmethod(hints)
    figures = staticmethod(plot)
    data_files = staticmethod(files)

    def callbacks(self, recipe, data: TrainingData):
        """Move the weights of the loss terms, and freeze the base, by the recipe's curriculum."""
        return [EpochSchedule(schedule, recipe)]


TASK = EchoTask()
