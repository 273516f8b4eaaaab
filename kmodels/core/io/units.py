"""Spellings of units."""

import re


def canonical(units: str) -> str:
    """A unit in CF's spelling: µg/m3, ug m^-3 and ug m**-3 become ug m-3."""
    text = str(units).strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    text = re.sub(r"\b(metre|meter)s?\b", "m", re.sub(r"\*\*|\^", "", text))
    text = re.sub(r"/\s*([a-zA-Z]+)(\d*)", lambda match: f" {match[1]}-{match[2] or 1}", text)
    return " ".join(re.split(r"[\s.*]+", text))
