"""Packages whose attributes are imported when they are asked for, and that name the nearest where there is none."""

import difflib
from collections.abc import Callable

import lazy_loader


def attach(
    package: str,
    submod_attrs: dict[str, list[str]],
    submodules: tuple[str, ...] = (),
    elsewhere: Callable[[str], str] = lambda name: "",
) -> tuple[Callable, Callable, list[str]]:
    """Make `__getattr__`, `__dir__` and `__all__` of a package, as `lazy_loader.attach` does.

    Parameters
    ----------
    package : str
        Its `__name__`.
    submod_attrs : dict of str to list of str
        Attributes by the module, within the package, that they are in.
    submodules : tuple of str
        Modules that are attributes themselves.
    elsewhere : callable
        ``elsewhere(name)`` ends the error for a name that the package does not have but another one does; else "".
    """
    attribute, names, exported = lazy_loader.attach(package, submodules=submodules, submod_attrs=submod_attrs)

    def get(name: str):
        try:
            return attribute(name)
        except AttributeError as error:
            if name.startswith("__"):  # what Python asks of any module
                raise
            near = [f"; did you mean {one}?" for one in difflib.get_close_matches(name, exported, 1)]
            raise AttributeError(f"{error}{elsewhere(name) or ''.join(near)}") from None

    return get, names, exported
