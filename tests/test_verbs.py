"""The verbs as people call them: exit status, one-line errors, what they leave behind."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.checks import fails_cleanly, only_run, report_of, run_python

import kmodels
from kmodels import __main__, evaluate, predict
from kmodels.__main__ import main as front_door
from kmodels.core.spec import registry
from kmodels.fit import main as fit
from kmodels.read import main as read
from kmodels.simulate import main as simulate


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    out = tmp_path_factory.mktemp("traces") / "made"
    assert simulate(["--model", "nand", "--out", str(out), "--data.n_sequences", "200", "--seed", "7"]) == 0
    return out


@pytest.fixture(scope="module")
def run(smoke_runs):
    return smoke_runs("nand")


# One epoch of a network that is quick to trace; that of the smoke run is trained by the contract.
SMALL = ["--model.hidden=4", "--model.num_layers=1", "--model.bidirectional=false", "--model.sequence_order=time"]
SMALL += ["--train.epochs=1", "--train.hard_negatives=false"]


def test_simulate_prints_its_rates_and_overwrites_nothing(tmp_path, capsys):
    words = ["--model", "nand", "--out", str(tmp_path / "t"), "--data.n_sequences", "400"]
    assert simulate(words) == 0
    said = capsys.readouterr().out
    assert "sequences/s" in said and "simulator" in said and "rule checker" in said
    assert (tmp_path / "t" / "trace.parquet").exists()
    assert simulate(words) == 2
    fails_cleanly(capsys, 2, "nothing is overwritten")


@pytest.mark.parametrize(
    ("model", "small"),
    [
        ("nand", {"data.n_sequences": 20_000}),
        ("plume", {"data.n_runs": 21, "data.frames": 8, "data.grid.nz": 4, "data.grid.ny": 8, "data.grid.nx": 8}),
        ("metasurface", {"data.n_structures": 210}),
        ("echo", {"data.n_rooms": 3, "data.pairs_per_room": 1}),
    ],
)
def test_parts_made_elsewhere_and_put_together_are_the_whole(model, small, tmp_path):
    """Files in one folder, whoever made them; of nand, whose whole is one file, the same rows."""
    kmodels.simulate(model, tmp_path / "whole", smoke=True, **small)
    for number in (1, 2, 3):
        made = kmodels.simulate(model, tmp_path / f"part-{number}", smoke=True, part=f"{number}/3", **small)
        shutil.copytree(made, tmp_path / "together", dirs_exist_ok=True)
    if model == "nand":
        parts = [pd.read_parquet(path) for path in sorted((tmp_path / "together").glob("*.parquet"))]
        whole = pd.read_parquet(tmp_path / "whole" / "trace.parquet")
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
        return
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    for name in files - {Path("manifest.json")}:
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert len(list((tmp_path / "together").rglob("*"))) == len(list((tmp_path / "whole").rglob("*")))


@pytest.mark.parametrize(
    ("model", "part", "told"),
    [
        ("plume", "3/2", "expected K/N"),
        ("plume", "0/2", "expected K/N"),
        ("plume", "2/90", "at most"),
        ("precip", "1/2", "follow each other"),
    ],
)
def test_a_part_that_cannot_be(model, part, told, tmp_path, capsys):
    assert simulate(["--model", model, "--smoke", "--out", str(tmp_path / "t"), "--part", part]) == 2
    fails_cleanly(capsys, 2, told)
    assert not (tmp_path / "t").exists()


def test_fit_on_a_users_file(traces, tmp_path, capsys):
    table = pd.read_parquet(traces / "trace.parquet").drop(columns=["strategy", "violation_index", "pair"])
    table.to_csv(tmp_path / "mine.csv", index=False)
    words = ["--model", "nand", "--smoke", *SMALL, "--data", str(tmp_path / "mine.csv")]
    assert fit([*words, "--out", str(tmp_path / "runs")]) == 0
    report = report_of(only_run(tmp_path / "runs"))
    assert report["data"] == "mine.csv of the user" and sum(report["sizes"].values()) == 200
    assert report["metrics"]["localisation"] is not None, "the rule checker found the places of the violations"


def test_a_failed_gate_gives_exit_status_1_and_is_said_within_80_columns(tmp_path, capsys):
    few = ["--data.n_sequences=400", "--data.seq_len=20"]
    assert fit(["--model", "nand", *SMALL, *few, "--out", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("accuracy", "f1_", "gate", "better"))]
    assert len(rows) >= 6 and max(map(len, rows)) <= 80
    assert any("accuracy" in line and "FAILED" in line for line in rows)
    assert any("gates FAILED" in line for line in lines)
    assert any(line.startswith("tensorboard") and "--logdir" in line for line in lines)
    report = report_of(only_run(tmp_path))
    assert "failed" in {gate["status"] for gate in report["gates"]}


def test_several_seeds_are_runs_of_their_own_and_one_report(tmp_path, capsys):
    small = [*SMALL, "--model.operation_head=false", "--data.n_sequences=80"]
    words = ["--model", "nand", "--smoke", *small, "--seed", "5", "--seeds", "2", "--out", str(tmp_path)]
    assert fit(words) == 0
    assert all(len(line) <= 80 or "/" in line for line in capsys.readouterr().out.splitlines())
    (folder,) = tmp_path.glob("nand-seeds-5-6-*")
    runs = sorted(path.parent for path in tmp_path.glob("nand-seed[56]-*/report.json"))
    each, together = [report_of(path) for path in runs], report_of(folder)
    assert together["seeds"] == [5, 6] == [report["seed"] for report in each]
    both = [report["metrics"]["accuracy"] for report in each]
    assert together["metrics"]["accuracy"] == pytest.approx(sum(both) / 2)
    assert (folder / "report.html").exists()
    before = {path: path.stat().st_mtime_ns for path in runs[0].rglob("*")}
    assert fit(words) == 0, "what is finished is not trained again"
    assert {path: path.stat().st_mtime_ns for path in runs[0].rglob("*")} == before
    capsys.readouterr()
    assert evaluate.main(["--run", *map(str, runs), "--out", str(tmp_path / "again.json")]) == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["seeds"] == [5, 6] and again["metrics"]["accuracy"] == pytest.approx(sum(both) / 2)
    assert "2 seeds: no gate was judged" in capsys.readouterr().out


def test_no_gate_is_judged_on_two_sequences(run, traces, tmp_path, capsys):
    table = pd.read_parquet(traces / "trace.parquet")
    two = table[table["sequence"].isin(table["sequence"].unique()[:2])]
    two.to_csv(tmp_path / "two.csv", index=False)
    assert evaluate.main(["--run", str(run), "--data", str(tmp_path / "two.csv")]) == 0
    said = capsys.readouterr().out
    assert "2 examples: no gate is judged on fewer than 20" in said and "FAILED" not in said


def test_evaluate_repeats_the_report_and_leaves_the_run_as_it_was(run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert evaluate.main(["--run", str(run), "--out", str(tmp_path / "again.json")]) == 0
    again, report = json.loads((tmp_path / "again.json").read_text()), report_of(run)
    for name, value in report["metrics"].items():
        assert again["metrics"][name] == pytest.approx(value, abs=1e-6)
    assert again["baselines"]["rule_checker"]["accuracy"] == 1.0
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_evaluate_on_a_users_file(run, traces):
    assert evaluate.main(["--run", str(run), "--data", str(traces)]) in (0, 1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_writes_a_row_a_sequence(run, traces, tmp_path, suffix):
    table = pd.read_parquet(traces / "trace.parquet")[["sequence", "step", "op", "die", "plane", "block", "page"]]
    table.to_csv(tmp_path / "bare.csv", index=False)
    out = tmp_path / f"verdicts{suffix}"
    assert predict.main(["--run", str(run), "--data", str(tmp_path / "bare.csv"), "--out", str(out)]) == 0
    found = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert len(found) == 200 and set(found["valid"]) <= {True, False}
    assert found["probability_invalid"].between(0, 1).all()
    assert found["violation_index"].between(-1, 49).all() and found["violation_probability"].between(0, 1).all()
    assert np.array_equal(found["sequence"].astype(str), table["sequence"].unique().astype(str))


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "which model?"),
        (["--model", "weather"], "there is no model 'weather'; models: nand"),
        (["--model", "nnad"], "there is no model 'nnad'; did you mean nand?"),
        (["--modle", "nand"], "no such option: --modle; did you mean --model?"),
        (["--model", "nand", "--smok"], "no such option: --smok; did you mean --smoke?"),
        (["--model", "nand", "--lr", "0.1"], "command line: no such option: --lr; did you mean --train.learning_rate?"),
        (["--model", "nand", "--batch=32"], "did you mean --train.batch_size?"),
        (["--model", "nand", "--variant", "generatr"], "did you mean generator?"),
        (
            ["--model", "nand", "--variant", "perfect"],
            "nand has no variant 'perfect'; it has flawed, bidirectional, slots, differences, generator",
        ),
        (["--model", "nand", "--config", "nowhere.yaml"], "nowhere.yaml: no such file or folder"),
        (["--model", "nand", "--data", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--model", "nand", "--train.epoch", "3"], "did you mean --train.epochs?"),
        (["--model", "nand", "--model=plume"], "--model stands 2 times; give it once"),
        (["--model", "nand", "--data", "BAD"], "bad.csv, row 2: op = 'wipe'; an operation is one of"),
        (["--model", "nand", "--data", "FEW"], "few.csv: 2 examples are too few to split"),
        (["--resume", "nowhere"], "no run folder"),
        (["--model", "nand", "--backend", "theano"], "backend 'theano' is unknown"),
    ],
)
def test_wrong_usage_of_fit(words, said, capsys, tmp_path):
    header = "sequence,step,op,die,plane,block,page\n"
    (tmp_path / "bad.csv").write_text(header + "a,0,wipe,0,0,0,\n")
    (tmp_path / "few.csv").write_text(header + "a,0,erase,0,0,0,\nb,0,erase,0,0,0,\n")
    places = {"BAD": str(tmp_path / "bad.csv"), "FEW": str(tmp_path / "few.csv")}
    status = fit([*(places.get(word, word) for word in words), "--out", str(tmp_path / "runs")])
    fails_cleanly(capsys, status, said)
    assert list((tmp_path / "runs").glob("*")) == [], "no run folder is left behind"


@pytest.mark.parametrize(
    "words, said",
    [
        (["--run", "nowhere", "--data", "x.csv", "--out", "y.csv"], "no run folder"),
        (["--run", "RUN", "--data", "nowhere.csv", "--out", "y.csv"], "nowhere.csv: no such file"),
        (["--run", "RUN", "--data", "TRACES", "--out", "y.txt"], "suffix must be one of .csv, .parquet"),
        (["--run", "RUN", "--data", "TRACES", "--out", "y.csv", "--train.epochs", "3"], "--train.epochs"),
        (["--rnu", "RUN", "--data", "TRACES", "--out", "y.csv"], "no such option: --rnu; did you mean --run?"),
        (["--data", "x.csv", "--out", "y.csv"], "--run"),
    ],
)
def test_wrong_usage_of_predict(run, traces, words, said, capsys):
    words = [{"RUN": str(run), "TRACES": str(traces)}.get(word, word) for word in words]
    fails_cleanly(capsys, predict.main(words), said)


def test_an_unfinished_run_says_how_to_finish_it(run, tmp_path, capsys):
    for name in ("run.json", "recipe.yaml"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    fails_cleanly(capsys, evaluate.main(["--run", str(tmp_path)]), "not finished", "--resume")
    (tmp_path / "model.keras").write_bytes((run / "model.keras").read_bytes()[:1000])
    fails_cleanly(capsys, evaluate.main(["--run", str(tmp_path)]), "model.keras: damaged")


def test_a_sign_that_the_terminal_does_not_have_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out = tmp_path / "Rückweg"
    done = run_python("-m", "kmodels.simulate", "--model", "nand", "--smoke", "--out", out, check=0)
    assert "R\\xfcckweg" in done.stdout and out.exists()


LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # a compiled module that is cut short would stay behind
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))  # bytes: a write beyond fails as on a full disk
from kmodels.{verb} import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("model", registry.NAMES)
def test_no_room_to_write_is_one_line_and_leaves_nothing(tmp_path, model):
    script, out = LIMITED.format(verb="simulate", limit=3000), tmp_path / "t"
    done = run_python("-c", script, "--model", model, "--smoke", "--out", out, check=2)
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert str(out) in done.stderr and "File too large" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_room_to_write_a_state_names_the_run_and_keeps_others(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "runs" / run.name)
    before = {path: path.stat().st_mtime_ns for path in other.parent.rglob("*")}
    small = [*SMALL, "--model.operation_head=false"]
    words = ["--model", "nand", "--smoke", *small, "--out", other.parent]
    done = run_python("-c", LIMITED.format(verb="fit", limit=20_000), *words, check=2)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"error: {other.parent}") and said.endswith(": File too large")
    assert "Traceback" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_no_backend_at_all_is_one_sentence(monkeypatch, capsys, tmp_path):
    from kmodels.core.training import backend

    monkeypatch.setattr(backend, "installed", lambda: [])
    status = fit(["--model", "nand", "--out", str(tmp_path / "runs")])
    fails_cleanly(capsys, status, "pip install tensorflow")


VERBS = (*__main__.VERBS, *__main__.STUDIES)


def test_the_list_of_verbs(capsys):
    assert front_door([]) == front_door(["--help"]) == 0
    said = capsys.readouterr().out
    assert len(VERBS) == 19 and all(f"\n  {verb} " in said for verb in VERBS)
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_fits_a_terminal_of_80_columns(verb, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert front_door([verb, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_says_its_version(verb, capsys):
    assert front_door([verb, "--version"]) == front_door(["--version"]) == 0
    assert capsys.readouterr().out == 2 * f"kmodels {kmodels.__version__}\n"


@pytest.mark.parametrize(
    "word, said", [("fitt", "did you mean fit?"), ("desing", "did you mean design?"), ("fly", "kmodels --help lists")]
)
def test_a_mistyped_verb(word, said, capsys):
    fails_cleanly(capsys, front_door([word]), f"there is no verb {word!r}", said)
    fails_cleanly(capsys, front_door(["--modle", "nand"]), "a verb comes first, such as kmodels fit --model nand")


def test_searches_need_a_clone(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tuning" else find(name))
    assert front_door([]) == 0
    assert "search for a better recipe (only in a clone: python -m tuning.search)" in capsys.readouterr().out
    fails_cleanly(capsys, front_door(["search", "--version"]), "search works only in a clone")


def test_help_lists_variants_and_fields(capsys):
    assert fit(["--model", "nand", "--help"]) == 0
    said = capsys.readouterr().out
    assert "  flawed        data.read_rate [0.4, 0.4], model.encoding normalized," in said
    assert f"  generator     {registry.recipe_type('nand.generator').__doc__.splitlines()[0]}" in said
    assert "recipe of nand" in said and "--train.epochs" in said


def test_read_says_what_is_in_the_data(traces, capsys):
    assert read(["--model", "nand", "--data", str(traces)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"sequences +200 of 50 to 50 operations", said)
    (parts,) = re.findall(r"train (\d+), validation (\d+), test (\d+) of 200", said)
    assert sum(map(int, parts)) == 200


def test_reading_and_refusing_data_need_no_backend(traces, tmp_path):
    (tmp_path / "bad.csv").write_text("sequence,step,op,die,plane,block,page\na,0,wipe,0,0,0,\n")
    code = """
import sys, kmodels
from kmodels.fit import main as fit
from kmodels.read import main as read
from kmodels.read import main as read
assert read(["--model", "nand", "--data", sys.argv[1]]) == 0
assert len(kmodels.read("nand", sys.argv[1], **{"data.strategies": ["page_hop"]})) == 200
assert fit(["--model", "nand", "--data", sys.argv[2], "--out", sys.argv[3]]) == 2
assert not {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
"""
    run_python("-c", code, traces, tmp_path / "bad.csv", tmp_path / "runs", check=0)
    assert not (tmp_path / "runs").exists()
