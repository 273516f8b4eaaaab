"""What loading holds: of many files and many predictors no more than of few."""

import tracemalloc

import numpy as np
import pytest
from helpers.small_days import RECIPE_SMALL, contents, rewrite
from xarray.backends.file_manager import FILE_CACHE

from kmodels.core.io import netcdf, rows
from kmodels.precip.data import load as loader
from kmodels.precip.data.load import load
from kmodels.precip.data.series import Series
from kmodels.precip.data.variables import SIMULATED

DAYS, LEVELS = 4000, tuple(f"level{k:02d}" for k in range(24))
FILES = ("fine-00000.nc", "coarse-00000.nc")


def longer(data):
    """The days again and again, dated one after the other."""
    numbers, attributes = np.arange(DAYS), data["time"].attrs
    data = data.isel(time=np.resize(np.arange(data.sizes["time"]), DAYS))
    bounds = np.stack([numbers, numbers + 1.0], axis=1)
    return data.assign(time=("time", numbers + 0.5, attributes), time_bnds=(data["time_bnds"].dims, bounds))


def peak(folder, levels) -> int:
    """The most bytes that loading these predictors takes at once, but for the interpreter's own."""
    tracemalloc.start()
    load(folder, RECIPE_SMALL.with_changes({"data": {"predictors": ["pr", *levels]}}))
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_a_further_predictor_of_the_same_days_costs_less_than_a_number_a_day(folder, monkeypatch):
    monkeypatch.setenv(rows.VARIABLE, "0")
    monkeypatch.setattr(loader, "BLOCK_BYTES", 1 << 18)
    for name in FILES:
        rewrite(folder / name, longer)
    rewrite(folder / FILES[1], lambda data: data.assign(dict.fromkeys(LEVELS, data["tas"])))
    peak(folder, LEVELS)  # libraries remember what they have met
    few, many = peak(folder, LEVELS[:2]), peak(folder, LEVELS)
    assert many - few < 8 * DAYS * (len(LEVELS) - 2), (few, many)


@pytest.mark.parametrize("apart", [False, True])
def test_few_files_are_open_while_many_are_read(apart, folder, plain, monkeypatch):
    """A file a day; and a file a predictor, all of which are read in turn and stay open."""
    monkeypatch.setattr(netcdf, "MOST_OPEN", 3)
    for name in FILES:
        data = contents(folder / name)
        (folder / name).unlink()
        parts = [data.isel(time=[k]) for k in range(12)]
        if apart and name == FILES[1]:
            parts = [data[[variable, "time_bnds"]] for variable in SIMULATED]
        for k, part in enumerate(parts):
            part.to_netcdf(folder / name.replace("00000", f"{k:05d}"), engine="scipy")
    read, opened = Series.read, []

    def noted(self, *arguments):
        found = read(self, *arguments)
        opened.append(len(FILE_CACHE))
        return found

    monkeypatch.setattr(Series, "read", noted)
    before = len(FILE_CACHE)
    days = load(folder, RECIPE_SMALL)
    np.testing.assert_array_equal(days.state(np.arange(12)), plain.state(np.arange(12)))
    assert max(opened) <= (2 * len(SIMULATED) + 2 if apart else 4), (before, opened)
