"""The first bad value: its place, its value and the rule, in one line."""

import numpy as np
import pandas as pd
import pytest

from kmodels.core.io.refusal import refuse_rows, refuse_values
from kmodels.core.spec.errors import UserError

VALUES = np.arange(12.0).reshape(3, 4)


def said(call, *args, **more):
    with pytest.raises(UserError) as caught:
        call(*args, **more)
    return str(caught.value)


def test_no_bad_value_is_no_error():
    refuse_values("f", "a", VALUES < 0, VALUES, "0 or more")
    refuse_rows(str, "c", np.zeros(3, bool), pd.Series([1, 2, 3]), "a rule")


def test_the_first_in_the_order_of_the_array():
    bad = VALUES > 5
    assert said(refuse_values, "f.nc", "a", bad, VALUES, "5 at most") == "f.nc: a[1, 2] = 6; 5 at most"
    named = said(refuse_values, "f.nc", "a", bad, VALUES, "5 at most", ("time", "x"), unit="m")
    assert named == "f.nc: a[time=1, x=2] = 6 m; 5 at most"


def test_places_count_as_in_the_file_and_rules_may_look_at_them():
    found = said(
        refuse_values,
        "f.nc",
        "a",
        VALUES > 5,
        VALUES,
        lambda at: f"{VALUES[at] - 1:g} comes before",
        ("time", "x"),
        first=100,
        fixed={"run": 7},
    )
    assert found == "f.nc: a[run=7, time=101, x=2] = 6; 5 comes before"


@pytest.mark.parametrize(
    "cell, shown",
    [(3.0, "3"), (2.5, "2.5"), ("two", "'two'"), (np.nan, "(empty)"), (None, "(empty)"), (10**50, "1".ljust(40, "0"))],
)
def test_a_cell_looks_as_in_the_file(cell, shown):
    cells = pd.Series([0, cell], dtype=object)
    found = said(refuse_rows, lambda row: f"f.csv, row {row + 2}", "op", np.array([False, True]), cells, "a rule")
    assert found == f"f.csv, row 3: op = {shown}; a rule"
