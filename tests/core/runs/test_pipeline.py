"""The path of every model, where no model is needed to see it."""

import pytest

from kmodels.core.runs import pipeline


@pytest.mark.parametrize(("shares", "said"), [((0.04, 0.04), ""), ((0.0, 0.1), "input-pipeline stall: 7.5%")])
def test_a_stall_is_told_where_it_matters(shares, said, capsys):
    """An epoch counts by its seconds."""
    rows = [{"waiting_for_data": share, "seconds": 10.0 + 20.0 * k} for k, share in enumerate(shares)]
    pipeline.say_stall(rows)
    found = capsys.readouterr().out
    assert said in found and bool(said) == bool(found)
