"""Units of files, in any spelling that UDUNITS, CF or people use, by pint.

pint takes half a second to start: it is imported where a unit is not already the wanted one.
"""

import functools
import re
import unicodedata

LONGEST = 60  # letters
# A power needs a unit before it and has two digits at most: 9**9**9 would never end.
NO_UNIT = re.compile(r"(?<![A-Za-z*])(\*\*|\^)|\d{3}")
POWER = re.compile(r"(?<=[A-Za-z])(?=-?\d)")  # as in m-3
NEXT = re.compile(r"(?<=\d)(?=[A-Za-z(])|(?<=\w)\.(?=[A-Za-z])")  # as in m-2s-1 and kg.m-2


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
        Where `given` is no unit, of another kind, or has another zero, as degC and K have.
    """
    return 1.0 if given == wanted else _factor(given, wanted, of_water)


@functools.cache
def _factor(given: str, wanted: str, of_water: bool) -> float:
    registry = _registry()
    zero, one = (registry.Quantity(number, _parsed(given)) for number in (0.0, 1.0))
    with registry.context(*(["water"] if of_water else [])):
        try:
            zero, one = (quantity.to(_parsed(wanted)).magnitude for quantity in (zero, one))
        except Exception as error:  # pint's own are of many classes
            raise ValueError(f"{given!r} is no {wanted}") from error
    if zero != 0:
        raise ValueError(f"{given!r} and {wanted} have different zeros")
    return float(f"{one:.15g}")  # powers of ten without rounding's last digit


def _parsed(text: str):
    """Read a unit with pint."""
    spelled = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").replace("%", " percent ").strip()
    spelled = NEXT.sub(" ", POWER.sub("**", spelled))
    if len(spelled) > LONGEST or NO_UNIT.search(spelled):
        raise ValueError(f"{text[:LONGEST]!r} is no unit")
    try:
        return _registry().parse_units(spelled)
    except Exception as error:  # whatever pint and Python's tokenizer say of such a text
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
        "@alias degree_Celsius = C = deg_C = degrees_Celsius",  # not coulomb
    ):
        registry.define(line)
    water = pint.Context("water")
    density = registry.Quantity(1000.0, "kg/m**3")
    for per in ("", " / [time]"):
        water.add_transformation(f"[mass] / [length] ** 2{per}", f"[length]{per}", lambda _, mass: mass / density)
        water.add_transformation(f"[length]{per}", f"[mass] / [length] ** 2{per}", lambda _, depth: depth * density)
    registry.add_context(water)
    return registry
