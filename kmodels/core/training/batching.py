"""Data in an order that is a pure function of (seed, epoch), in batches that all have one shape."""

import contextlib
import functools
import itertools
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ArrayExamples:
    """Examples in memory.

    Attributes
    ----------
    inputs, targets : dict of str to numpy.ndarray
        Each (n, ...).
    """

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows: np.ndarray) -> tuple[dict, dict]:
        """Select rows as (inputs, targets)."""
        return tuple({k: v[rows] for k, v in part.items()} for part in (self.inputs, self.targets))


def steps_per_epoch(n_examples: int, batch_size: int) -> int:
    """Count the batches that hold every example once."""
    return -(-n_examples // batch_size)


@functools.lru_cache(maxsize=2)
def epoch_order(n_examples: int, seed: int, epoch: int) -> np.ndarray:
    """Draw the order of an epoch's examples: a pure function of its arguments. Not to be written to."""
    return np.random.default_rng([seed, epoch]).permutation(n_examples)


def batch_rows(n_examples: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Compute which examples step 0, 1, ... of a training is given."""
    epoch, position = divmod(step, steps_per_epoch(n_examples, batch_size))
    return epoch_order(n_examples, seed, epoch)[position * batch_size : (position + 1) * batch_size]


def batches(examples: Any, batch_size: int, seed: int, first_step: int = 0) -> Iterator[tuple]:
    """Yield batches without end; batch k is a pure function of (seed, k), so any step can be resumed.

    Every epoch holds every example once. The last batch of an epoch is filled up with examples of weight 0, so that all
    batches have one shape and nothing is compiled twice.

    Parameters
    ----------
    examples : Examples
        With a length and `take(rows)`.
    batch_size : int
        Examples of a batch.
    seed : int
        Of the order.
    first_step : int
        The first batch to yield.

    Yields
    ------
    inputs, targets : dict of str to numpy.ndarray
        Each (batch_size, ...).
    weights : numpy.ndarray
        (batch_size,) float32, 1 or 0.
    """
    for step in itertools.count(first_step):
        rows = batch_rows(len(examples), batch_size, seed, step)
        inputs, targets = examples.take(filled(rows, batch_size))
        yield inputs, targets, (np.arange(batch_size) < len(rows)).astype("float32")


class ReadAhead:
    """Items made by a thread while the ones before are used, in their order.

    An error of `items` is raised where it is waited for.

    Parameters
    ----------
    items : iterable
        Is read in the thread.
    ahead : int
        How many items may lie ready.

    Attributes
    ----------
    waited : float
        Seconds for which somebody waited for an item: 0 where reading is faster than what is done with it.
    """

    END = object()

    def __init__(self, items: Iterable, ahead: int = 2):
        self.waited = 0.0
        self._ready = queue.Queue(ahead)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(items,), daemon=True)
        self._thread.start()

    def __iter__(self):
        while not self._closed.is_set():
            started = time.perf_counter()
            item, error = self._ready.get()
            self.waited += time.perf_counter() - started
            if error is not None:
                raise error
            if item is self.END:
                return
            yield item

    def close(self) -> None:
        """End the thread; who waits for an item is told that there is none."""
        self._closed.set()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._ready.get_nowait()
            self._thread.join(0.01)
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait((self.END, None))

    def _fill(self, items):
        try:
            for item in items:
                self._put((item, None))
                if self._closed.is_set():
                    return
            self._put((self.END, None))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._put((None, error))

    def _put(self, item):
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                return self._ready.put(item, timeout=0.1)


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Repeat `rows` from the start until there are `size` of them."""
    return np.resize(rows, size)


def split_groups(groups: np.ndarray, fractions: tuple[float, float, float], seed: int) -> dict[str, np.ndarray]:
    """Part rows into train, validation and test, which share no group (a pair, a room, a run, a day).

    Parameters
    ----------
    groups : numpy.ndarray
        (rows,) of any type: the group of each row.
    fractions : tuple of float
        Of the groups, in that order.
    seed : int
        Of the draw.

    Returns
    -------
    dict of str to numpy.ndarray
        Row indices of "train", "validation" and "test".
    """
    names, member = np.unique(groups, return_inverse=True)
    order = np.random.default_rng([seed, 0x5B117]).permutation(len(names))
    bounds = np.round(np.cumsum(fractions) / np.sum(fractions) * len(names)).astype(int)
    part = np.searchsorted(bounds, np.argsort(order), side="right")
    return {name: np.flatnonzero(part[member] == k) for k, name in enumerate(("train", "validation", "test"))}
