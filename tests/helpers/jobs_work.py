"""Jobs that tests hand to workers, which import them by name."""

import os
import signal
import time
from pathlib import Path

from kmodels.core.spec.errors import UserError


def noted(folder: str, k: int, seconds: float) -> int:
    """Note that it began and, after so long, that it ended; returns 10 k."""
    Path(folder, f"begun-{k}-{os.getpid()}").touch()
    time.sleep(seconds)
    with Path(folder, "ended").open("a") as file:
        file.write(f"{k}\n")
    return 10 * k


def wrong(k: int) -> int:
    """Fail for odd numbers."""
    if k % 2:
        raise UserError(f"{k}: expected an even number")
    return k


def suicide(folder: str, times: int) -> str:
    """End its process by SIGKILL so many times."""
    path = Path(folder) / "deaths"
    with path.open("a") as file:
        file.write("x")
    if len(path.read_text()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return path.read_text()


def waits(folder: str, seconds: float) -> str:
    """Note its process; what SIGTERM finds is noted, too."""

    def stopped(signum, frame):
        Path(folder, "stopped").touch()
        raise SystemExit

    signal.signal(signal.SIGTERM, stopped)
    Path(folder, "process").write_text(str(os.getpid()))
    time.sleep(seconds)
    return "waited"
