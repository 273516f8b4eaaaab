"""What TensorBoard shows after every epoch, on validation data."""

from matplotlib.figure import Figure

from kmodels.core.report import figures
from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.evaluation import figures as pictures
from kmodels.nand.evaluation.metrics import metrics

SCALARS = ("accuracy", "invalid_f1", "localisation", "auroc", "calibration_error")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict[str, float], dict[str, Figure]]:
    """Compute the scalars and plot the figures of an epoch.

    Returns
    -------
    scalars : dict of str to float
        The F1 of every strategy, the threshold and SCALARS.
    figures : dict of str to Figure
        The confusion matrix, precision over recall, and the reliability curve.
    """
    trace, prediction = evaluated.records, evaluated.prediction
    values = metrics(trace, prediction, 0).values
    names = [name for name in values if name in SCALARS or name.startswith("f1_")]
    scalars = {name: values[name] for name in names if values[name] is not None}
    scalars["threshold"] = prediction.threshold
    plots = {
        "confusion matrix": pictures.plot_confusion(trace, prediction),
        "reliability": figures.reliability_curve(prediction.probability, trace.invalid),
    }
    if 0 < trace.invalid.sum() < len(trace):
        plots["precision and recall"] = pictures.plot_precision_recall(trace, prediction)
    return scalars, plots
