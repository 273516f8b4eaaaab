"""Diagnostics for TensorBoard, by tensorboardX: the same on every backend, TensorFlow installed or not."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from kmodels.core.figures import rgb


class Monitor:
    """Writes an epoch's scalars and pictures to event files.

    first_epoch: where the training begins or goes on; what a killed one wrote from there on is hidden, not shown twice.
    """

    def __init__(self, folder: Path, first_epoch: int = 1):
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def recipe(self, text: str) -> None:
        """The recipe, as text."""
        self._writer.add_text("recipe", f"```\n{text}\n```", 0)

    def epoch(self, epoch: int, scalars: dict[str, float], pictures: dict[str, Figure]) -> None:
        """All that is known after an epoch, and safely on disk when this returns."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, epoch)
        for name, figure in pictures.items():
            self._writer.add_image(name, np.moveaxis(rgb(figure), -1, 0), epoch)
        self._writer.flush()

    def close(self) -> None:
        """End the event file."""
        self._writer.close()
