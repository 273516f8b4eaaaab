"""Adam that remembers what its gradients were like."""

from typing import Any

import keras
from keras import ops

from kmodels.core.spec.recipe import TrainSection
from kmodels.core.training.devices import distribution


@keras.saving.register_keras_serializable("kmodels")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that keeps the norm of its gradients and survives one that is not finite.

    Such a gradient counts as 0: weights stay finite, and in the means over the epoch those losses alone are not
    finite that were not at that step, however late somebody looks.

    Attributes
    ----------
    gradient_norm : keras.Variable
        sqrt(sum g^2) of the last step, before clipping.
    clipped : keras.Variable
        Steps since it was last set to 0 whose norm was above `global_clipnorm`.
    not_finite : keras.Variable
        The first step, counted from 1, whose norm was not finite; 0 while there is none.
    """

    def build(self, variables):
        """Create Adam's slots and the three variables."""
        if self.built:
            return
        super().build(variables)
        figure = {"shape": (), "initializer": "zeros", "aggregation": "only_first_replica"}  # each replica has the same
        self.gradient_norm = self.add_variable(**figure, name="gradient_norm")
        self.clipped = self.add_variable(**figure, name="clipped")
        self.not_finite = self.add_variable(**figure, name="not_finite", dtype="int32")

    def apply(self, grads, trainable_variables=None):
        """Apply one update."""
        if trainable_variables is not None:
            self.build(trainable_variables)
        grads = distribution.current().reduced(grads)
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads if g is not None]
        norm = ops.sqrt(sum(squares))
        self.gradient_norm.assign(norm)
        finite = ops.isfinite(norm)
        grads = [None if g is None else ops.where(finite, g, ops.zeros_like(g)) for g in grads]
        so_far = ops.convert_to_tensor(self.not_finite)  # jax takes no variable in where
        first = ops.logical_and(so_far == 0, ops.logical_not(finite))
        self.not_finite.assign(ops.where(first, ops.cast(self.iterations, "int32") + 1, so_far))
        if self.global_clipnorm:
            self.clipped.assign_add(ops.cast(norm > self.global_clipnorm, "float32"))
        super().apply(distribution.current().once(grads), trainable_variables)


def adam(train: TrainSection, steps: int, kind: type[Adam] = Adam, **options: Any) -> Adam:
    """Make the optimizer of a recipe's `train` section.

    Parameters
    ----------
    train : TrainSection
        The section.
    steps : int
        Of the whole training, for the schedule of the learning rate.
    kind : type
        Another kind of Adam.
    **options
        Its own.
    """
    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    return kind(learning_rate=rate, global_clipnorm=train.clip_norm or None, **options)
