"""Constructor arguments that are refused, in one line that names class, argument and value."""

import numpy as np
import pytest

from kmodels.core.spec.arguments import as_sizes, check_choice, check_integers, check_numbers, check_rate


@pytest.mark.parametrize(
    "check, said",
    [
        (lambda: check_integers("Net", width=4.0), "Net: width = 4.0; expected an integer, 1 or more"),
        (lambda: check_integers("Net", width=True), "Net: width = True; expected an integer, 1 or more"),
        (lambda: check_integers("Net", least=0, noise=-1), "Net: noise = -1; expected an integer, 0 or more"),
        (lambda: check_numbers("Net", weight="a"), "Net: weight = 'a'; expected a number, 0 or more"),
        (lambda: check_numbers("Net", weight=float("nan")), "Net: weight = nan; expected a number, 0 or more"),
        (lambda: check_numbers("Net", "from 0 to 1", memory=2), "Net: memory = 2; expected a number, from 0 to 1"),
        (lambda: check_rate("Net", dropout=1), "Net: dropout = 1; expected a number, 0 or more, below 1"),
        (lambda: as_sizes("Net", "grid", 8, 3), "Net: grid = 8; expected 3 integers, each 1 or more"),
        (lambda: as_sizes("Net", "grid", "abc", 3), "Net: grid = 'abc'; expected 3 integers, each 1 or more"),
        (lambda: as_sizes("Net", "scales", ()), "Net: scales = (); expected one or more integers, each 1 or more"),
        (lambda: check_choice("Net", "kind", "on", ["one"]), "Net: kind = 'on'; allowed: 'one'; did you mean 'one'?"),
    ],
)
def test_what_is_refused(check, said):
    with pytest.raises(ValueError) as caught:
        check()
    assert str(caught.value) == said


def test_what_is_taken():
    check_integers("Net", width=1, other=np.int64(3))
    check_numbers("Net", "above 0, at most 1", share=np.float32(1), other=0.5)
    assert as_sizes("Net", "grid", [8, np.int64(20)], 2) == (8, 20)
    check_choice("Net", "kind", "one", {"one": 1})
