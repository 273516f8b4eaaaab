"""What TensorBoard shows after every epoch, on validation data."""

from kmodels.core.report import figures
from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.evaluation import figures as pictures
from kmodels.nand.evaluation.metrics import metrics

SCALARS = ("accuracy", "invalid_f1", "localisation", "auroc", "calibration_error")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """(scalars, pictures): F1 of every strategy and more; the confusion matrix and the reliability curve."""
    trace, prediction = evaluated.records, evaluated.prediction
    values = metrics(trace, prediction, 0).values
    names = [name for name in values if name in SCALARS or name.startswith("f1_")]
    scalars = {name: values[name] for name in names if values[name] is not None}
    scalars["threshold"] = prediction.threshold
    return scalars, {
        "confusion matrix": pictures.confusion(trace, prediction),
        "reliability": figures.reliability_curve(prediction.probability, trace.invalid),
    }
