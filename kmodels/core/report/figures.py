"""Pictures: one style for all models, drawn without a screen and without global state."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HALF = 700  # pixels: a picture that was drawn wider is unreadable in half a page's width
FLAT = 2.0  # and so is one that is so many times as wide as high
BLUE, ORANGE, GREEN, RED, GREY = "#2f6db3", "#d9822b", "#3a8a4f", "#b8383d", "#7a7a7a"


def figure(width: float = 6.0, height: float = 4.0, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """Make an empty figure in the style of all models, at 100 dots per inch.

    Parameters
    ----------
    width, height : float
        Of the whole figure [inches].
    rows, columns : int
        Of axes.

    Returns
    -------
    made : matplotlib.figure.Figure
        The figure; it belongs to no window and no global state.
    axes : matplotlib.axes.Axes or numpy.ndarray
        Its axes; an array, as `Figure.subplots` gives it, where there are several.
    """
    made = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(rows, columns)
    for one in np.atleast_1d(axes).ravel():
        one.spines[["top", "right"]].set_visible(False)
    return made, axes


def png(made: Figure) -> bytes:
    """Render a figure as the bytes of a PNG file, the same for the same figure."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


@dataclass(frozen=True)
class Picture:
    """A picture as a page holds it.

    Attributes
    ----------
    title : str
        What stands above it.
    content : bytes
        Of a PNG or a GIF file.
    """

    title: str
    content: bytes

    @property
    def kind(self) -> str:
        """Of the file: "png" or "gif"."""
        return "gif" if self.content.startswith(b"GIF8") else "png"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height [pixels], as the file's head says."""
        if self.kind == "gif":
            return int.from_bytes(self.content[6:8], "little"), int.from_bytes(self.content[8:10], "little")
        return int.from_bytes(self.content[16:20], "big"), int.from_bytes(self.content[20:24], "big")

    @property
    def is_wide(self) -> bool:
        """Whether it needs the page's whole width."""
        width, height = self.size
        return width > HALF or width > FLAT * height

    @property
    def uri(self) -> str:
        """The picture as text that a page can hold."""
        return f"data:image/{self.kind};base64," + base64.b64encode(self.content).decode()


def different(pictures: Iterable[Picture]) -> list[Picture]:
    """Leave out pictures that are the same, byte by byte, as one before them."""
    first = {}
    for picture in pictures:
        first.setdefault(picture.content, picture)
    return list(first.values())


def rgb(made: Figure) -> np.ndarray:
    """Render a figure's pixels, (height, width, 3) uint8."""
    made.canvas.draw()
    return np.asarray(made.canvas.buffer_rgba())[..., :3].copy()


def learning_curves(history: list[dict], monitor: str = "val_loss") -> Figure:
    """Plot training and validation loss by epoch, and mark the epoch that was kept.

    Parameters
    ----------
    history : list of dict
        A row an epoch, with `epoch`, `loss`, `val_loss` and `monitor`.
    monitor : str
        The figure whose lowest value says which epoch was kept.

    Returns
    -------
    matplotlib.figure.Figure
        The losses, on a logarithmic axis where they fall to less than a third.
    """
    made, axes = figure(6, 3.6)
    epochs = [row["epoch"] for row in history]
    validation = [row["val_loss"] for row in history]
    training = [row["loss"] for row in history]
    axes.plot(epochs, training, color=GREY, label="training")
    axes.plot(epochs, validation, color=BLUE, label="validation")
    best = int(np.argmin([row[monitor] for row in history]))
    axes.plot(epochs[best], validation[best], "o", color=ORANGE, label="kept")
    axes.set(xlabel="epoch", ylabel="loss", yscale=_scale([*training, *validation]))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return made


def _scale(values: list[float]) -> str:
    """Choose an axis: a logarithmic one has no readable ticks where its values are close to each other."""
    return "log" if max(values) > 3 * min(values) > 0 else "linear"


def reliability_bins(
    probability: np.ndarray, positive: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the mean probability and the observed frequency of the bins that are not empty, and the number in all.

    Parameters
    ----------
    probability : numpy.ndarray
        (n,) in [0, 1].
    positive : numpy.ndarray of bool
        (n,).
    bins : int
        Of equal width in probability.

    Returns
    -------
    mean, observed : numpy.ndarray
        (bins that are not empty,).
    count : numpy.ndarray of int
        (bins,).
    """
    index = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    full = count > 0
    mean = np.bincount(index, probability, bins)[full] / count[full]
    return mean, np.bincount(index, positive.astype(float), bins)[full] / count[full], count


def reliability_curve(probability: np.ndarray, positive: np.ndarray, bins: int = 10) -> Figure:
    """Plot the observed frequency of the positive class against its predicted probability, and the number in each bin.

    On the diagonal, probabilities mean what they say.

    Parameters
    ----------
    probability : numpy.ndarray
        (n,) in [0, 1].
    positive : numpy.ndarray of bool
        (n,).
    bins : int
        Of equal width in probability.

    Returns
    -------
    matplotlib.figure.Figure
        The curve above, the counts below.
    """
    made, (upper, lower) = figure(4.6, 4.6, rows=2)
    lower.set_box_aspect(0.25)
    mean, observed, count = reliability_bins(probability, positive, bins)
    upper.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    upper.plot(mean, observed, "o-", color=BLUE)
    upper.set(ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1))
    lower.bar((np.arange(bins) + 0.5) / bins, count, width=0.9 / bins, color=BLUE)
    lower.set(xlabel="predicted probability", ylabel="examples", xlim=(0, 1), yscale="symlog")
    return made
