"""The loader: what the simulator writes comes back; a bad file of each kind is refused by file, row, value, rule."""

import re

import numpy as np
import pandas as pd
import pytest

from kmodels.core.spec.errors import UserError
from kmodels.nand.data.load import load
from kmodels.nand.data.records import PAD
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences

RECIPE = NandRecipe().with_changes({"data": {"n_sequences": 60, "seq_len": 20, "strategies": ["page_hop"]}})
HEADER = "sequence,step,op,die,plane,block,page\n"
GOOD = HEADER + "a,0,erase,0,0,7,\na,1,program,0,0,7,0\na,2,read,0,0,7,0\n"


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    sequences.simulate(RECIPE, folder, lambda done, total: None)
    return pd.read_parquet(folder / "trace.parquet")


def same(one, other):
    for name in ("op", "die", "plane", "block", "page", "invalid", "strategy", "violation_code", "violation_index"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_round_trip(frame, tmp_path, suffix):
    drawn = sequences.sample_pairs(np.random.default_rng(0), 30, RECIPE.data)
    path = tmp_path / f"trace{suffix}"
    drawn.frame().to_csv(path, index=False) if suffix == ".csv" else drawn.frame().to_parquet(path)
    for source in (path, tmp_path, drawn.frame()):
        again = load(source, RECIPE)
        same(drawn, again)
        np.testing.assert_array_equal(drawn.pair, again.pair)


def test_missing_labels_come_from_the_rule_checker(frame):
    bare = load(frame.drop(columns=["valid", "strategy", "violation_index", "pair"]), RECIPE)
    same(load(frame, RECIPE), bare)
    assert load(frame.drop(columns=["valid"]), RECIPE, labels=False).invalid is None
    only_valid = load(frame.drop(columns=["strategy", "violation_index"]), RECIPE)
    same(load(frame, RECIPE), only_valid)


def test_labels_of_the_file_are_never_changed():
    text = "sequence,step,op,die,plane,block,page,valid\na,0,erase,0,0,7,,false\na,1,program,0,0,7,0,false\n"
    trace = load(pd.read_csv(pd.io.common.StringIO(text)), RECIPE)
    assert (
        trace.invalid.tolist() == [True]
        and trace.violation_index.tolist() == [-1]
        and trace.violation_code.tolist() == [0]
    )


def test_unequal_lengths_are_padded(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(GOOD + "b,0,erase,1,3,999,\n")
    trace = load(path, RECIPE)
    assert trace.length.tolist() == [3, 1] and trace.op[1].tolist() == [0, PAD, PAD]
    assert trace.name.tolist() == ["a", "b"] and trace.page[0].tolist() == [-1, 0, 0]


def test_several_files_of_a_folder(tmp_path):
    (tmp_path / "1.csv").write_text(GOOD)
    (tmp_path / "2.csv").write_text(GOOD + "a2,0,erase,0,0,1,\n")
    trace = load(tmp_path, RECIPE)
    assert len(trace) == 3 and len(set(trace.pair)) == 3


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "cannot be read as a CSV table"),
        (HEADER, "holds no rows"),
        (GOOD.replace("page", "pages"), "no column page; needed: sequence, step, op"),
        (GOOD.replace("program", "write"), "row 3: op = 'write'; an operation is one of erase, program, read"),
        (GOOD.replace("2,read", ",read"), "row 4: step = .empty.; expected an integer"),
        (GOOD.replace("2,read", "3,read"), "row 4: step = 3; a step is missing: expected 2"),
        (GOOD.replace("2,read", "1,read"), "row 4: step = 1; a step is repeated: expected 2"),
        (GOOD.replace("a,0,erase", "a,1,erase"), "row 2: step = 1; a step is missing: expected 0"),
        (GOOD.replace("program,0,0,7,0", "program,2,0,7,0"), r"row 3: die = 2; outside the geometry: .* 0\.\.1 "),
        (GOOD.replace("program,0,0,7,0", "program,0,4,7,0"), r"row 3: plane = 4; outside"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,1000,0"), r"row 3: block = 1000; outside .* 0\.\.999"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,7,2564"), r"row 3: page = 2564; outside .* 0\.\.2563"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,7,-1"), r"row 3: page = -1; outside"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,7,"), "row 3: page = .empty.; expected an integer"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,7,0.5"), "row 3: page = '0.5'; expected an integer"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,seven,0"), "row 3: block = 'seven'; expected an integer"),
        (GOOD.replace("program,0,0,7,0", "program,0,0,1e400,0"), "row 3: block = "),
        (GOOD.replace("program,0,0,7,0", "program,0,0,7,0,9"), "cannot be read as a CSV table: .*line 3, saw 8"),
        (GOOD.replace("program,0,0,7,0", "program,0"), "row 3: plane = .empty."),
        (GOOD + "\n" + GOOD.split("\n", 1)[1], "row 5: sequence = .empty.; every row names its sequence"),
        (GOOD + "b,0,erase,0,0,1,\n" + GOOD.split("\n", 1)[1], "row 6: sequence = 'a'; the rows .* stand together"),
    ],
)
def test_bad_csv(tmp_path, text, said):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load(path, RECIPE)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert re.search(said, str(caught.value)), caught.value


@pytest.mark.parametrize(
    "column, value, said",
    [
        ("valid", "maybe", "row 0: valid = 'maybe'; expected true or false"),
        ("valid", None, "row 0: valid = "),
        ("strategy", "sabotage", "strategy = 'sabotage'; one of not_erased, overwrite"),
        ("violation_index", 20, "violation_index = 20; expected a step of the sequence, or -1"),
        ("violation_index", 1.5, r"violation_index = 1\.5"),
        ("pair", None, "pair = .*; every row names its pair"),
    ],
)
def test_bad_labels(frame, column, value, said):
    bad = frame.copy().astype({column: object})
    bad.loc[bad["sequence"] == 0, column] = value
    with pytest.raises(UserError, match=said):
        load(bad, RECIPE)


def test_a_label_that_changes_within_a_sequence(frame):
    bad = frame.copy()
    bad.loc[3, "valid"] = False
    with pytest.raises(UserError, match=r"row 3: valid = .*the label of a sequence is the same"):
        load(bad, RECIPE)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"sequence,step\n0,0\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_parquet_file_that_is_none(tmp_path, content):
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.parquet: cannot be read as a Parquet file"):
        load(path, RECIPE)


def test_a_parquet_file_cut_short(frame, tmp_path):
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be read as a Parquet file"):
        load(path, RECIPE)


@pytest.mark.parametrize("name, content", [("t.txt", GOOD.encode()), ("t.csv", b"\xff\xfe\x00\x80,\n")])
def test_files_of_another_kind(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=name):
        load(path, RECIPE)


def test_one_huge_sequence_among_many_is_refused(frame):
    """Padding would multiply: 30,000 sequences beside one of 30,000 operations."""
    n = 30_000
    short = pd.DataFrame({"sequence": np.arange(n), "step": 0, "op": "erase"})
    long = pd.DataFrame({"sequence": n, "step": np.arange(n), "op": "erase"})
    table = pd.concat([short, long]).assign(die=0, plane=0, block=0, page=0)
    with pytest.raises(UserError, match="take too much memory"):
        load(table, RECIPE)
