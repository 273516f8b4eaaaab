"""Refuses constructor arguments that would fail deep inside a network, or never: by class, name and value."""

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from kmodels.core.spec.suggest import did_you_mean


def check_choice(owner: str, name: str, value: Any, allowed: Iterable) -> None:
    """Refuse an argument that is none of the choices there are, and name the nearest.

    Parameters
    ----------
    owner : str
        The class whose argument it is.
    name : str
        Of the argument.
    value : object
        Of the argument.
    allowed : iterable
        The choices.

    Raises
    ------
    ValueError
        Where `value` is none of them.
    """
    allowed = tuple(allowed)
    if value not in allowed:
        hint = did_you_mean(value, map(str, allowed), quoted=True)
        raise ValueError(f"{owner}: {name} = {value!r}; allowed: {', '.join(map(repr, allowed))}{hint}")


def check_integers(owner: str, least: int = 1, **values: int) -> None:
    """Refuse sizes that are no integers of `least` or more.

    Parameters
    ----------
    owner : str
        The class whose arguments they are.
    least : int
        The smallest that is allowed.
    **values : int
        The arguments by name.

    Raises
    ------
    ValueError
        For the first that is none.
    """
    for name, value in values.items():
        if not _is_integer(value) or value < least:
            raise ValueError(f"{owner}: {name} = {value!r}; expected an integer, {least} or more")


def check_numbers(owner: str, rule: str = "0 or more", **values: float) -> None:
    """Refuse what is no number within bounds.

    Parameters
    ----------
    owner : str
        The class whose arguments they are.
    rule : str
        One of RULES.
    **values : float
        The arguments by name.

    Raises
    ------
    ValueError
        For the first that is none.
    """
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not RULES[rule](value):
            raise ValueError(f"{owner}: {name} = {value!r}; expected a number, {rule}")


RULES = {
    "0 or more": lambda value: value >= 0,
    "above 0": lambda value: value > 0,
    "0 or more, below 1": lambda value: 0 <= value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "above 0, at most 1": lambda value: 0 < value <= 1,
    "between 0 and 1": lambda value: 0 < value < 1,
}


def check_rate(owner: str, **values: float) -> None:
    """Refuse dropout rates that are none, as `check_numbers` does: 0 or more, below 1."""
    check_numbers(owner, "0 or more, below 1", **values)


def as_sizes(owner: str, name: str, value: Sequence[int], length: int | None = None, least: int = 1) -> tuple[int, ...]:
    """Make a tuple of an argument that is several sizes, such as those of a grid.

    Parameters
    ----------
    owner : str
        The class whose argument it is.
    name : str
        Of the argument.
    value : sequence of int
        Of the argument.
    length : int, optional
        How many they must be.
    least : int
        The smallest that is allowed.

    Returns
    -------
    tuple of int
        The same.

    Raises
    ------
    ValueError
        Where `value` is something else.
    """
    sizes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    if len(sizes) != (length or max(len(sizes), 1)) or not all(_is_integer(size) and size >= least for size in sizes):
        said = f"{length or 'one or more'} integers, each {least} or more"
        raise ValueError(f"{owner}: {name} = {value!r}; expected {said}")
    return sizes


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
