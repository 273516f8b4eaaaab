"""The threshold of validity, chosen on validation data after every epoch."""

from kmodels.core.training.callbacks import ValidationListener
from kmodels.nand.evaluation.prediction import calibrate


class ThresholdCalibration(ValidationListener):
    """Set the model's threshold to one of high balanced accuracy on validation data, see `choose_threshold`.

    Parameters
    ----------
    trace : Trace
        The validation sequences.
    """

    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def on_validation_outputs(self, outputs):
        """Choose the threshold."""
        calibrate(self.model, self.trace, outputs)
