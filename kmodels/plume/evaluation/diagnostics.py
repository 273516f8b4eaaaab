"""What TensorBoard shows after every epoch, on validation runs."""

from kmodels.core.spec.task import EvaluationInput
from kmodels.plume.evaluation import figures
from kmodels.plume.evaluation.metrics import metrics

SCALARS = ("pearson", "fac2", "fb", "nmse", "vg", "fms", "mass_residual")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """Compute (scalars, pictures): the scores of Chang and Hanna; slices through a forecast; a scatter plot."""
    values = metrics(evaluated.records, evaluated.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, figures.plot(evaluated)
