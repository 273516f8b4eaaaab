"""The contents page of the precip model."""

from kmodels.core.spec.task import Task
from kmodels.precip.data.encode import encode, training_examples
from kmodels.precip.data.load import SUFFIXES, load
from kmodels.precip.data.split import split
from kmodels.precip.evaluation.diagnostics import diagnostics
from kmodels.precip.evaluation.figures import draw
from kmodels.precip.evaluation.judge import baselines, metrics
from kmodels.precip.evaluation.prediction import SUFFIXES as ENSEMBLE_SUFFIXES
from kmodels.precip.evaluation.sampler import Sampler
from kmodels.precip.evaluation.sampling import draw as draw_fields
from kmodels.precip.gates import GATES
from kmodels.precip.ladder import LADDER
from kmodels.precip.network.model import adapt, build, schedule
from kmodels.precip.recipe import PrecipRecipe
from kmodels.precip.simulator.days import SIMULATION, simulate


def decode(model, days, outputs) -> Sampler:
    """The network's output as a sampler of prior draws."""
    return Sampler.of(model, days, outputs, model.recipe.model.members)


def notes(recipe: PrecipRecipe) -> list[str]:
    """What a reader of the report must know about where its figures come from."""
    found = [
        "P95, P99 and what a heavy day is are those of the training days; ratios to the real maximum, mean and P95 are "
        "of heavy days, which are chosen by their truth: a calibrated model has too little rain on them, so "
        "calibration is judged on all held-out days"
    ]
    if not recipe.data.oracle:
        found.append("the exact law is known with data.oracle alone (--variant oracle): no oracle in the table")
    return found


TASK = Task(
    name="precip",
    question="Which fine fields of daily rain, extremes included, are plausible for one coarse state?",
    recipe=PrecipRecipe,
    simulation=SIMULATION,
    suffixes=SUFFIXES,
    output_suffixes=ENSEMBLE_SUFFIXES,
    simulate=simulate,
    load=load,
    split=split,
    encode=encode,
    build=build,
    decode=decode,
    metrics=metrics,
    baselines=baselines,
    diagnostics=diagnostics,
    figures=draw,
    gates=GATES,
    headline=(
        "crps",
        "twcrps_p95",
        "twcrps_p99",
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
    ),
    ladder=LADDER,
    notes=notes,
    adapt=adapt,
    schedule=schedule,
    monitor="val_crps",
    training_examples=training_examples,
    draw=draw_fields,
)
