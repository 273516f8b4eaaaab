"""Timing things against each other: in turn, in one process, so that what else the machine does hits all of them."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

SIDE = 1024  # of the matrices whose product says how fast the machine can be
COPIED = 1 << 27  # bytes that are copied to see how fast memory is: more than caches hold


def time_interleaved(
    calls: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 60.0, block: float = 0.1
) -> dict[str, np.ndarray]:
    """Time calls in turn, A B C A B C ..., each once before to warm up.

    Each callable must return only when its work is done.

    Parameters
    ----------
    calls : dict of str to callable
        What to time, by name.
    rounds : int
        At most so many; one is always timed.
    seconds : float
        No round begins after so long [s].
    block : float
        A turn is as many calls as take this long [s], so that what one leaves running, such as threads that wait,
        costs the next one little.

    Returns
    -------
    dict of str to numpy.ndarray
        {name: (rounds,)}, seconds of one call.
    """
    turns = {name: Turn(call, block) for name, call in calls.items()}
    taken = {name: [] for name in calls}
    start = time.perf_counter()
    for k in range(rounds):
        if k and time.perf_counter() - start > seconds:
            break
        for name, turn in turns.items():
            taken[name].append(turn())
    return {name: np.array(times) for name, times in taken.items()}


class Turn:
    """As many calls as take a given time, made each time that it is called itself: the seconds of one call.

    The call is made twice when this is made: to compile and to fill caches, and to learn how long it takes.

    Parameters
    ----------
    call : callable
        What to time.
    block : float
        Length of a turn [s].
    """

    def __init__(self, call: Callable[[], object], block: float):
        call()
        self.call, self.count = call, 1
        self.count = max(1, round(block / max(self(), 1e-7)))

    def __call__(self) -> float:
        """Run one turn."""
        start = time.perf_counter()
        for _ in range(self.count):
            self.call()
        return (time.perf_counter() - start) / self.count


def spread(values: ArrayLike) -> dict[str, float]:
    """Compute the median of what was measured in several rounds, and the lowest and highest of them."""
    return {
        "median": float(np.median(values)),
        "low": float(np.min(values)),
        "high": float(np.max(values)),
        "rounds": len(values),
    }


def ratio(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Divide our time by theirs, both of this process: of the fastest turns, since all else only slows one.

    (Threads that one leaves waiting can double the time of the other for turns on end.)

    Parameters
    ----------
    ours, theirs : numpy.ndarray
        (rounds,) seconds.
    """
    return float(np.min(ours) / np.min(theirs))


def matrix_product() -> Callable[[], np.ndarray]:
    """Make a function that multiplies two float32 matrices by NumPy, on all cores: MATRIX_OPERATIONS of them."""
    a = np.random.default_rng(0).random((SIDE, SIDE), "float32")
    return lambda: a @ a


MATRIX_OPERATIONS = 2 * SIDE**3  # additions and multiplications of one `matrix_product`


def peaks(rounds: int = 7) -> dict[str, float]:
    """Measure what this machine does at most, the best of some rounds.

    Returns
    -------
    dict
        `operations_s` of a product of float32 matrices, `bytes_s` read and written by a copy.
    """
    source = np.zeros(COPIED, "uint8")
    target = source.copy()
    calls = {"operations_s": matrix_product(), "bytes_s": lambda: np.copyto(target, source)}
    times = time_interleaved(calls, rounds)
    amount = {"operations_s": MATRIX_OPERATIONS, "bytes_s": 2 * COPIED}
    return {name: float(amount[name] / values.min()) for name, values in times.items()}
