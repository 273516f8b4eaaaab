"""Validation after every epoch: figures for the history, pictures for TensorBoard, and what is chosen on this data."""

import keras

from kmodels.core.spec.task import EvaluationInput, Task
from kmodels.core.training import inference
from kmodels.core.training.callbacks import Diagnostics, ValidationListener


class Validation(keras.callbacks.Callback):
    """Predicts the validation records once an epoch and writes `val_*` figures into the epoch's logs.

    Parameters
    ----------
    task : Task
        Decodes the outputs and makes diagnostics of them.
    records : Records
        The validation data.
    recipe : Recipe
        Of the run.
    callbacks : sequence of keras.callbacks.Callback
        The task's own; those that are a `ValidationListener` are given the network's outputs first, and the pictures
        of those that are `Diagnostics` are shown with the others.

    Attributes
    ----------
    pictures : dict
        {title: Figure} of the last epoch.
    """

    def __init__(self, task: Task, records, recipe, callbacks):
        super().__init__()
        self.task, self.records, self.recipe = task, records, recipe
        self.examples = task.encode(records, recipe)
        self.listeners = [one for one in callbacks if isinstance(one, ValidationListener)]
        self.others = [one for one in callbacks if isinstance(one, Diagnostics)]
        self.pictures = {}

    def on_epoch_end(self, epoch, logs=None):
        """Validate the epoch."""
        outputs, losses = inference.predict_and_score(self.model, self.examples, self.recipe.train.batch_size)
        self._tell(outputs)
        prediction = self.task.decode(self.model, self.records, outputs)
        scalars, pictures = self.task.diagnostics(EvaluationInput(self.records, prediction))
        self.pictures = pictures | {title: made for one in self.others for title, made in one.pictures.items()}
        logs.update({f"val_{name}": value for name, value in {**losses, **scalars}.items()})

    def choose(self, model: keras.Model) -> None:
        """Let the listeners choose once more, for the weights that the model has now.

        A run that was stopped after its last epoch has had no training that would have told them the model.
        """
        for listener in self.listeners:
            listener.set_model(model)
        if self.listeners:
            self._tell(inference.predict(model, self.examples, self.recipe.train.batch_size))

    def _tell(self, outputs):
        for listener in self.listeners:
            listener.on_validation_outputs(outputs)
