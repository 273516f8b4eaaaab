"""CF files as cf-xarray and pint understand them, refused by file, variable, index, value and rule where they are bad.

CF Metadata Conventions 1.11, https://cfconventions.org.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import cf_xarray  # noqa: F401 - gives data sets their .cf
import numpy as np
import xarray as xr

from kmodels.core.io import units
from kmodels.core.io.files import reading
from kmodels.core.io.netcdf import opened
from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError

# Attributes that say what a variable is: cf-xarray takes them for text.
TEXTS = (
    "standard_name",
    "units",
    "axis",
    "positive",
    "bounds",
    "calendar",
    "cartesian_axis",
    "grads_dim",
    "_CoordinateAxisType",
    "cf_role",
)


class CfFile:
    """An open CF NetCDF file or Zarr store, of which nothing is read before it is asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    data : xarray.Dataset
        What is in it; times are numbers.
    """

    def __init__(self, path: Path):
        self.path = path
        self.data = opened(path)
        for variable in self.data.variables.values():
            variable.attrs = {name: _plain(name, value) for name, value in variable.attrs.items()}

    def refuse(self, name: str, rule: str) -> NoReturn:
        """Raise UserError for a variable: `path: name: rule`.

        Parameters
        ----------
        name : str
            Of the variable.
        rule : str
            What is allowed, and what came.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError(f"{self.path}: {name}: {rule}")

    def refuse_values(
        self,
        name: str,
        bad: np.ndarray,
        values: np.ndarray,
        rule: str | Callable[[tuple], str],
        dims: Sequence[str],
        **more,
    ) -> None:
        """Raise UserError for the first bad value of a variable, if there is one.

        Parameters
        ----------
        name : str
            Of the variable.
        bad, values, rule, dims, **more
            As in `refusal.refuse_values`.

        Raises
        ------
        UserError
            For the first bad value, in the order of the array.
        """
        refuse_values(self.path, name, bad, values, rule, dims, **more)

    def find(self, name: str, standard_names: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> str | None:
        """Find a variable.

        Parameters
        ----------
        name : str
            A variable of this name comes first.
        standard_names : tuple of str
            Else the one that has one of these standard names, regular expressions, is taken.
        others : tuple of str
            Else the one that has one of these names, in lower or upper case.

        Returns
        -------
        str or None
            Its name in the file; None where there is none.

        Raises
        ------
        UserError
            Where several could be it.
        """
        if name in self.data.variables:
            return name
        wanted = re.compile("|".join(standard_names) or "(?!)")
        named = self.data.cf.standard_names.items()
        found = sorted(str(one) for given, ones in named if wanted.fullmatch(given) for one in ones)
        found = found or sorted(str(one) for one in self.data.variables if str(one).lower() in others)
        if len(found) > 1:
            self.refuse(" and ".join(found), f"each could be {name}; one of them needs that name")
        return found[0] if found else None

    def coordinates(self, key: str) -> list[str]:
        """List the coordinate variables of a kind, in the order of the file, those with its standard name first.

        Parameters
        ----------
        key : str
            `X`, `Y`, `Z`, `T`, `latitude`, `longitude` or `vertical`, as cf-xarray knows them by standard name, axis
            and units. Bounds do not count. Whether other variables name one as their coordinate does not matter.

        Returns
        -------
        list of str
            Their names in the file.
        """
        every = self.data.set_coords(list(self.data.data_vars)).cf
        bounds = {name for names in every.bounds.values() for name in names}
        found = set((every.axes | every.coordinates).get(key, ())) - bounds
        in_order = [name for name in self.data.variables if name in found]
        return sorted(in_order, key=lambda name: self.data.variables[name].attrs.get("standard_name") != key)

    def axes(self, key: str) -> list[str]:
        """List the coordinate variables of a kind that are the axis of their own dimension."""
        return [name for name in self.coordinates(key) if self.data.variables[name].dims == (name,)]

    def bounds(self, name: str) -> np.ndarray | None:
        """Read the bounds (n, 2) of an axis; None where it has none."""
        found = self.data.cf.bounds.get(name)
        if not found or self.data[found[0]].shape != (self.data.sizes[name], 2):
            return None
        return self.numbers(self.data[found[0]])

    def numbers(self, variable: xr.DataArray) -> np.ndarray:
        """Read a variable, or a part of it, as float64.

        Parameters
        ----------
        variable : xarray.DataArray
            Of `data`, or a selection of it.

        Returns
        -------
        numpy.ndarray
            Float64, of the variable's shape and in its own units.

        Raises
        ------
        UserError
            Where the file is damaged or the values are no numbers.
        """
        with reading(self.path, f"numbers of {variable.name}"):
            return variable.to_numpy().astype("float64")

    def factor(self, name: str, wanted: str, of_water: bool = False) -> float:
        """Compute what turns a variable's numbers into another unit.

        Parameters
        ----------
        name : str
            Of the variable; its unit is the attribute `units`. Without one they are taken for numbers that have none.
        wanted : str
            The unit to turn them into.
        of_water : bool
            As in `units.factor`.

        Returns
        -------
        float
            What to multiply by.

        Raises
        ------
        UserError
            Where the variable's unit is missing or cannot be converted.
        """
        return self._converted(units.factor, name, wanted, of_water)

    def conversion(self, name: str, wanted: str, of_water: bool = False) -> units.Conversion:
        """Compute what turns a variable's numbers into another unit, whose zero may be another one, as of degC and K.

        Parameters, and what is refused, are those of `factor`.

        Returns
        -------
        units.Conversion
            A function of the numbers.
        """
        return self._converted(units.convert, name, wanted, of_water)

    def unit(self, name: str) -> str | None:
        """Read the unit of a variable; None where it says none."""
        given = self.data[name].attrs.get("units")
        return None if given is None else given.strip()

    def _converted(self, compute: Callable, name: str, wanted: str, of_water: bool):
        given = self.unit(name)
        try:
            if given is not None or wanted == "1":  # CF leaves units out where there are none
                return compute(given or "", wanted, of_water)
        except ValueError:
            pass
        shown = "missing" if given is None else repr(given)
        self.refuse(name, f"units {shown}; expected {wanted}, or what can be converted to it")


def _plain(name: str, value):
    """Make an attribute plain, without the arrays of one element and the bytes that some programs write."""
    if isinstance(value, np.ndarray | list | tuple) and np.size(value) == 1:
        value = np.ravel(value)[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value) if name in TEXTS else value
