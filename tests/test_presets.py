"""Presets: the networks that come with the package, their cards, and how one is made."""

import json
import shutil

import keras
import numpy as np
import pytest
from helpers import cards
from helpers.checks import ROOT, fails_cleanly

import kmodels
from kmodels import evaluate, predict, presets
from kmodels.core.cli import made_for
from kmodels.core.io import files
from kmodels.core.runs import user_data
from kmodels.core.runs.predictor import load_network
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.presets import make

FRESH = 9000  # of the data that a card is compared on


def test_there_are_presets_and_their_cards_are_whole():
    assert set(presets.names()) <= set(registry.NAMES) and "nand" in presets.names()
    for name in presets.names():
        card = presets.card(name)
        assert (presets.path(name) / presets.NETWORK).stat().st_size == card["bytes"] <= make.LARGEST
        assert card["model"] == name and card["trained"]["seed"] > 1000 and card["metrics"] and card["baselines"]
        headline = json.loads((ROOT / "configs" / "reports" / f"{name.replace('.', '_')}.report.json").read_text())
        assert card["trained"]["seed"] in headline["seeds"], "one of the headline's runs"


def test_an_unknown_preset_names_the_nearest(tmp_path, capsys):
    words = ["--data", "x.csv", "--out", str(tmp_path / "a.csv")]
    fails_cleanly(capsys, predict.main(["--preset", "nnad", *words]), "nnad", "nand")
    with pytest.raises(UserError, match="nand"):
        kmodels.from_preset("nnad")


@pytest.mark.parametrize("file", [presets.NETWORK, "recipe.yaml", presets.CARD])
def test_an_altered_or_truncated_preset_is_refused(file, tmp_path, monkeypatch, capsys):
    shutil.copytree(presets.path("nand"), tmp_path / "nand")
    monkeypatch.setattr(presets, "HERE", tmp_path)
    assert presets.path("nand") == tmp_path / "nand"
    content = (tmp_path / "nand" / file).read_bytes()
    words = [
        "--preset",
        "nand",
        "--data",
        str(ROOT / "examples" / "nand" / "trace.csv"),
        "--out",
        str(tmp_path / "a.csv"),
    ]
    for wrong in (content[: len(content) // 2], b"x" + content[1:], b""):
        (tmp_path / "nand" / file).write_bytes(wrong)
        said = fails_cleanly(capsys, predict.main(words), str(tmp_path / "nand" / file), "reinstall")
        assert len(said.splitlines()) == 1
    (tmp_path / "nand" / file).unlink()
    fails_cleanly(capsys, predict.main(words), "nand")
    with pytest.raises(UserError):
        kmodels.from_preset("nand")


def other_data(name, folder):
    """Write data of another kind than a preset's: of the smallest recipe, or with pages that the device has not."""
    if name.startswith("nand"):
        text = (ROOT / "examples" / "nand" / "trace.csv").read_text()
        head, first, *rest = text.splitlines()
        page = head.split(",").index("page")
        cells = first.split(",")
        rows = [",".join([*cells[:page], "9999", *cells[page + 1 :]]).replace("erase", "program"), *rest]
        (folder / "other.csv").write_text("\n".join([head, *rows]) + "\n")
        return folder / "other.csv"
    less = {"echo": {"data.n_rooms": 4, "data.max_depth": 6.0}, "plume": {"data.n_runs": 4, "data.frames": 8}}
    return kmodels.simulate(name, out=folder / "other", smoke=True, **less.get(name, {}))


@pytest.mark.parametrize("name", presets.names())
def test_data_that_a_preset_was_not_made_for_are_told_by_name(name, tmp_path, capsys):
    wanted = {"plume": "data.grid.nx", "precip": "data.grid.ny", "metasurface": "data.pixels", "echo": "data.max_depth"}
    data, run = other_data(name, tmp_path), Run.open(presets.path(name))
    try:
        user_data.load(run.recipe, data, labels=False)
        made_for.notice(run, data)  # the network takes any grid
        said = capsys.readouterr().err
        assert name == "plume"
    except UserError as error:
        said = str(made_for.refusal(error, run, data))
    field = wanted.get(name, "data.geometry.pages")
    assert f"preset {name} was made for " in said and f"kmodels fit --model {name} --data {data}" in said
    assert f"{field} {made_for._fields(run)[field]}" in said.partition("was made for")[2]


def test_faulty_data_are_not_called_data_of_another_kind(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("sequence,step,op,die,plane,block,page\n1,0,sing,0,0,3,4\n")
    words = ["--data", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "a.csv")]
    fails_cleanly(capsys, predict.main(["--preset", "nand", *words]), "sing")
    words = ["--data", str(other_data("nand", tmp_path)), "--out", str(tmp_path / "a.csv")]
    fails_cleanly(capsys, predict.main(["--preset", "nand", *words]), "9999", "preset nand was made for", "kmodels fit")


def test_a_preset_answers_on_a_file(tmp_path):
    folder = kmodels.simulate("nand", out=tmp_path / "traces", **{"data.n_sequences": 40})
    words = ["--data", str(folder), "--out", str(tmp_path / "out.csv")]
    assert predict.main(["--preset", "nand", *words]) == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 41


def test_a_preset_is_made_of_a_run(smoke_runs, tmp_path, monkeypatch):
    """It predicts what the run does, without the optimizer; its card is of what was written, and can be made anew."""
    run = smoke_runs("nand.generator")
    assert make.main(["--run", str(run), "--out", str(tmp_path)]) == 0
    folder = tmp_path / "nand.generator"
    card = json.loads((folder / presets.CARD).read_text())
    assert card["sha256"] == {name: files.sha256(folder / name) for name in presets.KEPT}
    assert card["significant_bits"] == make.BITS[0]
    assert card["bytes"] < (run / presets.NETWORK).stat().st_size / 2
    written, trained = (load_network(path / presets.NETWORK) for path in (folder, run))
    for ours, theirs in zip(written.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    report = json.loads((run / "report.json").read_text())
    assert card["metrics"] == pytest.approx(report["metrics"], nan_ok=True)
    assert set(card["baselines"]) == set(report["baselines"]) and "untrained" in card["baselines"]
    monkeypatch.setattr(presets, "HERE", tmp_path)
    assert make.main(["--preset", "nand.generator", "--out", str(tmp_path)]) == 0
    renewed = json.loads((folder / presets.CARD).read_text())
    assert presets.path("nand.generator") == folder and renewed["trained"] == card["trained"]
    assert renewed["metrics"] == pytest.approx(card["metrics"], nan_ok=True)
    assert set(renewed["baselines"]) == set(card["baselines"])


def test_limits_are_those_of_the_models_own_package(tmp_path, monkeypatch):
    assert make._limits("nand.generator") == "kmodels/nand/README.md#limits"
    monkeypatch.setattr(registry, "plugged", lambda: {"ring": "bells.ring"})
    monkeypatch.setattr(registry, "folder", lambda name: tmp_path)
    assert make._limits("ring") == "nowhere: bells/ring/README.md has no part called Limits"
    (tmp_path / "README.md").write_text("# ring\n\n## Limits\n\nOne bell.\n")
    assert make._limits("ring") == "bells/ring/README.md#limits"
    assert make._licence("ring") == "that of bells; trained on data that bells simulated"


def test_a_large_network_is_rounded_and_a_larger_one_refused(tmp_path, monkeypatch):
    inputs = keras.Input((64,))
    model = keras.Model(inputs, keras.layers.Dense(512)(inputs))
    model.set_weights([np.random.default_rng(k).normal(size=v.shape) for k, v in enumerate(model.get_weights())])
    monkeypatch.setattr(make, "LARGEST", 100_000)
    assert make._write(model, tmp_path / presets.NETWORK) == 11
    found = keras.saving.load_model(tmp_path / presets.NETWORK).get_weights()[0]
    np.testing.assert_allclose(found, model.get_weights()[0], rtol=2**-11)
    assert (found != model.get_weights()[0]).any()
    monkeypatch.setattr(make, "LARGEST", 10_000)
    with pytest.raises(UserError, match="at most"):
        make._write(model, tmp_path / presets.NETWORK)
    assert not (tmp_path / presets.NETWORK).exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", presets.names())
def test_a_card_holds_on_fresh_data(name):
    """Each headline metric's interval on data of another seed meets that of the card."""
    found = cards.compared(name, FRESH)
    assert len(found) > 2 and cards.apart(found) == [], found


def test_evaluate_takes_one_of_run_and_preset(capsys):
    fails_cleanly(capsys, evaluate.main([]), "one of the arguments --run --preset is required")
