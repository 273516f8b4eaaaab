"""Data in an order that is a pure function of (seed, epoch), in batches that all have one shape."""

import contextlib
import functools
import itertools
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ArrayExamples:
    """Examples in memory: dictionaries of arrays, rows first."""

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows) -> tuple[dict, dict]:
        """Return (inputs, targets) of these rows."""
        return tuple({k: v[rows] for k, v in part.items()} for part in (self.inputs, self.targets))


def steps_per_epoch(n_examples: int, batch_size: int) -> int:
    """Batches that hold every example once."""
    return -(-n_examples // batch_size)


@functools.lru_cache(maxsize=2)
def epoch_order(n_examples: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of an epoch's examples: a pure function of its arguments. Not to be written to."""
    return np.random.default_rng([seed, epoch]).permutation(n_examples)


def batch_rows(n_examples: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return the examples that step 0, 1, ... of a training is given."""
    epoch, position = divmod(step, steps_per_epoch(n_examples, batch_size))
    return epoch_order(n_examples, seed, epoch)[position * batch_size : (position + 1) * batch_size]


def batches(examples, batch_size: int, seed: int, first_step: int = 0) -> Iterator[tuple]:
    """Endless (inputs, targets, weights); batch k is a pure function of (seed, k), so any step can be resumed.

    Every epoch holds every example once. The last batch of an epoch is filled up with examples of weight 0, so
    that all batches have one shape and nothing is compiled twice.
    """
    for step in itertools.count(first_step):
        rows = batch_rows(len(examples), batch_size, seed, step)
        inputs, targets = examples.take(filled(rows, batch_size))
        yield inputs, targets, (np.arange(batch_size) < len(rows)).astype("float32")


class ReadAhead:
    """Items made by a thread while the ones before are used, in their order.

    items: any iterable. ahead: how many may lie ready. `waited` counts the seconds for which somebody waited for an
    item: 0 where reading is faster than what is done with it. An error of `items` is raised where it is waited for.
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


def filled(rows, size):
    """`rows` repeated from the start until there are `size` of them."""
    return np.resize(rows, size)


def split_groups(groups: np.ndarray, fractions: tuple[float, float, float], seed: int) -> dict[str, np.ndarray]:
    """Row indices of train, validation and test that share no group (a pair, a room, a run, a day).

    groups: (rows,) of any type. fractions: of the groups, in that order.
    """
    names, member = np.unique(groups, return_inverse=True)
    order = np.random.default_rng([seed, 0x5B117]).permutation(len(names))
    bounds = np.round(np.cumsum(fractions) / np.sum(fractions) * len(names)).astype(int)
    part = np.searchsorted(bounds, np.argsort(order), side="right")
    return {name: np.flatnonzero(part[member] == k) for k, name in enumerate(("train", "validation", "test"))}
