"""What a file says of its structures, against what the recipe expects."""

from pathlib import Path

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.layout import GEOMETRY, Stored, mistaken_unit
from kmodels.metasurface.recipe import Data

ROUNDING = 1e-6  # parts by which numbers may differ


def geometry(file: Path, said: dict, data) -> None:
    """Refuse structures that were solved for something else than the recipe says, where the file says for what."""
    for name in GEOMETRY:
        wanted = getattr(data, name)
        found = said.get(name, wanted)
        if isinstance(wanted, float) and isinstance(found, int | float):
            in_um = "; it is taken in nm: is it in um?" if found and np.isclose(1000 * found, wanted) else ""
            same = bool(np.isclose(found, wanted, rtol=ROUNDING, atol=0))
        else:
            in_um, same = "", str(found).strip().lower() == str(wanted)
        if not same:
            raise UserError(f"{file}: attribute {name} = {found}; the recipe has data.{name} = {wanted}{in_um}")


def pixel_order(stored: Stored, data, labels: bool) -> str:
    """Check the file's order of colours, which must be the recipe's."""
    found, expected = stored.said.get("pixel_order"), data.pixel_order
    order = found.strip().upper() if isinstance(found, str) else found
    if (order is None and labels) or order not in (None, expected):
        given = "missing" if found is None else repr(found)
        raise UserError(f"{stored.path}: attribute pixel_order: {given}; data.pixel_order = {expected!r}")
    return expected


def wavelengths(stored: Stored, data, labels: bool) -> np.ndarray:
    """Check the file's wavelengths, (w,) [nm], within the recipe's range; the recipe's where they may be missing."""
    file, wavelength = stored.path, stored.wavelength
    if wavelength is None:
        if labels:
            raise UserError(f"{file}: wavelength: missing; expected a dataset (w,) with units")
        return data.wavelengths()
    low, high = data.wavelength
    outside = (wavelength < low * (1 - ROUNDING)) | (wavelength > high * (1 + ROUNDING))
    if outside.any():
        k = int(np.argmax(outside))
        rule = f"data.wavelength = [{low:g}, {high:g}] nm{mistaken_unit(stored, low, high)}"
        raise UserError(f"{file}: wavelength[{k}] = {wavelength[k]:g} nm; {rule}")
    return wavelength


def patterns(file: Path, found: tuple, data) -> None:
    """Refuse patterns of a size that the recipe's network does not take."""
    if len(found) != 3 or found[1:] != (data.pixels, data.pixels):
        rule = f"expected (structure, y, x) with y = x = data.pixels = {data.pixels}"
        raise UserError(f"{file}: patterns: has shape {found}; {rule}")


def shape(file: Path, name: str, found: tuple, wanted: tuple, layout: str) -> None:
    """Refuse an array of another shape than the other arrays ask for."""
    if found != wanted:
        raise UserError(f"{file}: {name}: has shape {found}; expected {layout} = {wanted}")


def solved_for(said: dict) -> dict:
    """Take a file's geometry, by dotted key of a recipe, but no length that looks like um: `geometry` asks of those."""
    usual, found = Data(), {}
    for name in (*GEOMETRY, "pixel_order"):
        value, wanted = said.get(name), getattr(usual, name)
        if isinstance(wanted, str) and isinstance(value, str):
            found[f"data.{name}"] = value.strip() if name == "pixel_order" else value.strip().lower()
        elif isinstance(value, int | float) and not np.isclose(1000 * value, wanted):
            found[f"data.{name}"] = float(value)
    return found


def spaced(wavelength: np.ndarray | None) -> dict:
    """Describe evenly spaced wavelengths (w,) [nm], by dotted key of a recipe; others not at all."""
    if wavelength is None or len(wavelength) < 3:
        return {}
    first, last = (float(f"{end:.7g}") for end in (wavelength[0], wavelength[-1]))
    if not np.allclose(wavelength, np.linspace(first, last, len(wavelength)), rtol=ROUNDING, atol=0):
        return {}
    return {"data.wavelength": (first, last), "data.n_wavelengths": len(wavelength)}
