"""The threshold of the surprise, chosen on legal validation data after every epoch."""

import numpy as np

from kmodels.core.training.callbacks import ValidationListener
from kmodels.nand.generator.data.encode import tokens
from kmodels.nand.generator.evaluation.prediction import FALSE_ALARMS, surprise


class SurpriseCalibration(ValidationListener):
    """Set the model's threshold to what few legal validation sequences exceed: no label is asked for.

    Parameters
    ----------
    trace : Trace
        The validation sequences, all of them legal.
    """

    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def on_validation_outputs(self, outputs):
        """Choose the threshold."""
        calibrate(self.model, self.trace, outputs)


def calibrate(model, trace, outputs: dict) -> None:
    """Set the threshold of a model from its outputs for legal sequences."""
    token = tokens(trace, model.rules, model.vocabulary)
    model.threshold.assign(choose_threshold(surprise(token, outputs["token"])))


def choose_threshold(surprise: np.ndarray) -> float:
    """Choose what FALSE_ALARMS of the legal sequences exceed with an operation: surprise (n, time) of them [nats]."""
    return float(np.quantile(surprise.max(axis=1), 1 - FALSE_ALARMS))
