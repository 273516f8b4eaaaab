"""What is measured of a plain PyTorch reference: a training step, a prediction, and how many operations a step takes.

A reference is a module here that has `net(recipe, model)`, the network of a Keras model; `given(inputs)`, what its
forward takes, of what the Keras model is given, as tensors; and `loss(net, given, targets, recipe, weights)`, with the
weights by term.
"""

from collections.abc import Callable
from types import ModuleType

import torch
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode


class Steps:
    """A reference at work. model: the Keras model that it is the reference of."""

    def __init__(self, reference: ModuleType, recipe, model):
        self.reference, self.recipe, self.net = reference, recipe, reference.net(recipe, model)
        self.weights = {name: float(weight) for name, weight in model.term_weights.items()}

    def train(self, inputs: dict, targets: dict, compiled: bool = False) -> Callable[[], float]:
        """Return a function that takes one step with Adam and returns the loss. compiled: by `torch.compile`."""
        given, truth = self.reference.given(_tensors(inputs)), _tensors(targets)
        optimizer, clip_norm = _optimizer(self.net, self.recipe.train), self.recipe.train.clip_norm
        forward = torch.compile(self.net) if compiled else self.net

        def step():
            self.net.train()
            optimizer.zero_grad()
            loss = self.reference.loss(forward, given, truth, self.recipe, self.weights)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), clip_norm or float("inf"))
            optimizer.step()
            return float(loss.detach())

        return step

    def predict(self, inputs: dict) -> Callable[[], object]:
        """Return a function that applies the network and returns NumPy arrays."""
        given = self.reference.given(_tensors(inputs))

        def predict():
            self.net.eval()
            with torch.no_grad():
                return tree_map(lambda part: part.numpy(), self.net(*given))

        return predict

    def operations(self, inputs: dict, targets: dict) -> int:
        """Additions and multiplications in the matrix products and convolutions of a training step, both ways."""
        step = self.train(inputs, targets)
        with FlopCounterMode(display=False) as counter:
            step()
        return counter.get_total_flops()


def _tensors(arrays: dict) -> dict:
    return {name: torch.tensor(array) for name, array in arrays.items()}


def _optimizer(net, train):
    options = {"lr": train.learning_rate, "eps": 1e-7}
    if hasattr(train, "weight_decay"):
        return torch.optim.AdamW(net.parameters(), weight_decay=train.weight_decay, **options)
    return torch.optim.Adam(net.parameters(), **options)
