"""Timing two things against each other: in turn, in one process, so that what else the machine does hits both."""

import time
from collections.abc import Callable

import numpy as np


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], pairs: int = 7, seconds: float = 120.0) -> dict:
    """Run A B A B ..., each once before to warm up, and compare.

    pairs: at most so many are timed. seconds: no pair begins after that time; one is always timed. Each callable
    must return only when its work is done.
    Returns ours and theirs, the median seconds of a call; ratio, the median over the pairs of theirs / ours, so that
    above 1 ours is faster; low and high, the smallest and the largest ratio; pairs, how many were timed.
    """
    ours(), theirs()
    taken = []
    start = time.perf_counter()
    while not taken or (len(taken) < pairs and time.perf_counter() - start < seconds):
        taken.append((_seconds(ours), _seconds(theirs)))
    a, b = np.array(taken).T
    ratio = b / a
    return {
        "ours": float(np.median(a)),
        "theirs": float(np.median(b)),
        "ratio": float(np.median(ratio)),
        "low": float(ratio.min()),
        "high": float(ratio.max()),
        "pairs": len(taken),
    }


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
