"""Loading a run or a data file executes nothing, writes nothing beside itself and reads no other file."""

import json
import pickle
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import psutil
import pytest
from helpers.checks import fails_cleanly
from keras import layers

from kmodels import evaluate
from kmodels.core.cli import parse
from kmodels.core.io import netcdf
from kmodels.core.runs.predictor import Predictor
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

FLAG = []


def trip(*args):
    """Leave a trace."""
    FLAG.append(1)
    return args[0] if args else None


class Evil:
    """Unpickled, or made from a configuration, it leaves a trace."""

    def __reduce__(self):
        return trip, ()

    @classmethod
    def from_config(cls, config):
        trip()


@pytest.fixture(autouse=True)
def nothing_was_executed():
    FLAG.clear()
    yield
    assert FLAG == []


def pickled_array() -> np.ndarray:
    values = np.empty(4, object)
    values[:] = Evil()
    return values


def refused(name, path, said, **changes):
    recipe = registry.recipe_type(name)().with_changes(changes)
    with pytest.raises(UserError, match=said):
        registry.task(name).load(path, recipe)


def test_numpy_files_with_pickles_are_refused(tmp_path):
    assert pickle.loads(pickle.dumps(Evil())) is None and FLAG.pop(), "the trap works"
    np.savez(tmp_path / "run.npz", terrain=pickled_array(), source_q=1, source_h=1, conc=1)
    refused("plume", tmp_path / "run.npz", r"run\.npz: cannot be read as a NumPy archive")
    days = tmp_path / "days"
    (days / "X_lr").mkdir(parents=True), (days / "Y_hr").mkdir()
    for place in ("X_lr/day_000000.npy", "Y_hr/day_000000.npy", "statics.npy"):
        np.save(days / place, pickled_array())
    refused("precip", days, r"statics\.npy: cannot be read as a NumPy array")
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    (rooms / "train.csv").write_text("depth path,audio path left,audio path right\nd.npy,d.npy,d.npy\n")
    np.save(rooms / "d.npy", pickled_array())
    refused("echo", rooms, r"d\.npy: cannot be read as a NumPy array")


def test_a_pickle_in_the_place_of_a_table_is_refused(tmp_path):
    for suffix in (".parquet", ".csv"):
        path = tmp_path / f"trace{suffix}"
        path.write_bytes(pickle.dumps(Evil()))
        refused("nand", path, r"trace\.(parquet|csv): cannot be read")


@pytest.mark.parametrize(
    "tag", ["python/object/apply:os.system", "python/object/new:os.system", "python/name:os.system"]
)
def test_yaml_constructs_no_objects(tmp_path, tag):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"seed: !!{tag} ['touch {tmp_path}/evil']\n")
    with pytest.raises(UserError, match="could not determine a constructor"):
        parse.read_yaml(path)
    layer = parse.command_line(registry.recipe_type("nand"), ["--seed", f"!!{tag} ['touch {tmp_path}/evil']"])
    with pytest.raises(UserError, match=r"seed = .!!python"):
        parse.resolve(registry.recipe_type("nand"), [layer])
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def unpickling_zarr(place, name):
    """A Zarr array of strings which its metadata say are pickled."""
    array = place / name
    array.mkdir(parents=True)
    (place / ".zgroup").write_text('{"zarr_format": 2}')
    codecs = {"filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}], "compressor": None}
    metadata = {"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "|O", "fill_value": 0, "order": "C"}
    (array / ".zarray").write_text(json.dumps(metadata | codecs))
    (array / ".zattrs").write_text(f'{{"_ARRAY_DIMENSIONS": ["{name}"]}}')
    (array / "0").write_bytes(pickle.dumps(Evil()))


def test_zarr_that_asks_to_be_unpickled_is_refused(tmp_path):
    place = tmp_path / "coarse.zarr"
    unpickling_zarr(place, "day")
    with pytest.raises(UserError, match=r"coarse\.zarr: cannot be read as Zarr: Pickle\.decode is disabled"):
        netcdf.opened(place)


# -- HDF5 that reaches for other files -------------------------------------------------------------------------------


def external_link(file, name, other):
    file[name] = h5py.ExternalLink(str(other), "/values")


def soft_link(file, name, other):
    external_link(file, "inside/values", other)
    file[name] = h5py.SoftLink("/inside/values")


def external_storage(file, name, other):
    file.create_dataset(name, (4, 2), "f4", external=[(str(other), 0, 32)])


def virtual(file, name, other):
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource(str(other), "values", (4, 2))
    file.create_virtual_dataset(name, layout)


REACHES = [external_link, soft_link, external_storage, virtual]


@pytest.fixture
def other(tmp_path):
    """A file that another one reaches for."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.ones((4, 2), "f4")
    return tmp_path / "other.h5"


@pytest.mark.parametrize("reach", REACHES)
def test_hdf5_that_reaches_for_another_file_is_refused(tmp_path, other, reach):
    for path, name in ((tmp_path / "evil.nc", "values"), (tmp_path / "evil.h5", "patterns")):
        with h5py.File(path, "w") as file:
            reach(file, name, other)
    with pytest.raises(UserError, match=r"evil\.nc: values: lies in another file"):
        netcdf.opened(tmp_path / "evil.nc")
    refused("metasurface", tmp_path / "evil.h5", r"evil\.h5: patterns: expected a dataset of this file")


# -- models ----------------------------------------------------------------------------------------------------------


def a_model() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(2)])


def rewritten(path, name, content):
    """Put other bytes in the place of a part of a saved model."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for part, old in parts.items():
            archive.writestr(part, content if part == name else old)


def with_config(path, change):
    """Change config.json of a saved model."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    rewritten(path, "config.json", json.dumps(config))


def as_function(config):
    config["config"]["layers"][-1]["config"]["activation"] = {
        "module": __name__,
        "class_name": "function",
        "config": "trip",
        "registered_name": "trip",
    }


def as_class(config):
    config |= {"module": __name__, "class_name": "Evil", "registered_name": None, "config": {}}
    del config["compile_config"]


def as_function_of_ours(config):
    config |= {
        "module": "kmodels.core.cli.console",
        "class_name": "say",
        "registered_name": None,
        "config": {"text": "evil"},
    }


def as_layer(config):
    config["config"]["layers"][-1] |= {"module": __name__, "class_name": "Evil", "registered_name": None}


@pytest.fixture
def run_of(tmp_path):
    """A finished run whose model is what a test makes of it."""
    run = Run.create(tmp_path, registry.recipe_type("nand")(), keras.config.backend(), None, True)
    a_model().save(run.path / "model.keras")
    return run


@pytest.mark.parametrize("change", [as_function, as_class, as_layer, as_function_of_ours])
def test_a_model_that_names_what_is_no_part_of_one_is_refused(run_of, change, capsys):
    with_config(run_of.path / "model.keras", change)
    with pytest.raises(UserError, match=r"model\.keras: damaged or not a model of this kmodels"):
        Predictor.open(run_of.path)
    fails_cleanly(capsys, evaluate.main(["--run", str(run_of.path)]), "model.keras: damaged")


def with_kernel(path, weights, put, layer=None):
    """Remove the kernel of a saved model's layer, the only one, and put(file, name) something in its place."""
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        (found,) = [layer] if layer else (each for each in file["layers"] if len(file[f"layers/{each}/vars"]))
        name = f"layers/{found}/vars/0"
        del file[name]
        put(file, name)
    rewritten(path, "model.weights.h5", weights.read_bytes())


@pytest.mark.parametrize("reach", REACHES)
def test_weights_that_lie_in_another_file_are_refused(run_of, tmp_path, other, reach):
    path, weights = run_of.path / "model.keras", tmp_path / "weights.h5"
    with_kernel(path, weights, lambda file, name: file.create_dataset(name, data=np.ones((4, 2), "f4")))
    assert Predictor.open(run_of.path).model.get_weights()[0].min() == 1, "the trap is where it should be"
    with_kernel(path, weights, lambda file, name: reach(file, name, other))
    with pytest.raises(UserError, match=r"model\.keras: damaged or not a model of this kmodels"):
        Predictor.open(run_of.path)


@pytest.fixture
def old_run(tmp_path):
    """A run of an earlier version, whose model is upgraded as it is loaded."""
    saved = Path(__file__).parents[2] / "fixtures" / "saved_runs" / "plume"
    return Run.open(shutil.copytree(saved, tmp_path / "old", ignore=shutil.ignore_patterns("data", "*.npz", "*.csv")))


def giant_chunk(file, name, other):
    shape = (3, 3, 3, 2, 3)
    file.create_dataset(name, shape, "f4", maxshape=(None,) * 5, chunks=(3, 3, 3, 2, 2**24), compression="gzip")


@pytest.mark.parametrize("put", [*REACHES, giant_chunk])
def test_weights_of_an_old_model_that_are_no_plain_arrays_are_refused(old_run, tmp_path, other, put):
    path, weights = old_run.path / "model.keras", tmp_path / "weights.h5"
    with_kernel(path, weights, lambda file, name: put(file, name, other), layer="conv3d")
    with pytest.raises(UserError, match=r"model\.keras: damaged or not .*/layers/conv3d/vars/0: not a plain array"):
        Predictor.open(old_run.path)


@pytest.mark.parametrize("layer", ["conv3d/vars", "conv3d"])
def test_groups_of_an_old_model_that_lie_in_another_file_are_refused(old_run, tmp_path, other, layer):
    path, weights = old_run.path / "model.keras", tmp_path / "weights.h5"
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        del file[f"layers/{layer}"]
        file[f"layers/{layer}"] = h5py.ExternalLink(str(other), "/")
    rewritten(path, "model.weights.h5", weights.read_bytes())
    with pytest.raises(UserError, match=r"model\.keras: damaged or not .*: weights of .*frame.* are missing"):
        Predictor.open(old_run.path)


def test_the_arguments_of_an_old_model_make_no_objects(old_run):
    evil = {"module": __name__, "class_name": "Evil", "registered_name": None, "config": {}}
    for name in ("policy", "filters", "shape", "architecture"):
        with_config(old_run.path / "model.keras", lambda config, name=name: config["config"].update({name: evil}))
        with pytest.raises(UserError, match=r"model\.keras: damaged or not a model of this kmodels"):
            Predictor.open(old_run.path)


def test_a_member_larger_than_memory_is_not_unpacked(old_run, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e5))
    with pytest.raises(UserError, match=r"model\.weights\.h5: 0\.000126 GB, more than half of the free memory"):
        Predictor.open(old_run.path)


def test_a_model_with_code_in_it_is_refused(run_of):
    evil = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: (x, __import__("test_no_code").trip())[0])])
    evil.save(run_of.path / "model.keras")
    FLAG.clear()
    with pytest.raises(UserError, match=r"model\.keras: damaged or not a model of this kmodels"):
        Predictor.open(run_of.path)


def test_paths_in_a_models_archive_stay_in_it(run_of, tmp_path):
    path = run_of.path / "model.keras"
    before = {p for p in tmp_path.rglob("*")}
    with zipfile.ZipFile(path, "a") as archive:
        for name in (
            "../evil",
            f"{tempfile.gettempdir()}/kmodels-evil",
            "assets/../../evil",
            "assets/layers/../../../evil",
        ):
            archive.writestr(name, "evil")
    try:
        Predictor.open(run_of.path)
    except UserError as error:
        assert "model.keras: damaged" in str(error)
    assert {p for p in tmp_path.rglob("*")} == before
    assert not Path(tempfile.gettempdir(), "kmodels-evil").exists() and not Path("evil").exists()


def test_a_state_with_a_pickle_is_refused(run_of):
    folder = run_of.checkpoints / "step-000000001"
    folder.mkdir(parents=True)
    np.savez(folder / "variables.npz", **{"00000": pickled_array()})
    (folder / "state.json").write_text('{"step": 1, "history": [], "seconds": 0, "live": {}}')
    with pytest.raises(UserError, match="step-000000001: damaged: Object arrays cannot be loaded"):
        run_of.load_state()
