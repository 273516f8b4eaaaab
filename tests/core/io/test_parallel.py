"""The seeded loop: the same numbers on one core as on two, in the order of the jobs."""

import numpy as np
import pytest

from kmodels.core.io import parallel


def draw(stream, number):
    return number, np.random.default_rng(stream).random(2).tolist()


def found(count, **how):
    streams = parallel.streams(7, count)
    return list(parallel.run(draw, ((s, k) for k, s in enumerate(streams)), **how))


@pytest.mark.parametrize("in_order", [True, False])
def test_workers_and_the_number_of_items_change_nothing(in_order):
    alone = found(5, on_all_cores=False, in_order=in_order)
    assert sorted(found(7, on_all_cores=True, in_order=in_order))[:5] == alone
    assert [number for number, _ in alone] == [0, 1, 2, 3, 4]
    # pinned: data of before is made again bit by bit
    assert alone[0][1] == np.random.default_rng(np.random.SeedSequence(7).spawn(1)[0]).random(2).tolist()


def test_results_come_in_the_order_of_the_jobs():
    assert [number for number, _ in found(9, on_all_cores=True)] == list(range(9))
