"""What was understood of a user's structures: a table, and a picture."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report.figures import figure
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.evaluation.drawing import draw_pattern, draw_spectra

SHOWN = 3  # structures in the picture


def describe(structures: Structures) -> dict[str, str]:
    """Tabulate structures, patterns, wavelengths and transmittance."""
    wavelength, patterns = structures.wavelength, structures.patterns()
    copies = len(structures) - len(np.unique(structures.groups))
    found = {
        "structures": f"{len(structures)}; {copies} are turned, flipped or shifted copies of others"
        + (f"; {structures.dropped} without spectra were left out" if structures.dropped else ""),
        "patterns": f"(y, x) = {patterns.shape[1:]} pixels, {patterns.mean():.0%} silicon nitride",
        "wavelengths": f"{len(wavelength)} from {wavelength[0]:g} to {wavelength[-1]:g} nm",
        "pixel order": structures.pixel_order,
    }
    if structures.spectra is not None:
        total = structures.spectra.sum((1, 2))
        found["transmittance"] = (
            f"of all four pixels together {total.mean():.3f} on average, {total.min():.3f} to {total.max():.3f}"
        )
    return found | {f"note {k + 1}": note for k, note in enumerate(structures.notes)}


def picture(structures: Structures) -> Figure:
    """Draw the first structures: pattern, and transmittance into each camera pixel."""
    rows = np.arange(min(SHOWN, len(structures)))
    seen = structures.spectra is not None
    made, axes = figure(3.2 * len(rows), 6.0 if seen else 3.0, 1 + seen, len(rows))
    axes = np.reshape(axes, (1 + seen, len(rows)))
    for k, row in enumerate(rows):
        draw_pattern(axes[0, k], structures.patterns([row])[0], structures.pixel_order)
        axes[0, k].set_title(str(structures.names[row]), fontsize=9)
        if seen:
            draw_spectra(axes[1, k], structures.wavelength, structures.spectra[row], structures.pixel_order)
    if seen:
        axes[1, 0].legend(frameon=False, fontsize=7)
    return made
