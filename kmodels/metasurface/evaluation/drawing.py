"""A structure and its spectra, drawn into axes; no backend is needed."""

from kmodels.core.report.figures import BLUE, GREEN, ORANGE, RED
from kmodels.metasurface.evaluation.prediction import pixel_names

INK = {"R": RED, "G": GREEN, "B": BLUE}
SECOND = {"G2": "#86b894"}  # the second green


def draw_pattern(axis, pattern, pixel_order: str = "") -> None:
    """Plot a pattern with the borders and colours of the camera pixels."""
    n = pattern.shape[0]
    axis.imshow(pattern, cmap="Greys", vmin=0, vmax=1.6, extent=(0, n, n, 0))
    axis.axhline(n / 2, color=ORANGE, lw=0.7)
    axis.axvline(n / 2, color=ORANGE, lw=0.7)
    for k, name in enumerate(pixel_names(pixel_order)):
        y, x = (n * (0.06 + 0.5 * (k // 2)), n * (0.03 + 0.5 * (k % 2)))
        axis.text(x, y, name, color=INK[name[0]], fontsize=8, weight="bold", va="center")
    axis.set(xticks=[], yticks=[], aspect="equal")


def draw_spectra(axis, wavelength, true, pixel_order: str, predicted=None) -> None:
    """Draw spectra of the four pixels: true ones solid, predicted ones, where there are some, dashed."""
    for k, name in enumerate(pixel_names(pixel_order)):
        colour = SECOND.get(name, INK[name[0]])
        label = name if predicted is None else f"{name} true"
        axis.plot(wavelength, true.reshape(4, -1)[k], color=colour, label=label)
        if predicted is not None:
            axis.plot(wavelength, predicted.reshape(4, -1)[k], color=colour, ls="--", label=f"{name} predicted")
    axis.set(xlabel="wavelength [nm]", ylabel="transmittance", ylim=(0, None))
