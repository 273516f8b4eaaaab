"""Workers on this machine: processes of the chief's, ended with it."""

import subprocess
import sys
from pathlib import Path

from tuning.worker import named

SAVE_SECONDS = 30.0  # seconds that a stopped worker has to save its state


class Crew:
    """Workers on this machine, each `python -m tuning.search`, its output in `folder`/worker-<k>.log.

    Parameters
    ----------
    n : int
        How many.
    words : list of str
        Of the command line.
    folder : pathlib.Path
        The search's.
    """

    def __init__(self, n: int, words: list[str], folder: Path):
        self.processes, self.gone = [], set()
        self.logs = [folder / f"worker-{k}.log" for k in range(n)]
        for path in self.logs:
            with path.open("ab") as log:
                command = [sys.executable, "-m", "tuning.search", *words]
                self.processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))

    def lost(self) -> list[str | None]:
        """List the workers that ended since the last call; and None when none is left."""
        found = [one for one in self.processes if one.poll() is not None and one.pid not in self.gone]
        self.gone |= {one.pid for one in found}
        nobody = len(self.gone) == len(self.processes)
        return [*(named(one.pid) for one in found), *([None] if nobody else [])]

    def last_line(self) -> str:
        """Find the last line that any worker wrote which was stopped by a fault; empty when there is none."""
        for process, log in zip(self.processes, self.logs, strict=True):
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if process.poll() and lines:
                return f"{lines[-1]} ({log})"
        return ""

    def stop(self) -> None:
        """Let them save and end; end those that do not."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(SAVE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
