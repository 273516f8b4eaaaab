"""Rows in memory and on disk are the same rows."""

import numpy as np
import pytest

from kmodels.core.io import rows
from kmodels.core.spec.errors import UserError


@pytest.fixture
def values(tmp_path, monkeypatch):
    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path / "cache"))
    return np.random.default_rng(0).normal(3, 2, (1000, 3, 4)).astype("float32")


def appended(values, kept):
    made = rows.Appended(kept)
    for first in range(0, len(values), 64):
        made.append(values[first : first + 64])
    assert len(made) == len(values)
    return made.array()


def test_rows_beyond_the_limit_lie_on_disk_and_stay_the_same(values, tmp_path):
    small, large = appended(values, values.nbytes), appended(values, values.nbytes - 1)
    assert not rows.is_on_disk(small) and rows.is_on_disk(large)
    np.testing.assert_array_equal(small, values)
    np.testing.assert_array_equal(large, values)
    assert small.dtype == large.dtype == values.dtype
    assert not list((tmp_path / "cache").iterdir()), "the file has no name, so nothing is left behind"


def test_arrays_that_come_together_share_the_memory_of_one(values, monkeypatch):
    monkeypatch.setenv(rows.VARIABLE, str(values.nbytes))
    arrays = {"large": values, "half": values[:, :, :2], "tenth": values[:, 0, :1]}
    made = rows.AppendedTogether()
    for first in range(0, len(values), 64):
        made.append({name: array[first : first + 64] for name, array in arrays.items()})
    found = made.arrays()
    assert [rows.is_on_disk(found[name]) for name in arrays] == [True, False, False]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_chosen_rows_are_those_of_the_array(values):
    large, rng = appended(values, 0), np.random.default_rng(1)
    own = rng.permutation(1000)[:300]
    chosen = rows.choose(large, own)
    mask = rng.random(300) < 0.5
    again = rows.choose(chosen, mask)
    assert isinstance(again, rows.Chosen) and again.shape == (mask.sum(), 3, 4)
    np.testing.assert_array_equal(again[:], values[own][mask])
    np.testing.assert_array_equal(np.asarray(chosen), values[own])
    np.testing.assert_array_equal(chosen[np.array([7, 2, 2])], values[own][[7, 2, 2]])
    np.testing.assert_array_equal(chosen[5, 1], values[own][5, 1])
    with pytest.raises(TypeError, match="read a block"):
        chosen == 0  # noqa: B015
    np.testing.assert_array_equal(rows.choose(values, own), values[own])


def test_blocks_are_all_rows_once_and_small(values, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 10 * values[0].nbytes)
    found = list(rows.blocks(values))
    assert len(found) == 100 and max(some.stop - some.start for some in found) == 10
    np.testing.assert_array_equal(np.concatenate([values[some] for some in found]), values)


def test_moments_and_functions_block_by_block(values, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 7 * values[0].nbytes)
    large = appended(values, 0)
    for axis in ((0, 1, 2), (0, 1), (0,)):
        np.testing.assert_allclose(rows.mean(large, axis), values.mean(axis, dtype="float64"), rtol=1e-12)
        np.testing.assert_allclose(rows.standard_deviation(large, axis), values.std(axis, dtype="float64"), rtol=1e-7)
    np.testing.assert_array_equal(rows.mapped(np.exp, large), np.exp(values))


@pytest.mark.parametrize(
    ("text", "expected"), [("500MB", 500_000_000), ("2gb", 2_000_000_000), ("1.5 k", 1500), ("7", 7), ("", 11)]
)
def test_the_limit_is_read_as_it_is_written(text, expected, monkeypatch):
    monkeypatch.setenv(rows.VARIABLE, text)
    assert rows.memory_bytes(11) == expected


@pytest.mark.parametrize("text", ["much", "-1", "5 apples", "MB"])
def test_another_limit_is_refused(text, monkeypatch):
    monkeypatch.setenv(rows.VARIABLE, text)
    with pytest.raises(UserError, match="500MB or 2GB"):
        rows.memory_bytes()
