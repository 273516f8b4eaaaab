"""What TensorBoard shows after every epoch, on validation structures."""

from kmodels.core.spec.task import EvaluationInput
from kmodels.metasurface.evaluation import figures
from kmodels.metasurface.evaluation.metrics import metrics

SCALARS = ("mae", "rmse", "seed_loss", "peak_error", "transmission_error")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """(scalars, pictures): the scores that need no training data; spectra; the error at each wavelength."""
    values = metrics({"test": evaluated.records}, evaluated.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, {"spectra": figures.spectra(evaluated), "error by wavelength": figures.errors(evaluated)}
