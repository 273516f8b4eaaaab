"""What is off by rounding is put on the end of its range and counted; what is farther off is left to be refused."""

import numpy as np

from kmodels.core.io.rounding import Clipped, clip_rounding


def test_near_values_are_clipped_and_far_ones_stay():
    values = np.array([-0.5, -1e-12, 0.0, 0.5, 1.0004, 1.5, np.nan, np.inf], "float32")
    before = values.copy()
    found = clip_rounding(values, 0, 1, 1e-3)
    np.testing.assert_array_equal(found, np.array([-0.5, 0, 0, 0.5, 1, 1.5, np.nan, np.inf], "float32"))
    assert found.dtype == "float32"
    np.testing.assert_array_equal(values, before)


def test_nothing_is_copied_where_nothing_is_off():
    values = np.array([0.0, 0.5, -3.0])
    assert clip_rounding(values, 0, 1, 1e-3) is values and clip_rounding(values, None, 1, 9.0) is values
    assert clip_rounding(np.array([-3.0]), 0, None, 9.0) == 0


def test_what_was_clipped_is_told_in_a_line(capsys):
    clipped = Clipped()
    clipped.tell("a.nc", "share", "a share lies from 0 to 1")
    clip_rounding(np.array([-2e-5, 0.5, np.nan]), 0, 1, 1e-3, clipped)
    clip_rounding(np.array([1.0004, 1.2]), 0, 1, 1e-3, clipped)
    clipped.tell("a.nc", "share", "a share lies from 0 to 1")
    said = "notice: a.nc: share: 2 of 5 values were off by at most 0.0004: clipped; a share lies from 0 to 1\n"
    assert capsys.readouterr().err == said
