"""The verb that designs a router: from a run to a verified file, and its refusals."""

import keras
import numpy as np
import pytest
from helpers.checks import fails_cleanly
from helpers.metasurface import SCALAR

from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.training import backend
from kmodels.metasurface.data import load
from kmodels.metasurface.evaluation.router import efficiency
from kmodels.metasurface.network.model import build
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator.scalar import ScalarSolver
from kmodels.metasurface.simulator.structures import packaged
from kmodels.metasurface.studies import design

SMALL = SCALAR.with_changes(RECIPE.SMOKE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose network has learned nothing, of a model that the registry knows."""
    made = Run.create(tmp_path_factory.mktemp("runs"), SMALL, backend.current(), None, True)
    keras.saving.save_model(build(SMALL, 1), made.path / "model.keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "NAMES", ("metasurface",))
        yield made.path


def test_designs_are_verified_written_and_compared(run, tmp_path, capsys):
    out = tmp_path / "design.h5"
    words = ["--run", str(run), "--out", str(out), "--starts", "3", "--steps", "2", "--random", "5"]
    status = design.main(words)
    said = capsys.readouterr().out
    assert status in (0, 1) and ("beats" in said) == (status == 0) and "network - simulator" in said
    made = load.load(out, SMALL)
    solved = ScalarSolver(SMALL.data).solve(made.patterns()[0]).transmitted
    np.testing.assert_allclose(made.spectra[0], solved, atol=1e-6)
    ranked = efficiency(made.spectra, made.wavelength, made.pixel_order, SMALL.data.wavelength)
    assert (np.diff(ranked) <= 0).all() and f"{ranked[0]:.4f}" in said
    assert out.with_suffix(".png").stat().st_size > 10_000 and "edge moved by a pixel, 31.2 nm" in said


def test_edges_move_by_a_pixel_across_the_period():
    pattern = np.zeros((8, 8), "uint8")
    pattern[:3, 2:5] = 1
    wider, narrower = design.moved_edges(pattern)
    assert narrower.sum() == 1 and narrower[1, 3] == 1  # 3 x 3 without its rim
    assert wider.sum() == 9 + 12 and wider[7, 3] == 1 and wider[3, 3] == 1  # a row above the first is the last


def test_a_run_on_packaged_structures_is_compared_with_these():
    recipe = RECIPE().with_changes({"data": {"n_structures": 20}})

    class Args:
        random, seed = 12, 0

    found = design._simulate_random(Args, recipe.data)
    patterns, spectra, about = packaged(recipe.data)
    np.testing.assert_array_equal(found, spectra[:12].reshape(12, -1))
    assert len(patterns) == 20 and about["solver"] == "rcwa"


@pytest.mark.parametrize(
    "words, said",
    [
        (["--target", "purple"], "--target purple: there are bayer, blue, green, red"),
        (["--out", "design.csv"], "--out design.csv: the suffix must be .h5"),
        (["--starts", "0"], "--starts 0: expected 1 or more"),
        (["--run", "nowhere"], "nowhere: no run folder"),
    ],
)
def test_what_cannot_be_designed_is_refused(run, capsys, words, said):
    usual = ["--run", str(run)] * ("--run" not in words) + ["--out", "design.h5"] * ("--out" not in words)
    status = design.main([*usual, *words])
    fails_cleanly(capsys, status, said)
