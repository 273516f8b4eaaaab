"""The rigorous solver beside what is known exactly."""

import sys

import numpy as np
import pytest

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.load import load
from kmodels.metasurface.data.symmetry import move_patterns, move_spectra
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator import structures
from kmodels.metasurface.simulator.materials import refractive_index
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.scalar import film

RECIPE_1UM = RECIPE().with_changes(
    {"data": {"solver": "rcwa", "period": 1000.0, "grid": 16, "pixels": 32, "orders": 21, "n_structures": 8}}
)
WAVELENGTH = np.array([450.0, 650.0])


@pytest.fixture(scope="module")
def solver():
    pytest.importorskip("fmmax")
    from kmodels.metasurface.simulator.rcwa import RcwaSolver

    return RcwaSolver(RECIPE_1UM.data, WAVELENGTH)


@pytest.fixture(scope="module")
def pattern():
    return sample_pattern(np.random.default_rng(0), RECIPE_1UM.data)


def test_an_order_that_runs_along_the_surface_leaves_no_hole(pattern):
    """500 nm is half the period: without care 0 / 0."""
    pytest.importorskip("fmmax")
    from kmodels.metasurface.simulator.rcwa import RcwaSolver

    found = RcwaSolver(RECIPE_1UM.data, [500.0 * (1 - 1e-8), 500.0, 500.0 * (1 + 1e-8)]).solve(pattern)
    assert found.transmitted.sum((0, 1)) + found.reflected == pytest.approx(1.0, abs=1e-9)
    assert np.ptp(found.transmitted, axis=-1).max() < 1e-4


@pytest.mark.parametrize("solid, name", [(1, "silicon_nitride"), (0, "air")])
def test_a_uniform_film_gives_every_pixel_a_quarter_of_airy(solver, solid, name):
    found = solver.solve(np.full((32, 32), solid))
    n = [refractive_index(material, WAVELENGTH) for material in ("air", name, "silica")]
    t, r = film(*n, 2 * np.pi / WAVELENGTH * n[1] * RECIPE_1UM.data.height)
    np.testing.assert_allclose(found.transmitted, np.broadcast_to(np.abs(t) ** 2 / 4, (2, 2, 2)), atol=1e-12)
    np.testing.assert_allclose(found.reflected, np.abs(r) ** 2, atol=1e-12)


def test_what_goes_through_and_what_comes_back_are_everything(solver, pattern):
    found = solver.solve(pattern)
    np.testing.assert_allclose(found.transmitted.sum((0, 1)) + found.reflected, 1.0, atol=1e-12)
    assert found.reflected.min() > 0.01


def test_symmetries(solver, pattern):
    """Each generator of the 32, and one that is made of all."""
    before = solver.solve(pattern).transmitted
    assert np.ptp(before, axis=(0, 1)).min() > 0.01  # the four pixels differ, so that a permutation shows
    for symmetry in (1, 2, 4, 8, 16, 31):
        moved = solver.solve(move_patterns(pattern, symmetry)).transmitted
        np.testing.assert_allclose(moved, move_spectra(before, symmetry), atol=1e-10)


def test_the_polarisations_differ_but_their_mean_knows_no_direction(solver):
    """Stripes along one axis and along the other give the same, pixels exchanged."""
    stripes = np.zeros((32, 32), "uint8")
    stripes[:, 3:14] = 1
    along, across = solver.solve(stripes).transmitted, solver.solve(stripes.T).transmitted
    np.testing.assert_allclose(across, along.swapaxes(0, 1), atol=1e-10)
    assert np.abs(along[:, 0] - along[:, 1]).min() > 1e-3


def test_it_goes_on_where_it_was_stopped(solver, monkeypatch, tmp_path):
    monkeypatch.setitem(structures.WORTH_WORKERS, "rcwa", 100)  # here: processes take seconds to start
    few = RECIPE_1UM.with_changes({"data": {"n_wavelengths": 3, "orders": 9}})
    structures.simulate(few, tmp_path, lambda done, total: None)
    first, *_, last = sorted(tmp_path.iterdir())
    kept, whole = first.stat().st_mtime_ns, load(tmp_path, few).spectra
    last.unlink()
    told = []
    structures.simulate(few, tmp_path, lambda done, total: told.append((done, total)))
    assert first.stat().st_mtime_ns == kept and told[-1] == (8, 8)
    np.testing.assert_array_equal(load(tmp_path, few).spectra, whole)


def test_without_fmmax_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fmmax", None)
    with pytest.raises(UserError, match=r'data\.solver = rcwa needs fmmax: pip install "kmodels\[rcwa\]"'):
        structures.simulate(RECIPE_1UM.with_changes({"seed": 77}), tmp_path, lambda done, total: None)
