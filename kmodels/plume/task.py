"""Which function of the plume model does what, for the pipeline that all models share."""

import numpy as np

from kmodels.core.io.rows import mapped
from kmodels.core.spec.task import Forecaster, TrainingData
from kmodels.plume.data.encode import encode, from_log, training_examples
from kmodels.plume.data.load import SUFFIXES, load
from kmodels.plume.evaluation.baselines import evaluate_baselines, with_error_ratios
from kmodels.plume.evaluation.diagnostics import RollOuts, diagnostics
from kmodels.plume.evaluation.extended import evaluate_rollouts
from kmodels.plume.evaluation.figures import plot
from kmodels.plume.evaluation.metrics import CLOUD, FLOOR, metrics
from kmodels.plume.evaluation.prediction import SUFFIXES as FORECAST_SUFFIXES
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.evaluation.rollout import roll_out
from kmodels.plume.gates import GATES
from kmodels.plume.ladder import LADDER
from kmodels.plume.network.model import build
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator.simulate_runs import SIMULATION

TRANSFER_RUNS = 24


def decode(model, windows, outputs) -> Forecast:
    """Turn the network's output into concentrations of the target frame."""
    concentration = mapped(lambda future: from_log(np.asarray(future, "float32"), model.c0), outputs["future"])
    return Forecast(windows, concentration[:, None], np.array([windows.horizon]))


def transfer(recipe: PlumeRecipe) -> PlumeRecipe:
    """Make the recipe of the transfer data: runs of the other engine, Gaussian puffs where finite volumes trained.

    A few dozen of them: judging takes seconds. The seed is another one, else their stacks and weather would be those of
    the first training runs.
    """
    data = {"engine": _other_engine(recipe), "n_runs": min(TRANSFER_RUNS, recipe.data.n_runs)}
    return recipe.with_changes({"seed": recipe.seed_elsewhere(), "data": data})


def _other_engine(recipe: PlumeRecipe) -> str:
    return "finite_volume" if recipe.data.engine == "puff" else "puff"


def notes(recipe: PlumeRecipe) -> list[str]:
    """List what a reader of the report must know about its figures."""
    found = [
        f"FAC2, MG and VG look at cells where truth or forecast is above {FLOOR:g} kg m-3, and count lower values as "
        f"that; FMS compares the volumes above {CLOUD:g} kg m-3",
        f"scores called transfer are of the next frame in simulated runs of another engine ({_other_engine(recipe)}), "
        "which no training saw",
    ]
    if recipe.model.needs_wind:
        found.append(
            "a roll-out, and the solvers that it is compared with, are given the wind of the frames on the way, as "
            "from a weather forecast"
        )
    return found


class PlumeTask(Forecaster):
    """Forecast where a cloud of pollutant over terrain will be in the next minutes."""

    name = "plume"
    question = "Where will a cloud of pollutant over terrain be in the next minutes?"
    recipe = PlumeRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = FORECAST_SUFFIXES
    gates = GATES
    unit = "run"
    ladder = LADDER
    headline = (
        "pearson",
        "fac2",
        "abs_fb",
        "nmse",
        "vg",
        "mg",
        "nad",
        "fms",
        "mse",
        "mse_ratio_persistence",
        "mse_ratio_best",
        "mass_residual",
        "rollout_fac2",
        "rollout_abs_fb",
        "rollout_mse_ratio_best",
        "rollout_pearson",
        "fac2_lead_30",
        "transfer_pearson",
    )

    load = staticmethod(load)
    encode = staticmethod(encode)
    training_examples = staticmethod(training_examples)
    build = staticmethod(build)
    decode = staticmethod(decode)
    baselines = staticmethod(evaluate_baselines)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    compare = staticmethod(with_error_ratios)
    figures = staticmethod(plot)
    forecast = staticmethod(roll_out)
    transfer_recipe = staticmethod(transfer)

    def metrics(self, splits, prediction, seed):
        """Score a forecast of the next frame."""
        return metrics(splits["test"], prediction, seed)

    def callbacks(self, recipe, data: TrainingData):
        """Roll out a few validation runs, every few epochs."""
        return [RollOuts(data.validation, recipe)]

    def extended_evaluation(self, model, splits, recipe):
        """Roll the forecast out over thirty steps."""
        return evaluate_rollouts(model, splits["test"], recipe, splits.get("train"))


TASK = PlumeTask()
