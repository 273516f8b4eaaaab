"""Which backend trains a model the fastest on this machine, by a few steps on each."""

import subprocess
from collections.abc import Callable

from kmodels.benchmarks.contestant import Contestant, in_a_process
from kmodels.benchmarks.rounds import training_s
from kmodels.core.training import backend

STEPS, LIMIT = 8, 600.0  # of a training, after the first; seconds that a backend may take for them


def measured(model: str, smoke: bool, report: Callable) -> tuple[dict[str, float], list[str]]:
    """Time a model's training on every installed backend, each in a fresh process.

    Parameters
    ----------
    model : str
        Its name.
    smoke : bool
        Whether the steps are so small that the figures mean nothing.
    report : callable
        ``report(done, total, text)`` shows how far it is.

    Returns
    -------
    times : dict of str to float
        {backend: seconds that the steps of a whole training would take, the first one's compilation included}, the
        fastest first.
    failed : list of str
        A sentence for each backend that did not end well.
    """
    times, failed, have = {}, [], backend.installed()
    for number, name in enumerate(have):
        report(number, len(have), f"{model} on {name}")
        entry = Contestant(model, "ours", name, steps=STEPS, size="smoke" if smoke else "default")
        try:
            row = in_a_process(entry, LIMIT)
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(f"{entry}: {error}")
        else:
            times[name] = training_s(row)
    return dict(sorted(times.items(), key=lambda pair: pair[1])), failed
