"""Diagnostics for TensorBoard, by tensorboardX: the same on every backend, TensorFlow installed or not."""

import time
from pathlib import Path

from matplotlib.figure import Figure
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from kmodels.core.report.figures import rgb


class Monitor:
    """Writes an epoch's scalars and pictures to an event file.

    Written at once and from this thread: SummaryWriter's own thread would die alone, and wait for ever, on a full disk.
    TensorBoard reads the files of a folder by their names, which end in a clock's second: they begin with a number, so
    that neither a clock that was set back nor a second start within a second changes their order.

    Parameters
    ----------
    folder : pathlib.Path
        Of the event files; it is made.
    first_epoch : int
        Where the training begins or goes on; what a killed one wrote from there on is hidden, not shown twice.
    """

    def __init__(self, folder: Path, first_epoch: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / f"{len(list(folder.iterdir())):04d}.events"))
        self._write(first_epoch, session_log=SessionLog(status=SessionLog.START))

    def recipe(self, text: str) -> None:
        """Write the recipe, as text."""
        self._write(0, summary=summary.text("recipe", f"```\n{text}\n```"))

    def epoch(self, epoch: int, scalars: dict[str, float], pictures: dict[str, Figure]) -> None:
        """Write what is known after an epoch; it is safely on disk when this returns.

        Parameters
        ----------
        epoch : int
            From 1.
        scalars : dict of str to float
            By tag.
        pictures : dict of str to matplotlib.figure.Figure
            By tag.
        """
        for name, value in scalars.items():
            self._write(epoch, summary=summary.scalar(name, value))
        for name, figure in pictures.items():
            self._write(epoch, summary=summary.image(name, rgb(figure), dataformats="HWC"))
        self._events.flush()

    def close(self) -> None:
        """End the event file."""
        self._events.close()

    def _write(self, step, **content):
        self._events.write_event(Event(step=step, wall_time=time.time(), **content))
