"""The verb that designs a router: from a run to a verified file, and its refusals."""

import keras
import numpy as np
import pytest
from helpers.checks import fails_cleanly

from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.training import backend
from kmodels.metasurface.data import load
from kmodels.metasurface.evaluation.router import efficiency
from kmodels.metasurface.network.model import build
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator.scalar import ScalarSolver
from kmodels.metasurface.studies import design

SMALL = RECIPE().with_changes(RECIPE.SMOKE)


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
    assert out.with_suffix(".png").stat().st_size > 10_000


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
