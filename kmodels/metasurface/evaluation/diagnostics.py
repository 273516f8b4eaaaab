"""What TensorBoard shows after every epoch, on validation structures."""

from kmodels.core.spec.task import Judged
from kmodels.metasurface.evaluation import figures
from kmodels.metasurface.evaluation.metrics import metrics

SCALARS = ("mae", "rmse", "seed_loss", "peak_error", "transmission_error")


def diagnostics(judged: Judged) -> tuple[dict, dict]:
    """(scalars, pictures): the scores that need no training data; spectra; the error at each wavelength."""
    values = metrics({"test": judged.records}, judged.prediction, 0).values
    scalars = {name: values[name] for name in SCALARS if values[name] is not None}
    return scalars, {"spectra": figures.spectra(judged), "error by wavelength": figures.errors(judged)}
