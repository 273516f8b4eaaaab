"""What TensorBoard shows after every epoch, on validation runs."""

import numpy as np

from kmodels.core.spec.task import EvaluationInput
from kmodels.core.training.callbacks import Diagnostics
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation import figures
from kmodels.plume.evaluation.extended import LEADS, lead_sums, rollout_rows
from kmodels.plume.evaluation.metrics import metrics, pooled_scores
from kmodels.plume.evaluation.rollout import roll_out

EVERY = 3  # epochs between two roll-outs, the first of them with the first epoch
RUNS = 4  # that are rolled out
SHOWN_LEADS = (1, 5, 10, LEADS)
SCALARS = ("pearson", "fac2", "fb", "nmse", "vg", "fms", "mass_residual")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """Compute (scalars, pictures): the scores of Chang and Hanna; slices through a forecast; a scatter plot."""
    values = metrics(evaluated.records, evaluated.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, figures.plot(evaluated)


class RollOuts(Diagnostics):
    """Rolls a few validation runs out over thirty steps, every few epochs: FAC2 and FB by lead, and a picture.

    Parameters
    ----------
    windows : Windows
        Of the validation.
    recipe : PlumeRecipe
        Of the run; a model that does not forecast the very next frame is not rolled out.
    """

    def __init__(self, windows: Windows, recipe):
        super().__init__()
        self.windows, self.recipe = few_runs(windows), recipe

    def on_epoch_end(self, epoch, logs=None):
        """Roll out."""
        self.pictures = {}
        if epoch % EVERY or not len(self.windows) or self.recipe.data.horizon != 1:
            return
        windows = self.windows
        truth = windows.future(np.arange(len(windows)), LEADS)
        forecast = roll_out(self.model, windows, self.recipe, LEADS)
        sums = lead_sums(truth, forecast)
        for lead in SHOWN_LEADS:
            values = pooled_scores(sums[:, lead - 1], windows.groups, 0).values
            found = {f"val_rollout/{name}_lead_{lead}": values[name] for name in ("fac2", "fb")}
            logs.update({name: value for name, value in found.items() if value is not None})
        self.pictures = {"roll-out": figures.plot_rollout(truth, forecast, SHOWN_LEADS)}


def few_runs(windows: Windows) -> Windows:
    """Select a window of each of a few runs, spread over all that go on for thirty frames."""
    rows = rollout_rows(windows)
    if not len(rows):
        return windows.take(rows)
    _, first = np.unique(windows.run[rows], return_index=True)
    some = np.unique(np.linspace(0, len(first) - 1, RUNS).astype(int))
    return windows.take(rows[first[some]])
