"""Refuses what a network cannot be trained on, by name and shape and in one line, before a backend meets it."""

from collections.abc import Mapping
from typing import Any

from kmodels.core.spec.suggest import did_you_mean

Shapes = dict[str, tuple[int | None, ...]]  # behind the batch; None: any length


def check_inputs(owner: str, x: Any, expected: Shapes) -> None:
    """Refuse inputs of other names or shapes than a network has.

    Parameters
    ----------
    owner : str
        The network's class.
    x : dict of str to array
        What was given. Anything else, such as a generator, is left to Keras.
    expected : dict of str to tuple
        The shapes of the network's inputs.

    Raises
    ------
    ValueError
        For the first that is missing, unknown or has another shape.
    """
    if isinstance(x, Mapping):
        _check(owner, "input", x, expected, may_lack_last_axis=True)


def check_targets(owner: str, y: Any, expected: Shapes, of: str = "") -> None:
    """Refuse targets of other names or shapes than the loss terms use.

    Parameters
    ----------
    owner : str
        The network's class.
    y : dict of str to array or tensor
        What was given.
    expected : dict of str to tuple
        The shapes of the targets. Where there are none, any are allowed.
    of : str
        The inputs that `expected` goes with, where lengths are theirs: either may be the wrong one.

    Raises
    ------
    ValueError
        Where `y` is no dictionary, and for the first that is missing, unknown or has another shape.
    """
    if not isinstance(y, Mapping):
        raise ValueError(f"{owner}: targets must be a dictionary with {_said(expected)}; got {type(y).__name__}")
    if expected:
        _check(owner, "target", y, expected, of=of)


def check_rows(owner: str, x: Mapping, y: Any) -> None:
    """Refuse arrays that do not have a row for each example.

    Parameters
    ----------
    owner : str
        The network's class.
    x, y : dict of str to array
        Inputs and targets.

    Raises
    ------
    ValueError
        For the first array with another number of rows than the first input.
    """
    named = [(f"input {name!r}", values) for name, values in x.items()]
    named += [(f"target {name!r}", values) for name, values in (y or {}).items()]
    rows = [(name, values.shape[0]) for name, values in named if getattr(values, "shape", ())]
    for name, n in rows[1:]:
        if n != rows[0][1]:
            raise ValueError(f"{owner}: the {name} has {n} rows; expected {rows[0][1]}, as the {rows[0][0]} has")


def shapes_of(x: Mapping) -> str:
    """Write the names and shapes of arrays: "tokens (40, 11, 12)"."""
    return ", ".join(f"{name} {_written(values.shape)}" for name, values in x.items() if hasattr(values, "shape"))


def _check(owner, kind, given, expected, may_lack_last_axis=False, of="") -> None:
    for name in expected:
        if name not in given:
            said = f"expected {_said(expected)}; got {', '.join(given) or 'none'}"
            raise ValueError(f"{owner}: the {kind} {name!r} is missing; {said}")
    for name, values in given.items():
        if name not in expected:
            hint = did_you_mean(name, expected, quoted=True)
            raise ValueError(f"{owner}: there is no {kind} {name!r}{hint}; expected {_said(expected)}")
        if not hasattr(values, "shape"):  # such as a list, which Keras makes an array of
            continue
        found, shape = tuple(values.shape)[1:], expected[name]
        allowed = [shape, shape[:-1]] if may_lack_last_axis and shape[-1:] == (1,) else [shape]
        if not any(map(_agree, [found] * len(allowed), allowed)):
            said = f"{_said(expected)}{f', for the inputs {of}' if of else ''}"
            raise ValueError(f"{owner}: the {kind} {name!r} has the shape {_written(values.shape)}; expected {said}")


def _agree(found, shape) -> bool:
    return len(found) == len(shape) and all(a is None or b is None or a == b for a, b in zip(found, shape, strict=True))


def _written(shape) -> str:
    return f"({', '.join('batch' if size is None else str(size) for size in shape)})"


def _said(shapes: Shapes) -> str:
    axes = {name: ["any" if size is None else str(size) for size in shape] for name, shape in shapes.items()}
    return ", ".join(f"{name} ({', '.join(['batch', *sizes])})" for name, sizes in axes.items())
