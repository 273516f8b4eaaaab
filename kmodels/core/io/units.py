"""Units of files, in any spelling that UDUNITS, CF or people use, by pint.

pint takes half a second to start: it is imported where a unit is not already the wanted one.
"""

import functools
import re
import unicodedata
from typing import NamedTuple

import numpy as np

LONGEST = 60  # letters
# A power needs a unit before it and has two digits at most: 9**9**9 would never end.
NO_UNIT = re.compile(r"(?<![A-Za-z*])(\*\*|\^)|\d{3}")
POWER = re.compile(r"(?<=[A-Za-z])(?=-?\d)")  # as in m-3
NEXT = re.compile(r"(?<=\d)(?=[A-Za-z(])|(?<=\w)\.(?=[A-Za-z])")  # as in m-2s-1 and kg.m-2
# How numbers without a unit are marked: (0 - 1) is that of shares in ERA5, ~ that of GRIB.
BARE = re.compile(r"[(\[]?0 ?(-|to) ?1[)\]]?|~|-|none|unitless|non-?dim(ensional)?|fraction|proportion", re.IGNORECASE)
SPELLINGS = (
    (re.compile(r"\bof water( equivalent)?\b", re.IGNORECASE), ""),  # of what is clear without
    (re.compile(r"\b24 ?h(ou)?rs?\b|\b24 ?h\b", re.IGNORECASE), "day"),
    (re.compile(r"\bdeg(ree)?s? (?=[CFK]|[Cc]elsius\b)"), "deg"),  # not degrees of an angle times C
)
WORD = re.compile(r"[A-Za-z]{5,}")  # a name, which may begin with a capital; shorter ones are signs, whose case counts


class Conversion(NamedTuple):
    """Turn numbers in one unit into another: times `scale`, and `offset` added where their zeros differ."""

    scale: float
    offset: float = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Convert values of any shape; float32 stays float32."""
        if self.offset == 0:
            return values * self.scale
        return (np.asarray(values, "float64") * self.scale + self.offset).astype(np.result_type(values, "float32"))

    def back(self, values: np.ndarray) -> np.ndarray:
        """Convert values the other way."""
        return (values - self.offset) / self.scale if self.offset else values / self.scale


SAME = Conversion(1.0)


def factor(given: str, wanted: str, of_water: bool = False) -> float:
    """Compute what turns numbers in one unit into another.

    Parameters
    ----------
    given : str
        The unit of a file, such as `µg/m3`, `mg m^-3` or `kg m**-2 s**-1`; empty where numbers have none.
    wanted : str
        The unit to turn them into.
    of_water : bool
        Whether masses on an area are of liquid water: 1 kg on 1 m2 stands 1 mm high, so `kg m-2 s-1` is `mm s-1`.

    Returns
    -------
    float
        What to multiply by.

    Raises
    ------
    ValueError
        Where `given` is no unit, of another kind, or has another zero, as degC and K have: see `convert`.
    """
    found = convert(given, wanted, of_water)
    if found.offset != 0:
        raise ValueError(f"{given!r} and {wanted} have different zeros")
    return found.scale


def convert(given: str, wanted: str, of_water: bool = False) -> Conversion:
    """Compute what turns numbers in one unit into another, whose zero may be another one, as of degC and K.

    Parameters
    ----------
    given, wanted, of_water
        As for `factor`.

    Returns
    -------
    Conversion
        A function of the numbers.

    Raises
    ------
    ValueError
        Where one of them is no unit, or they are of different kinds.
    """
    return SAME if given == wanted else _conversion(given, wanted, of_water)


@functools.cache
def _conversion(given: str, wanted: str, of_water: bool) -> Conversion:
    registry = _registry()
    here, there = _parsed(given), _parsed(wanted)
    with registry.context(*(["water"] if of_water else [])):
        try:
            zero, one, many = (registry.Quantity(x, here).to(there).magnitude for x in (0.0, 1.0, 1000.0))
        except Exception as error:  # pint's own are of many classes
            raise ValueError(f"{given!r} is no {wanted}") from error
    if zero == 0:
        return Conversion(float(f"{one:.15g}"))  # powers of ten without rounding's last digit
    return Conversion(float(f"{(many - zero) / 1000:.12g}"), float(f"{zero:.12g}"))


def _parsed(text: str):
    """Read a unit with pint."""
    spelled = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").replace("%", " percent ").strip()
    if BARE.fullmatch(spelled):
        spelled = ""
    for pattern, plain in SPELLINGS:
        spelled = pattern.sub(plain, spelled)
    spelled = NEXT.sub(" ", POWER.sub("**", spelled))
    if len(spelled) > LONGEST or NO_UNIT.search(spelled):
        raise ValueError(f"{text[:LONGEST]!r} is no unit")
    for tried in (spelled, WORD.sub(lambda word: word[0].lower(), spelled)):
        try:
            return _registry().parse_units(tried)
        except Exception as caught:  # noqa: BLE001 - whatever pint and Python's tokenizer say of such a text
            error = caught
    raise ValueError(f"{text!r} is no unit") from error


@functools.cache
def _registry():
    """Build the units of pint, with what files of the geosciences call differently."""
    import pint

    registry = pint.UnitRegistry(on_redefinition="ignore")
    for line in (
        "@alias hour = h",  # not Planck's constant
        "@alias kilogram = Kg",
        "@alias meter = gpm",
        "@alias kelvin = degK = deg_K",
        "@alias degree_Celsius = C = deg_C = degrees_Celsius = degree_celsius = degrees_celsius",  # not coulomb
        "mb = millibar",  # not millibarn
    ):
        registry.define(line)
    water = pint.Context("water")
    density = registry.Quantity(1000.0, "kg/m**3")
    for per in ("", " / [time]"):
        water.add_transformation(f"[mass] / [length] ** 2{per}", f"[length]{per}", lambda _, mass: mass / density)
        water.add_transformation(f"[length]{per}", f"[mass] / [length] ** 2{per}", lambda _, depth: depth * density)
    registry.add_context(water)
    return registry
