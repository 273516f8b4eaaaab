"""What the processes of one training must know alike: the first one's figures decide."""

import keras

from kmodels.core.training.devices import distribution
from kmodels.core.training.state import TrainingState


class Agreement(keras.callbacks.Callback):
    """Takes over the first process's row of the history and its edit of the loss weights.

    Machines round differently: by figures of their own one process might stop early, and the others wait for it.

    Parameters
    ----------
    state : TrainingState
        Of the training.
    """

    def __init__(self, state: TrainingState):
        super().__init__()
        self.state = state

    def on_epoch_end(self, epoch, logs=None):
        """Agree; where there is one process, nothing happens."""
        if distribution.current().processes == 1:
            return
        told = distribution.agreed({"row": self.state.history[-1], "edit": self.state.edit})
        self.state.history[-1], self.state.edit = told["row"], told["edit"]
