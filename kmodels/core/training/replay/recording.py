"""A network's forward pass on torch, recorded once, call by call, and played back without Keras' layers.

Keras on torch runs Python for every layer: it converts, checks and casts. What is left of a pass once shapes and dtypes
are known is a few hundred functions of torch; these are kept, in their order, as a graph of `torch.fx`.
"""

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

# What these tell of a tensor does not depend on its values; `__get__` is that of shape, dtype, device and the like.
PROPERTIES = {"__get__", "__len__", "dim", "ndimension", "size", "stride", "numel", "nelement", "element_size"}
PROPERTIES |= {"is_floating_point", "is_complex", "is_signed", "is_contiguous", "get_device", "result_type"}
# By what name a tensor's methods are called: some, such as __pow__, bear another one themselves.
METHODS = {
    getattr(torch.Tensor, name): name
    for name in dir(torch.Tensor)
    if callable(getattr(torch.Tensor, name)) and not isinstance(getattr(torch.Tensor, name), type)
}


class RefusedError(ValueError):
    """A pass that would not be the same when it is played back."""


def record(call: Callable[[Any], Any], x: Any, variables: list[keras.Variable]) -> tuple[Any, Callable[[Any], Any]]:
    """Run a function of tensors, and record what it calls of torch.

    Parameters
    ----------
    call : callable
        ``call(x)`` computes tensors from tensors, and from variables.
    x : tensor, or list or dict of tensors
        What it is given.
    variables : list of keras.Variable
        The function may read these: played back, it reads what they hold then.

    Returns
    -------
    outputs : tensor, or list or dict of tensors
        What ``call(x)`` returned.
    played : callable
        ``played(x)`` computes the same for other values of the same shapes and dtypes.

    Raises
    ------
    RefusedError
        Where the pass draws random numbers, changes a variable, looks at values as Python does, or uses a tensor of
        which is not known where it comes from.
    """
    weights = [variable.value for variable in variables]
    with torch.inference_mode(False), torch.no_grad():  # tensors of inference mode do not count their changes
        inputs = [tensor.clone() if tensor.is_inference() else tensor for tensor in keras.tree.flatten(x)]
        with _unchanged([*inputs, *weights]):
            recorder = _Recorder(weights)
            given = keras.tree.pack_sequence_as(x, [recorder.input(tensor) for tensor in inputs])
            with recorder:
                outputs = call(given)
        network = recorder.finished(outputs)

    def played(x: Any) -> Any:
        with torch.inference_mode():
            return network(*keras.tree.flatten(x))

    return outputs, played


def _tensors(structure: Any) -> list[torch.Tensor]:
    return [leaf for leaf in _leaves(structure) if isinstance(leaf, torch.Tensor)]


@contextlib.contextmanager
def _unchanged(tensors: list[torch.Tensor]):
    """Refuse what changes one of these tensors, or draws of torch's own random numbers."""
    before = [tensor._version for tensor in tensors], _random_state(tensors)
    yield
    after = [tensor._version for tensor in tensors], _random_state(tensors)
    if before != after:
        raise RefusedError("it draws random numbers, or changes a variable")


def _random_state(tensors: list[torch.Tensor]) -> list[bytes]:
    kinds = {tensor.device.type for tensor in tensors} - {"cpu"}
    states = [torch.random.get_rng_state(), *(torch.get_device_module(kind).get_rng_state() for kind in sorted(kinds))]
    return [state.numpy().tobytes() for state in states]


class _Recorder(TorchFunctionMode):
    """Sees every function of torch that Python calls, and writes into a graph those that depend on inputs or weights.

    A tensor that was seen has an attribute `recorded`: the recorder and its node, or None where it is a constant.

    Parameters
    ----------
    weights : list of torch.Tensor
        That are read anew each time.
    """

    def __init__(self, weights: list[torch.Tensor]):
        super().__init__()
        self.graph, self.root = torch.fx.Graph(), torch.nn.Module()
        self.weights, self.nodes = {id(weight): weight for weight in weights}, {}
        self.constants, self.changes = [], set()

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add an input of the graph."""
        own = tensor.view_as(tensor)
        own.recorded = self, self.graph.placeholder(f"x{len(self.graph.nodes)}")
        return own

    def finished(self, outputs: Any) -> torch.fx.GraphModule:
        """Make the module of what was recorded."""
        if not all(self._varies(tensor) for tensor in _tensors(outputs)):
            raise RefusedError("an output does not depend on the inputs")
        kept = {_memory(tensor) for tensor in [*self.weights.values(), *(constant for constant, _ in self.constants)]}
        if any(_memory(tensor) in kept for tensor in _tensors(outputs)):
            raise RefusedError("an output shares memory with a variable or a constant")
        self.graph.output(_mapped(self._node, outputs))
        if any(tensor._version != version for tensor, version in self.constants):
            raise RefusedError("it changes a constant")
        ends = ("placeholder", "output")
        self.graph.eliminate_dead_code(is_impure_node=lambda node: node in self.changes or node.op in ends)
        return torch.fx.GraphModule(self.root, self.graph)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call a function, and record it."""
        kwargs = kwargs or {}
        leaves = _leaves((args, kwargs))
        if any(isinstance(leaf, keras.Variable) for leaf in leaves):
            with self:  # a variable casts itself, which is recorded, too
                return function(*_mapped(_value, args), **_mapped(_value, kwargs))
        if any(isinstance(leaf, torch.Generator) for leaf in leaves):
            raise RefusedError("it draws random numbers")
        taken = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        versions = [tensor._version for tensor in taken]
        result = function(*args, **kwargs)
        changed = [tensor for tensor, version in zip(taken, versions, strict=True) if tensor._version != version]
        self._note(function, args, kwargs, taken, changed, result)
        return result

    def _note(self, function, args, kwargs, taken, changed, result) -> None:
        """Record a call, or refuse it; one of constants alone is not repeated."""
        if any(id(tensor) in self.weights or not self._varies(tensor) for tensor in changed):
            raise RefusedError(f"{function} changes a variable or a constant")
        if any(self._varies(tensor) for tensor in taken):
            if changed:
                self.changes.add(self._called(function, args, kwargs))
            elif not _tensors(result):
                if function.__name__ not in PROPERTIES:
                    raise RefusedError(f"{function} looks at values")
            elif not any(result is tensor for tensor in taken):
                self._mark(result, self._called(function, args, kwargs))
        else:
            for tensor in _tensors(result):
                tensor.recorded = self, None

    def _varies(self, tensor: torch.Tensor) -> bool:
        """Tell whether a tensor depends on inputs or weights."""
        if id(tensor) in self.weights:
            return True
        owner, node = getattr(tensor, "recorded", (None, None))
        if owner is not self:
            raise RefusedError(f"it is not known where a tensor of shape {tuple(tensor.shape)} comes from")
        return node is not None

    def _mark(self, result: Any, node: torch.fx.Node) -> None:
        if isinstance(result, torch.Tensor):
            result.recorded = self, node
        else:
            for number, part in enumerate(result):
                self._mark(part, self.graph.call_function(operator.getitem, (node, number)))

    def _called(self, function: Callable, args: tuple, kwargs: dict) -> torch.fx.Node:
        args, kwargs = _mapped(self._node, args), _mapped(self._node, kwargs)
        if function.__name__ == "__get__":  # of a property, such as T
            return self.graph.call_function(getattr, (args[0], function.__self__.__name__))
        if function in METHODS:
            return self.graph.call_method(METHODS[function], args, kwargs)
        return self.graph.call_function(function, args, kwargs)

    def _node(self, leaf: Any) -> Any:
        """Find the node of a tensor; other arguments stay, as Python's own numbers."""
        if not isinstance(leaf, torch.Tensor):
            return leaf.item() if isinstance(leaf, np.generic) else leaf
        if id(leaf) in self.weights:
            return self._attribute(leaf, id(leaf))
        if self._varies(leaf):
            return leaf.recorded[1]
        if not hasattr(leaf, "number"):
            leaf.number = len(self.constants)
            self.constants.append((leaf, leaf._version))
        return self._attribute(leaf.detach(), leaf.number)

    def _attribute(self, tensor: torch.Tensor, key: int) -> torch.fx.Node:
        if key not in self.nodes:
            name = f"tensor_{len(self.nodes)}"
            add = self.root.register_parameter if isinstance(tensor, torch.nn.Parameter) else self.root.register_buffer
            add(name, tensor)
            self.nodes[key] = self.graph.get_attr(name)
        return self.nodes[key]


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _value(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, keras.Variable) else leaf


def _leaves(structure: Any) -> list:
    """List what an argument is made of, at any depth."""
    if isinstance(structure, slice):
        structure = (structure.start, structure.stop, structure.step)
    if isinstance(structure, dict):
        structure = tuple(structure.values())
    if isinstance(structure, tuple | list):
        return [leaf for part in structure for leaf in _leaves(part)]
    return [structure]


def _mapped(function: Callable, structure: Any) -> Any:
    """Replace what an argument is made of; what only behaves as a tuple, such as a shape, becomes one."""
    if isinstance(structure, slice):
        return slice(*(_mapped(function, part) for part in (structure.start, structure.stop, structure.step)))
    if isinstance(structure, dict):
        return {name: _mapped(function, part) for name, part in structure.items()}
    if isinstance(structure, tuple | list):
        parts = [_mapped(function, part) for part in structure]
        return parts if isinstance(structure, list) else tuple(parts)
    return function(structure)
