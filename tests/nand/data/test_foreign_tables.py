"""Traces as other programs write them: the same records as the plain file, or one line that says what to do."""

import gzip
import os
import re

import numpy as np
import pandas as pd
import pytest

from kmodels.core.spec.errors import UserError
from kmodels.nand.data.load import load
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences

RECIPE = NandRecipe().with_changes({"data": {"n_sequences": 60, "seq_len": 20, "strategies": ["page_hop"]}})
ONE_DIE = RECIPE.with_changes({"data": {"geometry": {"dies": 1, "planes": 1}}})
ONE_PLANE = RECIPE.with_changes({"data": {"geometry": {"planes": 1}}})
HEADER = "sequence,step,op,die,plane,block,page\n"
ROWS = "a,0,erase,0,0,7,\na,1,program,0,0,7,0\na,2,read,0,0,7,0\n1E2,0,erase,1,3,999,\n"
PLAIN = HEADER + ROWS
FIELDS = ("op", "die", "plane", "block", "page", "pair", "invalid", "strategy", "violation_code", "violation_index")


def loaded(tmp_path, content, name="t.csv", recipe=RECIPE):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(tmp_path / name, recipe)


def refused(tmp_path, content, said, recipe=RECIPE):
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, content, recipe=recipe)
    message = str(caught.value)
    assert "t.csv" in message and "\n" not in message and re.search(said, message), message


def same(one, other, fields=FIELDS):
    for name in fields:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


NUMBERED = PLAIN.replace(",0,erase", ",1,erase").replace("a,2", "a,3").replace("a,1,p", "a,2,p")
LOUD = PLAIN.replace("erase", "ERASE").replace("program", "Program ").replace("read", " read")
SAME = {
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "blanks after commas": PLAIN.replace(",", ", "),
    "blanks before commas": PLAIN.replace(",", "  ,"),
    "Windows' lines": PLAIN.replace("\n", "\r\n"),
    "an old Mac's lines": PLAIN.replace("\n", "\r"),
    "a mark of UTF-8": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, high byte first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 without its mark": PLAIN.encode("utf-16-le"),
    "high byte first, without its mark": PLAIN.replace(",", ";").encode("utf-16-be"),
    "gzip": gzip.compress(PLAIN.encode()),
    "gzip of UTF-16 with tabs": gzip.compress(PLAIN.replace(",", "\t").encode("utf-16")),
    "Excel's line": "sep=;\n" + PLAIN.replace(",", ";"),
    "blank lines around": "\n\n" + PLAIN + "\n  \n,,,,,,\n",
    "comments around": "# tester 3, it's new\n" + PLAIN + "# end, of, it\n",
    "comments between": HEADER + "# it's\n# more, of it\n".join(ROWS.splitlines(keepends=True)),
    "comments without a blank line's end": PLAIN + "\n#",
    "a header that is a comment": "# made by a tool\n# " + PLAIN,
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN.split("\n")[:-1]),
    "separators at the ends": PLAIN.replace("\n", ",\n").replace("page,", "page", 1),
    "loud operations": LOUD,
    "loud names": PLAIN.replace(HEADER, HEADER.upper()),
    "other names": PLAIN.replace(HEADER, "Seq ID,idx,CMD,LUN,Plane,Blk,PG\n"),
    "names of a row address": PLAIN.replace(HEADER, "trace,Step,Operation,lun,pl,BLOCK,Row\n"),
    "steps from 1": NUMBERED,
    "an erase's page of 65535": PLAIN.replace("7,\n", "7,65535\n"),
    "an erase's page of 0xFFFF": PLAIN.replace("7,\n", "7,0xFFFF\n"),
    "an erase's page of -1": PLAIN.replace("7,\n", "7,-1\n"),
    "hexadecimal with 0x": PLAIN.replace(",7,", ",0x7,").replace("999", "0x3E7"),
    "zeros before": PLAIN.replace(",7,", ",007,"),
    "a column more": PLAIN.replace("\n", ",note\n"),
}


@pytest.mark.parametrize("what", SAME)
def test_it_is_the_same_trace(tmp_path, what):
    found = loaded(tmp_path, SAME[what])
    same(loaded(tmp_path, PLAIN, "plain.csv"), found)
    assert found.name.tolist() == ["a", "1E2"] and found.length.tolist() == [3, 1]


@pytest.mark.parametrize("name", ["t.CSV", "t.tsv", "t.csv.gz", "t.TSV.GZ"])
def test_every_suffix_is_found_in_a_folder(tmp_path, name):
    content = PLAIN.encode()
    loaded(tmp_path, gzip.compress(content) if name.lower().endswith("gz") else content, name)
    assert len(load(tmp_path, RECIPE)) == 2


def test_names_are_never_numbers(tmp_path):
    names = ["100", "1E2", "007", "7", "0x10", "16", "NA", "nan", "None", "true", "1.0", "#3", "2024-01-01"]
    text = HEADER + "".join(f"{name},0,erase,0,0,{k},\n" for k, name in enumerate(names))
    assert loaded(tmp_path, text).name.tolist() == names
    paired = HEADER.replace("\n", ",pair\n") + "".join(
        f"s{k},0,erase,0,0,{k},,{pair}\n" for k, pair in enumerate(["1E2", "100", "NA", "nan", "NA", "01", "1"])
    )
    assert loaded(tmp_path, paired).pair.tolist() == [0, 1, 2, 3, 2, 4, 5]


@pytest.mark.parametrize(
    "value", ["1E2", "2E1", "1e2", "7.0", "0.5", "A0", "ff", "NA", "1_0", "1,000", "١", "0x", "--1"]
)
def test_text_that_looks_like_a_number_is_none(tmp_path, value):
    cell = f'"{value}"'
    refused(tmp_path, PLAIN.replace(",7,0", f",{cell},0", 1), rf"row 3: block = '{value}'; .* hexadecimal with 0x")
    refused(
        tmp_path, PLAIN.replace("7,0", f"7,{cell}", 1), rf"row 3: page = '{value}'; expected an integer in 0\.\.2563"
    )
    refused(tmp_path, PLAIN.replace("a,1", f"a,{cell}"), rf"row 3: step = '{value}'; expected an integer")
    frame = pd.DataFrame({"sequence": ["a"], "step": [0], "op": "erase", "die": 0, "plane": 0, "block": [value]})
    frame.assign(page=pd.array([None], "Int64")).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        UserError, match=rf"t\.parquet, row 1: block = '{value}'; expected an integer in 0\.\.999: digits"
    ):
        load(tmp_path / "t.parquet", RECIPE)


def test_parquet_of_others(tmp_path):
    """Texts, bytes, unsigned integers, floats with gaps, other names: the same trace."""
    plain = loaded(tmp_path, PLAIN)
    columns = {
        "Seq": pd.Series(["a", "a", "a", "1E2"], dtype="category"),
        "STEP": np.array([1, 2, 3, 1], "uint64"),
        "cmd": [b"ERASE", b"program ", b"read", b"erase"],
        "lun": ["0", "0x0", " 0", "1"],
        "plane": np.array([0, 0, 0, 3], "uint8"),
        "blk": pd.array([7, 7, 7, 999], "Int32"),
        "page": [np.nan, 0.0, 0.0, 65535.0],
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "t.PARQUET")
    found = load(tmp_path / "t.PARQUET", RECIPE)
    same(plain, found)
    same(plain, load(pd.DataFrame(columns), RECIPE))
    assert found.name.tolist() == ["a", "1E2"]


def test_steps_from_1_count_the_violation_from_1_as_well(tmp_path):
    operations = [("erase", ""), ("program", 1), ("read", 0)]
    for label, wanted in (("false,2", 1), ("false,3", 2), ("TRUE,-1", -1), ("false,-1", 1)):
        text = HEADER.replace("\n", ",valid,violation_index\n") + "".join(
            f"a,{k + 1},{op},0,0,7,{page},{label}\n" for k, (op, page) in enumerate(operations)
        )
        assert loaded(tmp_path, text).violation_index.tolist() == [wanted]
    refused(tmp_path, text.replace("-1", "0"), "violation_index = 0; expected a step of the sequence, or -1")
    refused(tmp_path, text.replace("-1", "4"), "violation_index = 4; expected a step")
    refused(
        tmp_path, NUMBERED.replace("a,3", "a,4"), "row 4: step = 4; a step is missing: expected 3, steps count 1, 2, 3"
    )
    refused(
        tmp_path, PLAIN.replace("1E2,0", "1E2,1"), "row 5: step = 1; a step is missing: expected 0, steps count 0, 1"
    )


def test_row_numbers_are_lines_of_the_file(tmp_path):
    text = "sep=,\n# a comment\n\n" + PLAIN.replace("a,2,read", "# two, of them\n# more\na,2,write")
    refused(tmp_path, text, "row 9: op = 'write'")
    refused(tmp_path, text.replace("write,0,0,7,0", "read,0,0,7,0,5,6"), "line 9, saw 9")


@pytest.mark.parametrize(
    "text, said",
    [
        (PLAIN.replace(",", "|"), r"no column sequence, step, op, .*; needed: .*; found: sequence\|step\|op"),
        (
            PLAIN.replace(",", ";").replace("op;", "what;"),
            "no column op; needed: sequence, .*; found: sequence, step, what",
        ),
        (ROWS, "no column sequence, step, .*; found: a, 0, erase"),
        (
            PLAIN.replace("die,plane", "x,y"),
            r"no column die, plane; .*; found: .*neither column \(data\.geometry\.dies",
        ),
        (PLAIN.replace("die,plane", "blk,block_id").replace("block,page", "x,page"), "'blk' and 'block_id' both stand"),
        (PLAIN.replace("die,plane,block", "die,block,block"), "'block' and 'block' both stand for block"),
        (PLAIN.replace("plane", "sequences\xe9").encode("latin1"), "neither UTF-8 nor UTF-16 .*; save it as UTF-8"),
        (PLAIN.replace("program", "pro\0gram"), "zero bytes in it; it is damaged"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-12], "cannot be read as a CSV table: .*end-of-stream"),
        (PLAIN.encode("utf-16")[:-1], "begins as UTF-16, but truncated data"),
        ("# nothing\n\n", "cannot be read as a CSV table: no line names the columns"),
        (HEADER + "# no row\n\n", "holds no rows"),
        (
            PLAIN.replace("\n", ",1\n").replace("page,1", "page"),
            "cannot be read as a CSV table: its rows have more cells than the 7 names",
        ),
        (PLAIN.replace("7,0\n", "7,65535\n", 1), "row 3: page = 65535; outside the geometry"),
        (PLAIN.replace("7,\n", "7,99999\n", 1), "row 2: page = 99999; outside the geometry"),
        (PLAIN.replace("1,p", "one,p"), r"row 3: step = 'one'; expected an integer in 0\.\.\d+: digits alone"),
        (PLAIN.replace(HEADER, HEADER.upper()).replace("999", "1000"), r"row 5: block = 1000; outside"),
        (PLAIN.replace("block", "Blk").replace("999", "1000"), r"row 5: Blk \(block\) = 1000; outside"),
    ],
)
def test_a_line_says_what_to_do(tmp_path, text, said):
    refused(tmp_path, text, said)


def test_a_packed_file_larger_than_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1e8}))
    refused(tmp_path, gzip.compress(bytes(2**27)), r"t\.csv: 0\.0503 GB, more than half of the free memory")


def test_a_device_of_one_die_and_plane_needs_no_such_columns(tmp_path):
    bare = "sequence,step,op,block,page\na,0,erase,7,\na,1,program,7,0\na,2,read,7,0\n"
    with_zeros = HEADER + ROWS.split("1E2")[0]
    same(loaded(tmp_path, with_zeros, "plain.csv", ONE_DIE), loaded(tmp_path, bare, recipe=ONE_DIE))
    refused(tmp_path, bare, "no column die, plane")


def test_what_tells_blocks_apart_and_is_not_known_must_not_change(tmp_path):
    """Of two channels' blocks one would be made; a sequence on one channel is what it is."""
    told = [f"{line},{end}" for line, end in zip(PLAIN.split("\n")[:-1], ("channel", 0, 0, 0, 1), strict=True)]
    same(loaded(tmp_path, PLAIN, "plain.csv"), loaded(tmp_path, "\n".join(told)))
    told[2] = told[2][:-1] + "1"
    refused(
        tmp_path, "\n".join(told), "row 3: channel = 1; it changes within a sequence, .* number the dies of all of them"
    )
    both = PLAIN.replace(HEADER, "sequence,step,op,die,lun,block,page\n")
    refused(tmp_path, both.replace("0,0,7,0", "0,1,7,0", 1), "row 3: lun = 1; it changes within a sequence", ONE_PLANE)


@pytest.mark.skipif(os.name != "posix", reason="names there are text")
def test_a_folder_whose_name_is_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    sequences.sample_pairs(np.random.default_rng(0), 30, RECIPE.data).write(folder / "trace.parquet")
    assert len(load(folder, RECIPE)) == 60
    loaded(folder, PLAIN)
    assert len(load(folder / "t.csv", RECIPE)) == 2
    with pytest.raises(UserError, match="cannot be read as a Parquet file"):
        (folder / "trace.parquet").write_bytes(b"PAR1")
        load(folder / "trace.parquet", RECIPE)
