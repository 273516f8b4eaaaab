"""The verb generate as people call it."""

import argparse

import pandas as pd
import pytest
from helpers.checks import fails_cleanly

import kmodels
from kmodels import generate, predict
from kmodels.core.cli import cli
from kmodels.core.runs.run import Run
from kmodels.core.training import backend
from kmodels.nand.data.load import load
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.recipe import NandRecipe


@pytest.fixture(scope="module")
def runs(tmp_path_factory, smoke_runs):
    """A smoke run of the generator, and one, begun, of a model that generates nothing."""
    other = Run.create(tmp_path_factory.mktemp("others"), NandRecipe(), backend.current(), None, True)
    return {"RUN": smoke_runs("nand.generator"), "NAND": other.path}


def test_the_generator_is_a_variant_of_nand():
    words = argparse.Namespace(model="nand", variant="generator", config=None, smoke=True)
    assert cli.recipe(words, []) == GeneratorRecipe().with_changes(GeneratorRecipe.SMOKE)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_generate_writes_legal_sequences_that_the_loader_reads(runs, tmp_path, capsys, suffix):
    words = ["--run", str(runs["RUN"]), "--n", "30", "--out", str(tmp_path / f"new{suffix}")]
    assert generate.main(words) == 0
    assert "30 sequences written" in capsys.readouterr().out.replace("\n", " ")
    recipe = kmodels.load(runs["RUN"]).recipe
    made = load(tmp_path / f"new{suffix}", recipe)
    assert len(made) == 30 and not RuleChecker(recipe.data).check(made).invalid.any()
    assert made.name.astype(int).tolist() == list(range(30))
    assert generate.main([*words[:-1], str(tmp_path / f"again{suffix}")]) == 0
    assert load(tmp_path / f"again{suffix}", recipe).frame().equals(made.frame())


def test_free_generation_says_which_are_illegal(runs, tmp_path):
    out = tmp_path / "free.csv"
    words = ["--run", str(runs["RUN"]), "--n", "50", "--out", str(out), "--free", "--temperature", "2", "--seed", "3"]
    assert generate.main(words) == 0
    table = pd.read_csv(out)
    assert 0 < table.groupby("sequence")["valid"].first().mean() + 0.01 < 1
    assert table.loc[~table["valid"], "strategy"].notna().all()


def test_predict_scores_a_users_sequences(runs, tmp_path):
    header = "sequence,step,op,die,plane,block,page\n"
    legal, illegal = "a,0,erase,0,2,17,\na,1,program,0,2,17,0\n", "b,0,erase,0,2,17,\nb,1,program,0,2,17,5\n"
    (tmp_path / "mine.csv").write_text(header + legal + illegal)
    words = ["--run", str(runs["RUN"]), "--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out.csv")]
    assert predict.main(words) == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["sequence"].tolist() == ["a", "b"] and found["violation_index"].tolist() == [-1, 1]
    assert found["surprise"][1] > found["threshold"][1] > found["surprise"][0] > 0
    assert found["operation"][1] == "program die 0 plane 2 block 17 page 5"
    assert found["rule"][1].startswith("program at offset 5, believed legal ") and found["rule"].isna()[0]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--run", "nowhere", "--n", "5", "--out", "y.csv"], "no run folder"),
        (["--run", "NAND", "--n", "5", "--out", "y.csv"], "a run of nand, which generates nothing"),
        (["--run", "RUN", "--n", "0", "--out", "y.csv"], "--n 0: expected 1 or more"),
        (["--run", "RUN", "--n", "many", "--out", "y.csv"], "invalid int value: 'many'"),
        (["--run", "RUN", "--n", "5", "--temperature", "0", "--out", "y.csv"], "--temperature 0.0: expected"),
        (["--run", "RUN", "--n", "5", "--temperature", "nan", "--out", "y.csv"], "--temperature nan: expected"),
        (["--run", "RUN", "--n", "5", "--seed", "-1", "--out", "y.csv"], "--seed -1: expected"),
        (["--run", "RUN", "--n", "5", "--out", "y.txt"], "suffix must be one of .csv, .parquet"),
        (["--run", "RUN", "--n", "5", "--out", "y.csv", "--train.epochs", "3"], "--train.epochs"),
        (["--run", "RUN", "--out", "y.csv"], "--n"),
    ],
)
def test_wrong_usage(runs, words, said, capsys):
    words = [str(runs.get(word, word)) for word in words]
    fails_cleanly(capsys, generate.main(words), said)
