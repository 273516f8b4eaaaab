"""Freezing a part of a network in mid-training: on every backend, without compiling again, to the last bit.

Flipping `trainable` is ignored by tensorflow's compiled step and breaks jax's; a gradient of zero still lets Adam's
momentum move a weight; and batch normalisation goes on averaging what it sees. So each has a gate, a variable.
"""

import keras
from keras import ops

from kmodels.core.training.optimizer import Adam


@keras.saving.register_keras_serializable("kmodels.echo")
class FreezingAdam(Adam):
    """Adam that leaves some variables exactly as they are while its variable `frozen` is 1.

    Parameters
    ----------
    *args, **kwargs
        Those of `keras.optimizers.Adam`.
    freezes : str
        The beginning of these variables' paths; empty: of none.
    """

    def __init__(self, *args, freezes: str = "", **kwargs):
        super().__init__(*args, **kwargs)
        self.freezes = freezes

    def build(self, variables):
        """Create Adam's slots and the gate."""
        if self.built:
            return
        super().build(variables)
        gated = [v for v in variables if self.freezes and v.path.startswith(self.freezes)]
        self.gated = lambda: gated  # a list would be tracked, and saved, as the optimizer's own variables
        self.frozen = self.add_variable(shape=(), initializer="zeros", name="frozen")

    def apply(self, grads, trainable_variables=None):
        """Apply one update, and take it back for the frozen variables."""
        if trainable_variables is not None:
            self.build(trainable_variables)
        before = [ops.copy(v) for v in self.gated()]
        super().apply(grads, trainable_variables)
        for variable, old in zip(self.gated(), before, strict=True):
            variable.assign(ops.where(self.frozen > 0, old, ops.convert_to_tensor(variable)))

    def get_config(self):
        """Return the constructor's arguments."""
        return super().get_config() | {"freezes": self.freezes}
