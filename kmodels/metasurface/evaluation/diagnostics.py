"""Scalars and pictures for TensorBoard after every epoch, on validation structures."""

from kmodels.core.spec.task import EvaluationInput
from kmodels.metasurface.evaluation import figures
from kmodels.metasurface.evaluation.metrics import metrics

SCALARS = ("mae", "rmse", "prototype_loss", "peak_error", "transmission_error")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """Compute the scores that need no training data, and plot spectra and the error at each wavelength.

    Parameters
    ----------
    evaluated : EvaluationInput
        Validation structures and their predicted spectra.

    Returns
    -------
    tuple of dict
        (scalars, pictures) by name.
    """
    values = metrics({"test": evaluated.records}, evaluated.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, {"spectra": figures.spectra(evaluated), "error by wavelength": figures.errors(evaluated)}
