"""Independent pieces of a simulation on all cores, workers or machines: the same numbers wherever they are made."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import joblib
import numpy as np

from kmodels.core.spec.errors import UserError

on_workers: Callable[[Callable, Iterable[tuple], bool], Iterator] | None = None  # set where there are workers

part = (1, 1)  # which one of how many parts of a simulation is made here


@contextlib.contextmanager
def only(number: int, count: int) -> Iterator[None]:
    """Let simulations inside make one of several parts: other machines make the others."""
    global part
    before, part = part, (number, count)
    try:
        yield
    finally:
        part = before


def of_this_part(pieces: Sequence) -> Sequence:
    """Select the pieces of a simulation that are made here: all of them, or neighbours, as `only` says.

    Parameters
    ----------
    pieces : sequence
        Of the whole simulation, in order.

    Returns
    -------
    sequence
        Those of all parts, one part after the other, are the pieces.

    Raises
    ------
    UserError
        Where there are more parts than pieces.
    """
    number, count = part
    if count > len(pieces):
        raise UserError(
            f"--part {number}/{count}: at most {len(pieces)} parts, which is how many pieces this is made in"
        )
    return pieces[len(pieces) * (number - 1) // count : len(pieces) * number // count]


def streams(seed: int, count: int) -> list[np.random.SeedSequence]:
    """Make the seeds of `count` items: item k has the same one whatever `count` is and wherever it is worked on.

    Parameters
    ----------
    seed : int
        Of the recipe.
    count : int
        How many items there are.

    Returns
    -------
    list of numpy.random.SeedSequence
        One an item, for `numpy.random.default_rng`.
    """
    return np.random.SeedSequence(seed).spawn(count)


def run(work: Callable, jobs: Iterable[tuple], on_all_cores: bool, in_order: bool = True) -> Iterator:
    """Call `work(*arguments)` for each job and yield what it returns: on workers where there are any.

    Parameters
    ----------
    work : callable
        A function of a module, so that another process can import it. Its randomness comes from its arguments.
    jobs : iterable of tuple
        The arguments of each call.
    on_all_cores : bool
        Whether to start a process a core, each with one thread. That takes seconds, which only long simulations
        earn back.
    in_order : bool
        Whether results come in the order of the jobs, else as they are done.

    Returns
    -------
    iterator
        What the calls return.
    """
    if on_workers is not None:
        return on_workers(work, jobs, in_order)
    return run_here(work, jobs, on_all_cores, in_order)


def run_here(work: Callable, jobs: Iterable[tuple], on_all_cores: bool, in_order: bool = True) -> Iterator:
    """Call `work` as `run` does, on this machine even where there are workers: what it reads lies here.

    Parameters
    ----------
    work, jobs, on_all_cores, in_order
        Those of `run`.

    Returns
    -------
    iterator
        What the calls return.
    """
    parallel = joblib.Parallel(-1 if on_all_cores else 1, return_as="generator" if in_order else "generator_unordered")
    return parallel(joblib.delayed(work)(*job) for job in jobs)
