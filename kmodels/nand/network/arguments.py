"""Checks of constructor arguments."""


def check_positive(owner: str, **values: int) -> None:
    """Refuse a size that is no integer above 0.

    Parameters
    ----------
    owner : str
        The class whose arguments they are.
    **values : int
        The arguments by name.

    Raises
    ------
    ValueError
        Where a value is none.
    """
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{owner}: {name} = {value!r}; expected an integer above 0")
