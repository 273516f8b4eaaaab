"""Runs that an earlier kmodels wrote still open, predict the same numbers and go on with their training.

tests/fixtures/saved_runs holds a small finished run of every model, written by the commit that made_by.json names, with
inputs of its network, what that commit's model gave for them on each backend, and what it predicted for a data file.
"""

import functools
import hashlib
import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kmodels
from kmodels import generate, predict
from kmodels.core.runs.predictor import Predictor
from kmodels.core.runs.run import Run
from kmodels.core.training import backend
from kmodels.fit import main as resume

SAVED = Path(__file__).parent / "fixtures" / "saved_runs"
MADE_BY = json.loads((SAVED / "made_by.json").read_text())
NAMES = ("nand", "nand.generator", "plume", "precip", "metasurface", "echo")
# The largest difference between two backends as a share of an output's range, 1e-6 where nothing else is said. nand:
# its probabilities have a range of 0.2 only, 1.1e-6 is 2e-7 of them. metasurface: torch's sums of waves are 2.4e-6 off.
APART = {"nand": 2e-6, "metasurface": 4e-6}
# Tables agree to 1e-5, relative and as a share of the column's largest number. precip's spread is that of means which
# the coarse rain fixes: rounding is all of it, and differs by 2.4e-4 between backends.
ROUNDING = {"spread": 1e-3}
RENAMED = {  # columns of tables: {name in the fixture: name today}
    "verdict": "valid",
    "suspected_step": "violation_index",
    "suspicion": "violation_probability",
    "suspected_violation": "violation_code",
    "illegal_step": "violation_index",
}
SINCE = {  # columns that tables have gained since, behind the others
    "nand": ["threshold", "threshold_name", "operation", "rule"],
    "nand.generator": ["valid", "surprise", "threshold", "threshold_name", "operation", "rule"],
}


def processor() -> str:
    """What decides the last bit: the processor's name and what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    kinds = ("model name", "cpu family", "model\t", "flags")
    facts = [next((line for line in lines if line.startswith(kind)), "") for kind in kinds]
    return f"{facts[0].partition(':')[2].strip()}, {hashlib.sha256(''.join(facts).encode()).hexdigest()[:8]}"


def is_where_it_was_made() -> bool:
    """Whether this process computes as the one that wrote the fixtures: same processor, Keras and backend."""
    names = ("keras", backend.current())
    same = all(metadata.version(name) == MADE_BY["versions"][name] for name in names)
    return same and processor() == MADE_BY["processor"]


def arrays(path: Path) -> dict:
    with np.load(path) as file:
        return dict(file)


def assert_same(found, expected, tolerance: float):
    """Equal bit for bit where the fixtures were made, elsewhere to the tolerance."""
    if is_where_it_was_made():
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def as_today(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the fixtures in the columns and words of today."""
    if "verdict" in table:  # a place was named for valid sequences, too
        valid = table["verdict"] == "valid"
        table = table.assign(verdict=valid)
        table.loc[valid, ["suspected_step", "suspected_violation"]] = [-1, "none"]
    return table.rename(columns=RENAMED)


def assert_same_table(found: pd.DataFrame, path: Path):
    expected = as_today(pd.read_csv(path))
    gained = SINCE.get(path.parent.name, []) if path.name == "frame.csv" else []
    assert list(found.columns) == [*expected.columns, *gained]
    for name in expected:
        theirs, ours = expected[name], found[name]
        if theirs.dtype.kind == "f" and theirs.notna().any():
            bound = ROUNDING.get(name, 1e-5)
            ours, theirs = ours.to_numpy("float64"), theirs.to_numpy()
            largest = np.abs(theirs[np.isfinite(theirs)]).max()
            np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound * largest, err_msg=name)
        else:
            assert ours.astype(str).replace("<NA>", "nan").tolist() == theirs.astype(str).tolist(), name


@pytest.fixture(scope="module", autouse=True)
def each_model_is_loaded_once():
    opened = functools.cache(Predictor.open)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "open", lambda path: opened(Path(path)))
        yield


@pytest.fixture(scope="module", params=NAMES)
def folder(request):
    return SAVED / request.param


@pytest.fixture(scope="module")
def predictor(folder):
    return kmodels.load(folder)


@pytest.fixture(scope="module")
def outputs(folder, predictor):
    found = predictor.model.predict_on_batch(arrays(folder / "inputs.npz"))
    return {name: np.asarray(value) for name, value in found.items()}


def test_run_and_report_are_read(folder):
    run = Run.open(folder)
    assert run.metadata["model"] == run.recipe.task == folder.name
    report = run.report
    assert report["model"] == folder.name and report["metrics"] and report["history"]


def test_outputs_are_those_of_then(folder, outputs):
    expected = arrays(folder / f"outputs_{backend.current()}.npz")
    assert outputs.keys() == expected.keys()
    for name, value in expected.items():
        assert_same(outputs[name], value, 1e-5)


@pytest.mark.parametrize("other", backend.NAMES)
def test_backends_agree(folder, outputs, other):
    bound = APART.get(folder.name, 1e-6)
    for name, value in arrays(folder / f"outputs_{other}.npz").items():
        np.testing.assert_allclose(outputs[name], value, rtol=0, atol=bound * np.ptp(value), err_msg=name)


def test_table_is_that_of_then(folder, predictor):
    data = folder / "data"
    if folder.name == "precip":
        table = predictor.sample(data, members=3, seed=5).frame()
    else:
        table = predictor.predict(data).frame()
    assert_same_table(table, folder / "frame.csv")


def test_saved_again_it_loads_where_kmodels_is_imported(folder, predictor, tmp_path):
    import keras

    predictor.model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert type(model) is type(predictor.model)
    for ours, theirs in zip(model.weights, predictor.model.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))


def test_plume_roll_out():
    plume = SAVED / "plume"
    assert_same_table(kmodels.load(plume).forecast(plume / "data", 2).frame(), plume / "forecast.csv")


def test_precip_fields(tmp_path):
    import xarray as xr

    precip, out = SAVED / "precip", tmp_path / "fields.nc"
    words = ("--run", precip, "--data", precip / "data", "--samples", 2, "--seed", 5, "--out", out)
    assert predict.main([str(word) for word in words]) == 0
    expected = arrays(precip / "fields.npz")["fields"]
    with xr.open_dataset(out) as written:
        (fields,) = (value for value in written.data_vars.values() if value.ndim == 4)
        assert fields.units == "kg m-2 s-1"
        rain = fields.isel(time=slice(2)).transpose("time", "realization", ...) * 86_400  # mm/day
        np.testing.assert_allclose(rain, expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_precip_posterior():
    precip = SAVED / "precip"
    found = kmodels.load(precip).sample(precip / "data", members=3, seed=5, mode="posterior")
    assert_same_table(found.frame(), precip / "posterior.csv")


@pytest.mark.parametrize(("options", "name"), [([], "generated.csv"), (["--free"], "free.csv")])
def test_generator_writes_the_same_sequences(tmp_path, options, name):
    generator, out = SAVED / "nand.generator", tmp_path / "new.csv"
    words = ("--run", generator, "--n", 3, "--seed", 5, "--out", out, *options)
    assert generate.main([str(word) for word in words]) == 0
    assert_same_table(pd.read_csv(out), generator / name)


@pytest.mark.skipif(backend.current() != "tensorflow", reason="a run goes on with the backend that it was begun on")
def test_an_unfinished_run_goes_on(tmp_path):
    """Stopped after the first of two epochs, its data moved since: it ends with the weights of the unbroken run."""
    begun = SAVED / "nand.unfinished"
    run = shutil.copytree(begun, tmp_path / "run")
    assert resume(["--resume", str(run), "--data", str(SAVED / "nand" / "data" / "trace.csv")]) == 0
    expected = json.loads((begun / "finished.json").read_text())
    for row, then in zip(Run.open(run).report["history"], expected, strict=True):
        assert {name: row[name] for name in then} == pytest.approx(then, rel=1e-3)
    if is_where_it_was_made():
        values, _ = Run.open(run).load_state()
        pairs = list(zip(values, arrays(begun / "finished.npz").values(), strict=True))
        others = [found.shape for found, value in pairs if not np.array_equal(found, value)]
        # The count of clipped steps no longer holds those of the mining; the threshold is chosen otherwise.
        assert set(others) <= {()} and len(others) <= 2
