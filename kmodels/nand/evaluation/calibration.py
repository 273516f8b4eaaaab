"""The threshold of the verdict, chosen on validation data after every epoch."""

from kmodels.core.training.callbacks import ValidationListener
from kmodels.nand.evaluation.metrics import calibrate


class ThresholdCalibration(ValidationListener):
    """Sets the model's threshold to the one of best balanced accuracy on the validation sequences."""

    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def on_validation_outputs(self, outputs):
        """Choose the threshold."""
        calibrate(self.model, self.trace, outputs)
