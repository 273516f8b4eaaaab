"""What is measured of a plain PyTorch reference: a training step, a prediction, and what a step computes and moves.

A reference is a module here that has `net(recipe, model)`, the network of a Keras model; `given(inputs)`, what its
forward takes, of what the Keras model is given, as tensors; and `loss(net, given, targets, recipe, weights)`, with the
weights by term.
"""

from collections.abc import Callable
from types import ModuleType

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Steps:
    """A reference at work, on the accelerator where there is one.

    Parameters
    ----------
    reference : module
        As described above.
    recipe : Recipe
        That `model` was built by.
    model : keras.Model
        That it is the reference of.
    precision : {"float32", "tf32", "bfloat16"}
        bfloat16 by autocast, with weights in float32; the two others differ by what the environment says.
    """

    def __init__(self, reference: ModuleType, recipe, model, precision: str = "float32"):
        self.reference, self.recipe, self.precision = reference, recipe, precision
        self.net = _channels_last(reference.net(recipe, model).to(DEVICE))
        self.weights = {name: float(weight) for name, weight in model.term_weights.items()}

    def train(self, inputs: dict, targets: dict, compiled: bool = False) -> Callable[[], float]:
        """Return a function that takes one step with Adam and returns the loss. compiled: by `torch.compile`."""
        given, truth = self.reference.given(_tensors(inputs)), _tensors(targets)
        optimizer, clip_norm = _optimizer(self.net, self.recipe.train), self.recipe.train.clip_norm
        forward = torch.compile(self.net) if compiled else self.net

        def step():
            self.net.train()
            optimizer.zero_grad()
            with autocast(self.precision):
                loss = self.reference.loss(forward, given, truth, self.recipe, self.weights)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), clip_norm or float("inf"))
            optimizer.step()
            return float(loss.detach())

        return step

    def predict(self, inputs: dict, compiled: bool = False) -> Callable[[], object]:
        """Return a function that applies the network and returns NumPy arrays. compiled: by `torch.compile`."""
        given = self.reference.given(_tensors(inputs))
        forward = torch.compile(self.net) if compiled else self.net

        def predict():
            self.net.eval()
            with torch.inference_mode(), autocast(self.precision):
                return tree_map(lambda part: part.cpu().numpy(), forward(*given))

        return predict

    def operations(self, inputs: dict, targets: dict) -> int:
        """Additions and multiplications in the matrix products and convolutions of a training step, both ways."""
        step = self.train(inputs, targets)
        with FlopCounterMode(display=False) as counter:
            step()
        return counter.get_total_flops()

    def traffic(self, inputs: dict, targets: dict) -> int:
        """Bytes that the operations of a training step read and write, each by itself: what fusing them could save."""
        step = self.train(inputs, targets)
        with _Traffic() as counter:
            step()
        return counter.bytes


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of what operations are given and return; views move nothing."""

    bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            tensors = (leaf for leaf in tree_leaves((args, kwargs, found)) if isinstance(leaf, torch.Tensor))
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return found


def autocast(precision: str) -> torch.autocast:
    """Open a context in which products and convolutions are in bfloat16, where that is the precision."""
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision == "bfloat16")


def _channels_last(net):
    """Lay out kernels of 2-D convolutions so that these give their channels last.

    On two cores a step takes 0.8 of the time for it (echo), a prediction of one example 0.54.
    """
    for weight in net.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return net


def _tensors(arrays: dict) -> dict:
    return {name: torch.tensor(array, device=DEVICE) for name, array in arrays.items()}


def _optimizer(net, train):
    fused = all(weight.is_floating_point() for weight in net.parameters())  # complex ones have no fused step
    options = {"lr": train.learning_rate, "eps": 1e-7, "fused": fused}
    if hasattr(train, "weight_decay"):
        return torch.optim.AdamW(net.parameters(), weight_decay=train.weight_decay, **options)
    return torch.optim.Adam(net.parameters(), **options)
