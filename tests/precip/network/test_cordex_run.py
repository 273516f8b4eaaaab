"""A folder in the form of CORDEX ML-Bench from end to end: simulated, trained on, evaluated, predicted, checked."""

import json
import shutil

import numpy as np
import pytest
from helpers.cf_check import check_cf
from helpers.small_days import contents, rewrite

import kmodels
from kmodels.core.spec.errors import UserError
from kmodels.fit import main as fit
from kmodels.precip.data.variables import SIMULATED_ALOFT
from kmodels.predict import main as predict

pytestmark = pytest.mark.filterwarnings("ignore:Even though the .tf.config")  # tf.data has functions of its own
GRID = {"data.grid.ny": 16, "data.grid.nx": 24, "data.grid.coarse_ny": 5, "data.grid.coarse_nx": 6}
DAYS = {"data.n_days": 40, "data.outer_scale": 4.0}
SMALL = ["--smoke", "--train.epochs", "1", "--model.base_filters", "2", "--model.members", "3"]
SMALL += ["--data.block_days", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cordex") / "days"
    return kmodels.simulate("precip", out, variant="cordex", **GRID, **DAYS)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory, eager_file):
    """Trained on the folder alone: its sizes, and that grids do not nest, are taken from it."""
    out = tmp_path_factory.mktemp("runs")
    words = ["--model", "precip", "--data", str(folder), "--data.rain_units", "mm/day", "--out", str(out), *SMALL]
    assert fit(words) == 0
    return next(path for path in out.iterdir() if path.is_dir())


def test_the_report_has_climatology_and_says_what_is_left_out(run):
    report = json.loads((run / "report.json").read_text())
    assert {"climatology"} <= set(report["baselines"]) <= {"climatology", "untrained"}
    assert report["metrics"]["crps"] > 0 and report["metrics"]["crps_ratio_rainfarm"] is None
    assert any("RainFARM and the conditioned Gaussian field" in note for note in report["notes"])
    assert (run / "report.html").exists()


def test_predict_writes_the_projection(run, folder, tmp_path):
    """From the predictors and the static file alone."""
    out = tmp_path / "ensemble.nc"
    words = ["--run", str(run), "--data", str(folder / "predictors"), "--members", "2", "--out", str(out)]
    assert predict(words) == 0
    done = check_cf(out)
    assert done.returncode == 0, done.stdout + done.stderr
    written, static = contents(out), contents(folder / "predictors/Static_fields.nc")
    assert written.pr.dims == ("realization", "time", "y", "x") and written.pr.attrs["units"] == "kg m-2 s-1"
    assert written.pr.attrs["grid_mapping"] == "crs" and written.crs.attrs == static.crs.attrs
    for axis in "xy":
        np.testing.assert_array_equal(written[axis], static[axis])
        assert written[axis].attrs["standard_name"] == f"projection_{axis}_coordinate"
    np.testing.assert_array_equal(written.lat, static.lat)
    assert np.isfinite(written.pr).all() and written.pr.std("realization").max() > 0


def test_a_run_remembers_how_the_grids_lie(run, folder, tmp_path):
    """Loaded again it has the same places; predictors that lie elsewhere are refused."""
    predictor = kmodels.load(run)
    grid = predictor.recipe.data.grid
    assert not grid.nested and grid.coarse_shape == (5, 6)
    assert predictor.model.architecture.names == SIMULATED_ALOFT
    moved = shutil.copytree(folder / "predictors", tmp_path / "predictors")
    rewrite(
        moved / "simulated-00000.nc",
        lambda data: data.assign_coords(lon=("lon", data.lon.values + 1, data.lon.attrs)),
    )
    with pytest.raises(UserError, match=r"lies up to 0\.5 of its cells elsewhere than in the training"):
        predictor.sample(moved, members=2)
