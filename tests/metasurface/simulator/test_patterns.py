"""Patterns that can be made, files that tell what is in them, and a structure that depends on its number alone."""

import h5py
import numpy as np
import pytest
import scipy.ndimage
import xarray as xr
from helpers.metasurface import SCALAR

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.load import load
from kmodels.metasurface.data.records import fingerprints
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator.patterns import feature_disc, remove_small_features, sample_pattern
from kmodels.metasurface.simulator.scalar import ScalarSolver
from kmodels.metasurface.simulator.structures import simulate

SMOKE = SCALAR.with_changes(RECIPE.SMOKE)
DATA = SCALAR.with_changes({"data": {"period": 2000.0, "grid": 32}}).data
FEW = SMOKE.with_changes({"data": {"n_structures": 8}})


@pytest.fixture(scope="module")
def patterns():
    rng = np.random.default_rng(1)
    return np.stack([sample_pattern(rng, DATA) for _ in range(20)])


def test_fill_and_values(patterns):
    fill = patterns.mean((1, 2))
    assert set(np.unique(patterns)) == {0, 1} and patterns.dtype == np.uint8
    assert fill.min() >= 0.2 and fill.max() <= 0.8 and np.ptp(fill) > 0.4


def test_no_pillar_and_no_gap_is_narrower_than_80_nm(patterns):
    """Every pixel lies in a disc of its own kind, 6 pixels or 94 nm wide: found by laying out all discs one by one."""
    disc = feature_disc(DATA)
    assert disc.shape == (6, 6) and disc.sum() == 32
    at = np.argwhere(disc)
    for pattern in patterns[:5]:
        for kind in (0, 1):
            mine = pattern == kind
            fits = np.all([np.roll(mine, (-dy, -dx), (0, 1)) for dy, dx in at], axis=0)
            covered = np.any([np.roll(fits, (dy, dx), (0, 1)) for dy, dx in at], axis=0)
            np.testing.assert_array_equal(covered, mine)


def test_patterns_are_periodic(patterns):
    """Neighbours differ as rarely across the edge as anywhere: a seam would show."""
    for axis in (1, 2):
        differ = patterns != np.roll(patterns, 1, axis)
        seam, inside = differ.take(0, axis).mean(), differ.mean()
        assert 0 < seam < 3 * inside


def test_small_features_go():
    pattern = np.zeros((32, 32), "uint8")
    pattern[4:16, 4:16] = 1
    pattern[20, 20] = 1  # a speck
    pattern[8:10, 8] = 0  # a hole
    disc = feature_disc(SCALAR.with_changes({"data": {"pixels": 32, "smallest_feature": 95.0}}).data)
    assert disc.shape == (4, 4)
    clean = remove_small_features(pattern, disc)
    assert clean[20, 20] == 0 and clean[8, 8] == 1 and scipy.ndimage.label(clean)[1] == 1


def test_a_recipe_that_leaves_no_pattern_is_refused():
    data = SCALAR.with_changes({"data": {"smallest_feature": 125.0, "fill": [0.001, 0.01], "pixels": 32}}).data
    with pytest.raises(UserError, match="of 200 patterns none kept a fill"):
        sample_pattern(np.random.default_rng(0), data)


def test_symmetries_are_a_group_of_32():
    """Each is undone by another, spectra move with patterns, and shifts by half a period move whole quadrants."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 2, (8, 8))
    quadrants = np.arange(4.0).reshape(2, 2, 1)
    blocks = np.kron(quadrants[..., 0], np.ones((4, 4)))
    for symmetry in range(COUNT):
        moved = move_patterns(pattern, symmetry)
        back = [move_patterns(moved, k) for k in range(COUNT)]
        assert sum(np.array_equal(b, pattern) for b in back) == 1
        expected = move_patterns(blocks, symmetry)[::4, ::4]
        np.testing.assert_array_equal(move_spectra(quadrants, symmetry)[..., 0], expected)
    with pytest.raises(ValueError, match="symmetry 32; expected"):
        move_patterns(pattern, 32)


def test_fingerprints_tell_copies_from_others(patterns):
    same = np.stack([move_patterns(patterns[0], k) for k in range(COUNT)])
    assert len(np.unique(fingerprints(same), axis=0)) == 1
    assert len(np.unique(fingerprints(patterns), axis=0)) == len(patterns)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    told = []
    facts = simulate(FEW, folder, lambda done, total: told.append((done, total)))
    return folder, told, facts


def test_the_file_is_hdf5_with_units_and_opens_in_xarray(simulated):
    folder, told, facts = simulated
    assert told == [(8, 8)] and facts["structures"] == "8"
    (path,) = folder.iterdir()
    with h5py.File(path) as file:
        assert file["wavelength"].attrs["units"] == "nm" and file.attrs["pixel_order"] == "RGGB"
        assert file["patterns"].dtype == np.uint8 and file["spectra"].dtype == np.float32
        assert file["patterns"].compression == "gzip"
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert dict(data.sizes) == {"structure": 8, "y": 32, "x": 32, "row": 2, "column": 2, "wavelength": 31}
        np.testing.assert_allclose(data.wavelength, np.linspace(400, 700, 31))


def test_what_is_loaded_is_what_the_solver_says(simulated):
    structures = load(simulated[0], FEW)
    solver = ScalarSolver(FEW.data)
    for row in (0, 7):
        expected = solver.solve(structures.patterns([row])[0]).transmitted
        np.testing.assert_array_equal(structures.spectra[row], expected.astype("float32"))
    assert structures.names[0] == "structures-000000:0" and len(set(structures.groups)) == 8


def test_a_structure_depends_on_seed_and_number_alone(simulated, tmp_path):
    more = FEW.with_changes({"data": {"n_structures": 10}})
    simulate(more, tmp_path, lambda done, total: None)
    np.testing.assert_array_equal(load(tmp_path, more).bits[:8], load(simulated[0], FEW).bits)
    other = FEW.with_changes({"seed": 1})
    (tmp_path / "other").mkdir()
    simulate(other, tmp_path / "other", lambda done, total: None)
    assert (load(tmp_path / "other", other).bits != load(simulated[0], FEW).bits).any()
