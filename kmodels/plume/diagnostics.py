"""What TensorBoard shows after every epoch, on validation runs."""

from kmodels.core.task import Judged
from kmodels.plume import figures
from kmodels.plume.metrics import metrics

SCALARS = ("pearson", "fac2", "fb", "nmse", "vg", "fms", "mass_residual")


def diagnostics(judged: Judged) -> tuple[dict, dict]:
    """(scalars, pictures): the scores of Chang and Hanna; slices through a forecast; a scatter plot."""
    values = metrics(judged.records, judged.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, figures.draw(judged)
