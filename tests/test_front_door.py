"""What `import kmodels` gives: functions, models and errors, without a backend until one is needed."""

import inspect
import re
import types
from pathlib import Path

import numpy as np
import pytest
from helpers.checks import run_python

import kmodels
from kmodels.core.cli import parse
from kmodels.core.spec.errors import UserError
from kmodels.nand.recipe import NandRecipe

SMALL = {"data.n_sequences": 200, "data.seq_len": 20, "model.hidden": 4, "model.num_layers": 1, "train.epochs": "1"}
SMALL |= {"model.bidirectional": False, "model.sequence_order": "time", "train.hard_negatives": False}  # soon traced


@pytest.mark.parametrize(
    "first",
    [
        "import kmodels",
        "import kmodels.fit, kmodels.read, kmodels.simulate",
        "from kmodels.fit import main",
        "from kmodels import fit",
        "import importlib; importlib.import_module('kmodels.fit')",
        "import kmodels.fit as fit; assert callable(fit)",
    ],
)
def test_the_functions_are_never_hidden_by_their_modules(first):
    code = f"""
{first}
import sys, kmodels, types
assert all(isinstance(f, types.FunctionType) for f in (kmodels.fit, kmodels.read, kmodels.simulate, kmodels.load))
from kmodels.fit import main
import kmodels.fit
assert kmodels.fit is sys.modules["kmodels.fit"].fit and main is sys.modules["kmodels.fit"].main
assert isinstance(kmodels.fit, types.FunctionType)
assert not {{"keras", "tensorflow", "jax", "torch"}} & set(sys.modules)
"""
    run_python("-c", code, check=0)


def test_all_that_is_exported_is_there_and_the_nearest_name_is_told():
    assert {"fit", "read", "simulate", "load", "layers", "nand", "plume", "precip"} <= set(dir(kmodels))
    assert set(kmodels.__all__) <= set(dir(kmodels))
    assert isinstance(kmodels.nand, types.ModuleType)
    with pytest.raises(AttributeError, match=r"did you mean simulate\?"):
        kmodels.simulat  # noqa: B018
    for package, name, said in (
        (kmodels, "EchoNet", "it is kmodels.echo.EchoNet"),
        (kmodels.echo, "EchoNett", "did you mean EchoNet?"),
        (kmodels.layers, "ConvLSTM3d", "did you mean ConvLSTM3D?"),
    ):
        with pytest.raises(AttributeError, match=re.escape(f"; {said}")):
            getattr(package, name)
    assert kmodels.nand.NandGenerator is kmodels.nand.generator.NandGenerator
    for model in ("nand", "plume", "precip", "metasurface", "echo"):
        assert callable(getattr(kmodels, model).load)


def test_simulate_read_fit_and_predict(tmp_path, monkeypatch):
    folder = kmodels.simulate("nand", out=tmp_path / "made", seed=3, **{"data.n_sequences": 200, "data.seq_len": 20})
    assert folder == tmp_path / "made" and (folder / "trace.parquet").exists()
    records = kmodels.read("nand", folder)
    assert len(records) == 200 and records.invalid.sum() == 100

    from kmodels.core.spec import registry

    monkeypatch.setattr(type(registry.task("nand")), "load", None)  # fit has read the data before: it is read once
    run = kmodels.fit("nand", data=str(folder), out=tmp_path / "runs", **SMALL)
    assert run.path.parent == tmp_path / "runs" and run.recipe.train.epochs == 1
    assert run.report["sizes"] == {"train": 140, "validation": 30, "test": 30}
    found = run.predictor.predict(records).frame()
    assert len(found) == 200 and run.predictor is run.predictor
    again = kmodels.load(run.path).predict(records).frame()
    assert again.equals(found)


@pytest.mark.parametrize(
    "model, keywords, said",
    [
        ("nnad", {}, "there is no model 'nnad'; did you mean nand?"),
        ("nand", {"smoek": True}, "fit: no such keyword: smoek; did you mean smoke?"),
        ("nand", {"lr": 0.1}, "keyword 'lr': no such key: lr = 0.1; did you mean train.learning_rate?"),
        ("nand", {"train.epoch": 3}, "did you mean train.epochs?"),
        ("nand", {"model.encoding": "slot"}, "did you mean 'slots'?"),
        ("nand", {"train.epochs": 2.5}, "keyword 'train.epochs': train.epochs = 2.5"),
        ("nand", {"variant": "flawd"}, "nand has no variant 'flawd'; did you mean flawed?"),
        ("nand", {"data": "nowhere.csv"}, "nowhere.csv: no such file or folder"),
        ("nand", {"backend": "tensorflw"}, "backend 'tensorflw' is unknown; did you mean tensorflow?"),
        ("nand", {"config": "nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_what_does_not_exist_is_told_with_the_nearest(model, keywords, said, tmp_path):
    with pytest.raises((UserError, FileNotFoundError)) as caught:
        kmodels.fit(model, out=tmp_path / "runs", **keywords)
    assert said in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_values_are_pythons_own_or_words_of_a_command_line():
    values = {
        "train.epochs": np.int64(3),
        "train.learning_rate": "1e-3",
        "data.split": np.array([0.5, 0.25, 0.25]),
        "data.strategies": ("page_hop",),
        "model.encoding": "slots",
        "model": {"hidden": 8, "num_layers": 1},
    }
    recipe = parse.resolve(NandRecipe, [parse.keywords(NandRecipe, values)])
    assert (recipe.train.epochs, recipe.train.learning_rate) == (3, 1e-3)
    assert recipe.data.split == (0.5, 0.25, 0.25) and recipe.data.strategies == ("page_hop",)
    assert (recipe.model.hidden, recipe.model.num_layers, recipe.model.encoding) == (8, 1, "slots")


@pytest.mark.parametrize("function", [kmodels.fit, kmodels.read, kmodels.simulate, kmodels.load])
def test_every_keyword_is_described(function):
    words = [word for word in inspect.signature(function).parameters if word != "fields"]
    assert all(word in function.__doc__ for word in words)
    assert Path(inspect.getsourcefile(function)).stem in ("predictor", function.__name__)
