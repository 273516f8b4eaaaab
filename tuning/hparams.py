"""A trial for TensorBoard's HPARAMS tab, by tensorboardX: the same on every backend, TensorFlow installed or not."""

import time
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from tuning.study import Study


def write(folder: Path, values: dict, metrics: dict[str, float], study: Study) -> None:
    """Write an event file: the values of a trial and what they gave, as `trial/<metric>`.

    The table's columns are those of the study, whatever this trial measured: TensorBoard takes them from any one trial.

    Parameters
    ----------
    folder : pathlib.Path
        Of the event file; it is made.
    values : dict
        Of the trial, by the names of its parameters.
    metrics : dict of str to float
        What the trial measured; empty for one that failed.
    study : Study
        Of the trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = {hp.name: hp.default for hp in study.declared().space}
    values = {name: value for name, value in values.items() if name in columns}
    names = (study.objective, *study.beside)
    experiment, _, _ = summary.hparams(columns, dict.fromkeys(f"trial/{name}" for name in names))
    _, start, end = summary.hparams(values, {})
    scalars = [summary.scalar(f"trial/{name}", value) for name, value in metrics.items()]
    events = EventsWriter(str(folder / "trial"))
    for content in (experiment, start, *scalars, *([end] if metrics else [])):
        events.write_event(Event(step=0, wall_time=time.time(), summary=content))
    events.close()
