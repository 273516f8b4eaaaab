"""A run's folder: what its name says, and which of several is the newest."""

import keras
import pytest
from helpers.small_training import recipe

from kmodels.core.runs.run import Run


def begun(out, variant=None, **fields):
    one = recipe().with_changes(fields)
    return Run.create(out, one, keras.config.backend(), None, True, variant=variant)


@pytest.mark.parametrize(("variant", "label"), [(None, "nand"), ("flawed", "nand-flawed")])
def test_the_name_of_a_folder_says_model_variant_and_seed(tmp_path, variant, label):
    name = begun(tmp_path, variant, seed=7).path.name
    assert name.startswith(f"{label}-seed7-2") and name.count("-") == label.count("-") + 4


def test_the_newest_run_is_found_whatever_its_folder_is_called(tmp_path):
    """Names of before had no seed; those of today may have a variant."""
    names = ["nand-flawed-seed0-20260103-000000-ab", "nand-20260104-000000-ab", "nand-seed0-20260102-000000-ab"]
    for name in names:
        begun(tmp_path).path.rename(tmp_path / name)
    found = []
    for _ in names:
        run = Run.find_existing(tmp_path, recipe(), keras.config.backend())
        found.append(run.path.name)
        run.path.rename(tmp_path.parent / run.path.name)
    assert found == [names[1], names[0], names[2]]
    assert Run.find_existing(tmp_path, recipe(), keras.config.backend()) is None
