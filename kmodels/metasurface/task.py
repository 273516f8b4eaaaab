"""Which function of the metasurface model does what, for the pipeline that all models share."""

import numpy as np

from kmodels.core.spec.task import Task, TrainingData
from kmodels.core.training.callbacks import EpochSchedule
from kmodels.metasurface.data.encode import on_wavelengths
from kmodels.metasurface.data.load import SUFFIXES, load
from kmodels.metasurface.evaluation.baselines import baselines
from kmodels.metasurface.evaluation.calibration import Calibration, flags, interval_at, learn_patterns
from kmodels.metasurface.evaluation.diagnostics import diagnostics
from kmodels.metasurface.evaluation.extended import evaluate_network
from kmodels.metasurface.evaluation.figures import plot
from kmodels.metasurface.evaluation.metrics import metrics
from kmodels.metasurface.evaluation.prediction import SUFFIXES as SPECTRA_SUFFIXES
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.gates import GATES
from kmodels.metasurface.ladder import LADDER
from kmodels.metasurface.network.model import build
from kmodels.metasurface.network.preprocess import encode, training_examples
from kmodels.metasurface.network.schedule import schedule
from kmodels.metasurface.recipe import PACKAGED, MetasurfaceRecipe
from kmodels.metasurface.simulator.structures import SIMULATION

FINE = 301  # wavelengths, 1 nm apart


def decode(model, structures, outputs) -> Spectra:
    """Pick the network's outputs at the structures' wavelengths."""
    facts, n = model.facts, len(structures)

    def asked(values):
        values = np.asarray(values, "float32")
        return on_wavelengths(values.reshape(n, -1, *values.shape[1:]), structures.wavelength, facts)

    reflected = asked(outputs["reflected"]) if "reflected" in outputs else None
    known = {}
    if model.calibration is not None:
        known["half_width"] = interval_at(model, structures.wavelength).astype("float32")
        known["unlike"] = flags(model, structures)
    return Spectra(structures, asked(outputs["spectra"]), reflected, facts.wavelength, **known)


def transfer(recipe: MetasurfaceRecipe) -> MetasurfaceRecipe | None:
    """Make the recipe of other structures at more wavelengths.

    Those of the package at 301, for a run on its 51; of the scalar solver three in the place of each. None for the
    rigorous solver, which would take minutes.
    """
    data = recipe.data
    if data.solver == "rcwa" or data.n_wavelengths == FINE:
        return None
    if data.solver == "packaged":
        return recipe.with_changes({"data": {"n_wavelengths": FINE, "n_structures": PACKAGED[FINE]}})
    finer = {"n_wavelengths": 3 * data.n_wavelengths - 2, "n_structures": min(PACKAGED[FINE], data.n_structures)}
    return recipe.with_changes({"seed": recipe.seed_elsewhere(), "data": finer})


def notes(recipe: MetasurfaceRecipe) -> list[str]:
    """List what a reader of the report must know about its figures."""
    orders, given = recipe.data.orders, recipe.model.few_orders
    rigorous = f"spectra are rigorous, with {orders} Fourier orders: at 1 um 113 differ from 401 by 0.003 (R2 0.992)"
    scalar = (
        "simulated spectra are those of a scalar solver, one-way through the pattern: no polarisation, no guided "
        "resonances. Against a solution of the scalar wave equation, at a period of 2 um and from 520 to 700 nm, its "
        "mean absolute error is 0.02 to 0.03 where the pixels differ by 0.04; errors here are errors against this "
        "solver, not against a device"
    )
    found = [
        scalar if recipe.data.solver == "scalar" else rigorous,
        "pixels are interchangeable by symmetry, so all four have one mean training spectrum; r2 is relative to it, "
        "and without training structures to the mean spectrum of the structures that are evaluated",
        "a peak without a predicted peak within 50 nm counts as 50 nm off",
    ]
    if given:
        found.append(
            f"the network is given a rigorous solution with {given} orders at {recipe.model.few_order_nodes} "
            f"wavelengths and corrects it: given_mae and given_r2 are that solution's, milliseconds includes its time, "
            f"and few_orders is the same without the closure that stands for the orders left out"
        )
    if (other := transfer(recipe)) is not None:
        n, w = other.data.n_structures, other.data.n_wavelengths
        found.append(f"scores called transfer are of {n} other structures at {w} wavelengths")
    return found


class MetasurfaceTask(Task):
    """Predict which colour reaches which pixel below a pattern of silicon nitride."""

    name = "metasurface"
    question = "Which colour reaches which pixel below a pattern of silicon nitride?"
    recipe = MetasurfaceRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = SPECTRA_SUFFIXES
    gates = GATES
    unit = "structure"
    ladder = LADDER
    monitor = "val_mae"
    headline = (
        "mae",
        "rmse",
        "r2",
        "peak_error",
        "transfer_mae",
        "transfer_r2",
        "transfer_peak_error",
        "interval_coverage",
        "interval_width",
        "flagged",
        "regular_flagged",
        "given_mae",
        "given_r2",
        "symmetry_error",
        "network_milliseconds",
        "milliseconds",
    )

    load = staticmethod(load)
    encode = staticmethod(encode)
    training_examples = staticmethod(training_examples)
    build = staticmethod(build)
    decode = staticmethod(decode)
    metrics = staticmethod(metrics)
    baselines = staticmethod(baselines)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    transfer_recipe = staticmethod(transfer)
    figures = staticmethod(plot)

    def adapt(self, model, records):
        """Keep what training patterns look like."""
        if model.calibration is not None:
            learn_patterns(model, records)

    def callbacks(self, recipe, data: TrainingData):
        """Give the loss terms their scheduled weights; set intervals and flag after each epoch."""
        calibration = [Calibration(data.validation)] if recipe.model.calibrated else []
        return [EpochSchedule(schedule, recipe), *calibration]

    def extended_evaluation(self, model, splits, recipe):
        """Measure speed, symmetry and attention."""
        return evaluate_network(model, splits["test"], recipe)


TASK = MetasurfaceTask()
