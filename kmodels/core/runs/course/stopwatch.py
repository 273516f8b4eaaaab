"""Where the time of a run goes, from the command to the report."""

import time
from statistics import median

# Start-up: from the command's first moment until its data is loaded or simulated, the backend's import included; of
# the user's data most is read then. Compilation: the network is built, and what the first epoch took longer than the
# others do. Judging: predictions, metrics and baselines. Pictures: the report's.
PARTS = ("start-up", "data", "compilation", "training", "judging", "pictures")

_begun = []  # when the command began for which no run has asked yet


def begin(process: bool = False) -> None:
    """Say that a command begins now, or did so with this process."""
    import psutil

    age = time.time() - psutil.Process().create_time() if process else 0.0
    _begun[:] = [time.monotonic() - age]


class Stopwatch:
    """Seconds of each of the PARTS of a run, in this process; the first run of a command has its start-up.

    Attributes
    ----------
    seconds : dict of str to float
        By part; of one that is yet to come 0.
    """

    def __init__(self):
        self.seconds, self._last = dict.fromkeys(PARTS, 0.0), time.monotonic()
        if _begun:
            self.seconds["start-up"] = round(self._last - _begun.pop(), 2)

    def lap(self, part: str) -> None:
        """Count the time since the last call for this part."""
        now = time.monotonic()
        self.seconds[part] = round(self.seconds[part] + now - self._last, 2)
        self._last = now

    def trained(self, epochs: list[float]) -> None:
        """Count the time since the last call for the training, but for what its first epoch took to compile.

        Parameters
        ----------
        epochs : list of float
            Seconds of each epoch in this process; of a single one nobody knows how long it would have taken.
        """
        self.lap("training")
        if len(epochs) > 1:
            compiling = round(max(0.0, epochs[0] - median(epochs[1:])), 2)
            self.seconds["training"] = round(self.seconds["training"] - compiling, 2)
            self.seconds["compilation"] = round(self.seconds["compilation"] + compiling, 2)


def told(seconds: dict[str, float]) -> str:
    """Write the parts for people: `start-up 6.1 s, data 0.4 s`; of what took no time nothing."""
    return ", ".join(f"{part} {value:.1f} s" for part, value in seconds.items() if value >= 0.05)
