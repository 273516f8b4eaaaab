"""Which function of the precip model does what, for the pipeline that all models share."""

from kmodels.core.spec.task import EnsembleTask, TrainingData
from kmodels.core.training.callbacks import EpochSchedule
from kmodels.precip.data.encode import encode, training_examples
from kmodels.precip.data.load import SUFFIXES, load
from kmodels.precip.data.split import split
from kmodels.precip.evaluation.baselines import baselines
from kmodels.precip.evaluation.diagnostics import diagnostics
from kmodels.precip.evaluation.figures import plot
from kmodels.precip.evaluation.metrics import compare_with_baselines, metrics
from kmodels.precip.evaluation.prediction import SUFFIXES as ENSEMBLE_SUFFIXES
from kmodels.precip.evaluation.sampler import Sampler
from kmodels.precip.evaluation.sampling import needs_rain, sample, with_statistics
from kmodels.precip.gates import GATES
from kmodels.precip.ladder import LADDER
from kmodels.precip.network.training import adapt, build, schedule
from kmodels.precip.recipe import PrecipRecipe
from kmodels.precip.simulator.days import SIMULATION


def decode(model, days, outputs) -> Sampler:
    """Make a sampler of prior samples of the network's output."""
    return Sampler.of(model, days, outputs, model.members)


def notes(recipe: PrecipRecipe) -> list[str]:
    """List what a reader of the report must know about its figures."""
    found = [
        "P95, P99 and what a heavy day is are those of the training days; ratios to the real maximum, mean and P95 are "
        "of heavy days, which are chosen by their truth: a calibrated model has too little rain on them, so "
        "calibration is evaluated on all held-out days"
    ]
    if not recipe.data.exact_posterior:
        found.append("the exact posterior is known with --variant exact_posterior alone: it is not in the table")
    return found


class PrecipTask(EnsembleTask):
    """Sample fine fields of daily rain, extremes included, that are plausible for one coarse state."""

    name = "precip"
    question = "Which fine fields of daily rain, extremes included, are plausible for one coarse state?"
    recipe = PrecipRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = ENSEMBLE_SUFFIXES
    gates = GATES
    unit = "block of days"
    references = ("exact_posterior",)
    ladder = LADDER
    monitor = "val_crps"
    headline = (
        "crps",
        "twcrps_p95",
        "twcrps_p99",
        "crps_max_4",
        "crps_mean_16",
        "crps_max_16",
        "distance_ratio",
        "spread_skill",
        "p99_ratio",
        "p999_ratio",
        "return_level_ratio",
        "wet_difference",
        "mass_bias",
        "ralsd",
        "fss",
        "csi_p95",
        "csi_p99",
        "rank_deviation",
        "max_ratio",
        "mean_ratio",
        "p95_ratio",
        "diversity",
        "mae_tail",
        "posterior_crps",
        "posterior_max_ratio",
        "posterior_diversity",
        "posterior_mae_tail",
        "gap_p99_ratio",
        "kl",
        "active_units",
        "shuffled_ratio",
    )

    load = staticmethod(load)
    split = staticmethod(split)
    encode = staticmethod(encode)
    training_examples = staticmethod(training_examples)
    build = staticmethod(build)
    adapt = staticmethod(adapt)
    decode = staticmethod(decode)
    baselines = staticmethod(baselines)
    compare = staticmethod(compare_with_baselines)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    figures = staticmethod(plot)

    def callbacks(self, recipe, data: TrainingData):
        """Raise the weight of the divergence over the warm-up."""
        return [EpochSchedule(schedule, recipe)]

    def predict(self, model, records, recipe, progress=None) -> Sampler:
        """Make a sampler of the days; where their rain is known, with the statistics that scores are made of."""
        sampler = super().predict(model, records, recipe, progress).replace(temperature=recipe.model.temperature)
        return with_statistics(sampler) if records.has_rain else sampler

    def metrics(self, splits, prediction: Sampler, seed: int):
        """Score what was sampled."""
        return metrics(prediction.statistics, seed)

    needs_labels = staticmethod(needs_rain)
    sample = staticmethod(sample)


TASK = PrecipTask()
