"""Curves for TensorBoard, by tensorboardX: the same on every backend, TensorFlow installed or not.

TensorBoard draws equal tags of different folders into one chart, and counts a tag's steps as the file says::

    tensorboard/            the recipe, the gates and all held-out metrics but the headline's
    tensorboard/train       by epoch: losses, their weights and shares, gradients, time
    tensorboard/validation  by epoch: the same losses, metrics, pictures
    tensorboard/steps       by step: the losses of single steps
    tensorboard/held_out    the headline's metrics, and the recipe's fields for the HPARAMS tab
"""

import time
from pathlib import Path

from matplotlib.figure import Figure
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from kmodels.core.report import tables
from kmodels.core.report.figures import rgb
from kmodels.core.spec.recipe import Recipe

HPARAMS = "held_out"  # the folder that TensorBoard's HPARAMS tab lists as a trial


class EventFile:
    """An event file in a folder, behind those that are there already.

    Written at once and from this thread: SummaryWriter's own thread would die alone, and wait for ever, on a full disk.
    TensorBoard reads the files of a folder by their names, which end in a clock's second: they begin with a number, so
    that neither a clock that was set back nor a second start within a second changes their order.

    Parameters
    ----------
    folder : pathlib.Path
        Of the event files; it is made.
    first : int
        The first step (or epoch) that is written; what earlier files have from there on is hidden, not shown twice.
    """

    def __init__(self, folder: Path, first: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / f"{len(list(folder.iterdir())):04d}.events"))
        self._write(first, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write numbers, by tag."""
        for name, value in values.items():
            self._write(step, summary=summary.scalar(name, value))

    def pictures(self, step: int, figures: dict[str, Figure]) -> None:
        """Write pictures, by title."""
        for name, figure in figures.items():
            self._write(step, summary=summary.image(f"pictures/{name}", rgb(figure), dataformats="HWC"))

    def text(self, step: int, name: str, markdown: str) -> None:
        """Write a text."""
        self._write(step, summary=summary.text(name, markdown))

    def hparams(self, values: dict[str, bool | float | str]) -> None:
        """Name what the numbers of this folder depend on.

        The table's columns are left to TensorBoard, which then takes those of all runs that it shows, not of one.
        """
        _, start, end = summary.hparams(values, {})
        for content in (start, end):
            self._write(0, summary=content)

    def flush(self) -> None:
        """Hand all that was written to the file."""
        self._events.flush()

    def close(self) -> None:
        """End the file."""
        self._events.close()

    def _write(self, step, **content):
        self._events.write_event(Event(step=step, wall_time=time.time(), **content))


class Monitor:
    """Writes the course of a training.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run's event files; it is made.
    first_epoch, first_step : int
        Where the training begins or goes on.
    """

    def __init__(self, folder: Path, first_epoch: int = 1, first_step: int = 1):
        self._run = EventFile(folder, first_epoch)
        self._train, self._validation = (EventFile(folder / name, first_epoch) for name in ("train", "validation"))
        self._steps = EventFile(folder / "steps", first_step)

    def recipe(self, text: str) -> None:
        """Write the recipe, as text."""
        self._run.text(0, "recipe", f"```\n{text}\n```")

    def epoch(self, epoch: int, row: dict[str, float], pictures: dict[str, Figure]) -> None:
        """Write what is known after an epoch; it is in the files when this returns.

        Parameters
        ----------
        epoch : int
            From 1.
        row : dict of str to float
            Of the history: what begins with `val_` is of validation data.
        pictures : dict of str to matplotlib.figure.Figure
            By tag.
        """
        found = {name.removeprefix("val_") for name in row if name.startswith("val_")}
        both = found & row.keys()  # the losses
        train = {name: value for name, value in row.items() if name != "epoch" and not name.startswith("val_")}
        self._train.scalars(epoch, {_tag(name, "training", both): value for name, value in train.items()})
        self._validation.scalars(epoch, {_tag(name, "validation", both): row[f"val_{name}"] for name in sorted(found)})
        self._validation.pictures(epoch, pictures)
        for events in (self._run, self._train, self._validation, self._steps):
            events.flush()

    def steps(self, losses: dict[int, dict[str, float]]) -> None:
        """Write the losses of single steps, by step from 1; they are in the file when this returns."""
        for step, values in losses.items():
            self._steps.scalars(step, {f"step/{name}": value for name, value in values.items()})
        self._steps.flush()

    def close(self) -> None:
        """End the event files."""
        for events in (self._run, self._train, self._validation, self._steps):
            events.close()


def _tag(name: str, group: str, both: set[str]) -> str:
    """Name a figure for TensorBoard, which groups by what stands before the slash."""
    return name if "/" in name else f"loss/{'total' if name == 'loss' else name}" if name in both else f"{group}/{name}"


def write_result(folder: Path, report: dict, recipe: Recipe, headline: tuple[str, ...]) -> None:
    """Write how a training ended: held-out metrics, gates and, for the HPARAMS tab, the recipe's fields.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run's event files.
    report : dict
        What report.json holds.
    recipe : Recipe
        Of the run.
    headline : tuple of str
        The metrics that become columns of the HPARAMS tab.
    """
    epoch = len(report["history"])
    found = {name: value for name, value in report["metrics"].items() if value is not None}
    run, trial = EventFile(folder, epoch), EventFile(folder / HPARAMS, epoch)
    run.scalars(epoch, {f"held_out/{name}": value for name, value in found.items() if name not in headline})
    run.text(epoch, "gates", tables.gates(report["gates"]))
    fields = {name: _plain(value) for name, value in tables.flat(recipe.model_dump()).items()}
    trial.hparams({"model": report["model"], "backend": report["backend"]} | fields)
    trial.scalars(epoch, {f"held_out/{name}": found[name] for name in headline if name in found})
    run.close()
    trial.close()


def _plain(value: object) -> bool | float | str:
    """Return a field's value where TensorBoard takes it, else its text."""
    return value if isinstance(value, bool | int | float | str) else str(value)
