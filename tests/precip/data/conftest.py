"""A folder of twelve small days, whole for all tests that only read it, copied for those that change it."""

import shutil

import pytest
from helpers.small_days import RECIPE_SMALL, rewrite, written

from kmodels.precip.data.load import load


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Written once; NetCDF-3, which is opened in no time (test_cf_writer.py reads NetCDF-4)."""
    folder = written(tmp_path_factory.mktemp("days"))
    for file in folder.glob("*.nc"):
        rewrite(file, lambda data: data)
    return folder


@pytest.fixture(scope="module")
def plain(once):
    """What is in it."""
    return load(once, RECIPE_SMALL)


@pytest.fixture
def folder(once, tmp_path):
    """A copy of it."""
    return shutil.copytree(once, tmp_path / "days")
