"""The verb that tunes a network on rigorous structures: what it compares, and its refusals."""

import json

import keras
import pytest
from helpers.checks import fails_cleanly
from helpers.metasurface import SCALAR

from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.training import backend
from kmodels.metasurface.network.model import build
from kmodels.metasurface.recipe import RECIPE
from kmodels.metasurface.simulator import structures
from kmodels.metasurface.studies import transfer

pytestmark = pytest.mark.usefixtures("eager")
SMALL = SCALAR.with_changes(RECIPE.SMOKE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run whose network has learned nothing, folder of a few structures of its geometry)."""
    run = Run.create(tmp_path_factory.mktemp("runs"), SMALL, backend.current(), None, True)
    keras.saving.save_model(build(SMALL, 1), run.path / "model.keras")
    folder = tmp_path_factory.mktemp("structures")
    few = SMALL.with_changes({"seed": 3, "data": {"n_structures": 12, "n_wavelengths": 61}})
    structures.simulate(few, folder, lambda done, total: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "NAMES", ("metasurface",))
        yield str(run.path), str(folder)


def test_the_tuned_network_is_compared_on_the_other_half(made, tmp_path, capsys):
    """Every second wavelength of the file is one of the run's; the solver of this file is the scalar one, so exact."""
    run, folder = made
    out = tmp_path / "transfer.json"
    status = transfer.main(["--run", run, "--data", folder, "--out", str(out), "--steps", "3"])
    said, found = capsys.readouterr().out, json.loads(out.read_text())
    scores = {name: of["metrics"] for name, of in found["scores"].items()}
    assert set(scores) == {"before tuning", "tuned", "from scratch", "scalar solver", "mean spectrum"}
    assert found["sizes"] == {"train": 6, "test": 6} and status == 1
    assert scores["scalar solver"]["mae"] < 1e-6 and scores["mean spectrum"]["r2"] == pytest.approx(0, abs=1e-6)
    assert len({of["mae"] for of in scores.values()}) == 5, "three steps have changed what is said"
    assert all(name in said for name in scores) and out.with_suffix(".png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "words, said",
    [
        (["--steps", "0"], "--steps: 1 or more"),
        (["--out", "scores.txt"], "--out scores.txt: the suffix must be .json"),
        (["--run", "nowhere"], "nowhere: no run folder"),
        (["--data", "nowhere.h5"], "nowhere.h5: no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_refused(made, capsys, words, said):
    run, folder = made
    usual = {"--run": run, "--data": folder, "--out": "scores.json"} | {words[0]: words[1]}
    fails_cleanly(capsys, transfer.main([word for pair in usual.items() for word in pair]), said)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"height": 500.0}, "attribute height = 500.0; the recipe has data.height = 600.0"),
        ({"n_wavelengths": 11}, "wavelength: no 4"),
    ],
)
def test_structures_of_another_geometry_or_spacing_are_refused(made, tmp_path, capsys, changes, said):
    other = SMALL.with_changes({"data": {"n_structures": 8, **changes}})
    structures.simulate(other, tmp_path, lambda done, total: None)
    words = ["--run", made[0], "--data", str(tmp_path), "--out", str(tmp_path / "scores.json")]
    fails_cleanly(capsys, transfer.main(words), said)
