"""The rigorous structures that come with the package, and the verb that packed them."""

import h5py
import numpy as np
import pytest
from helpers.checks import fails_cleanly
from helpers.metasurface import SCALAR

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.load import load
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator import structures
from kmodels.metasurface.simulator.rcwa import RcwaSolver
from kmodels.metasurface.studies import pack
from kmodels.metasurface.studies.transfer import SHIPPED, load_rigorous

FEW = SCALAR.with_changes({"data": {"n_structures": 250, "n_wavelengths": 5, "pixels": 32, "grid": 16}})


def test_the_package_has_64_structures_of_the_default_geometry():
    structures = load_rigorous(SHIPPED, SCALAR)
    assert SHIPPED.stat().st_size < 5e6
    assert load(SHIPPED, SCALAR).spectra.shape == (64, 2, 2, 301) and len(np.unique(structures.groups)) == 64
    assert structures.wavelength == pytest.approx(SCALAR.data.wavelengths())
    transmitted = structures.spectra.sum((1, 2))
    assert transmitted.min() > 0.3 and transmitted.max() < 1
    with h5py.File(SHIPPED) as file:
        assert file.attrs["solver"] == "rcwa"


def test_the_solver_of_today_gives_them():
    """They were solved by fmmax, which takes a pattern for samples: without the width of a pixel."""
    structures, some = load(SHIPPED, SCALAR), [100, 267]  # 500 nm, where an order runs along the surface, and 667
    solver = RcwaSolver(SCALAR.data, structures.wavelength[some])
    found = solver.solve(structures.patterns([7])[0]).transmitted
    np.testing.assert_allclose(found, structures.spectra[7][..., some], atol=5e-4)


PACKAGED = RECIPE()


def test_the_package_has_1400_structures_for_training(tmp_path):
    """They are random patterns of the recipe, solved by the solver of today with 113 orders; few may be taken."""
    few = PACKAGED.with_changes({"data": {"n_structures": 30}})
    structures.simulate(few, tmp_path, lambda done, total: None)
    found = load(tmp_path, few)
    assert len(found) == 30 and found.wavelength == pytest.approx(np.linspace(400, 700, 51))
    solver = RcwaSolver(few.data, found.wavelength[[3, 40]])
    solved = solver.solve(found.patterns([7])[0]).transmitted
    np.testing.assert_allclose(solved, found.spectra[7][..., [3, 40]], atol=1e-6)
    structures.simulate(PACKAGED, tmp_path / "all", lambda done, total: None)
    every = load(tmp_path / "all", PACKAGED)
    assert len(np.unique(every.groups)) == 1400 and every.spectra.sum((1, 2)).max() < 1
    assert (structures.PACKAGED_FILES / "rigorous_51.h5").stat().st_size < 3e6


@pytest.mark.parametrize("changes", [{"n_structures": 1401}, {"n_wavelengths": 101}, {"orders": 81}, {"height": 500.0}])
def test_what_is_not_in_the_package_is_refused(tmp_path, changes):
    with pytest.raises((ValueError, UserError), match=r"packaged|height"):
        recipe = PACKAGED.with_changes({"data": {"n_structures": 30} | changes})
        structures.simulate(recipe, tmp_path, lambda done, total: None)
        load(tmp_path, recipe)


def test_many_files_become_one(tmp_path, capsys):
    structures.simulate(FEW, tmp_path / "many", lambda done, total: None)
    words = ["--data", str(tmp_path / "many"), "--data.pixels", "32", "--model.few_orders", "0"]
    assert pack.main([*words, "--out", str(tmp_path / "one.h5")]) == 0
    assert "250 structures" in capsys.readouterr().out
    many, one = (load(tmp_path / name, FEW) for name in ("many", "one.h5"))
    for name in ("bits", "spectra", "wavelength", "groups"):
        np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
    with h5py.File(tmp_path / "many" / "structures-000000.h5") as first, h5py.File(tmp_path / "one.h5") as packed:
        assert dict(packed.attrs).keys() == dict(first.attrs).keys() and packed.attrs["height"] == 600.0


@pytest.mark.parametrize(
    "words, said",
    [
        (["--data", "nowhere", "--out", "one.h5"], "nowhere: no such file or folder"),
        (["--data", "nowhere", "--out", "one.npy"], "--out one.npy: the suffix must be .h5"),
        (["--data", "nowhere", "--out", "one.h5", "--data.height", "-1"], "data.height = -1"),
    ],
)
def test_what_cannot_be_packed_is_refused(capsys, words, said):
    fails_cleanly(capsys, pack.main(words), said)


def test_numpy_pairs_say_nothing_of_their_geometry_and_are_refused(tmp_path, capsys):
    np.save(tmp_path / "patterns.npy", np.ones((2, 1, 32, 32), "uint8"))
    np.save(tmp_path / "spectra.npy", np.full((2, 3, 5), -0.2, "float32"))
    words = ["--data", str(tmp_path), "--data.pixels", "32", "--data.grid", "16", "--data.n_wavelengths", "5"]
    status = pack.main([*words, "--out", str(tmp_path / "one.h5")])
    fails_cleanly(capsys, status, "patterns.npy: cannot be read as HDF5")
