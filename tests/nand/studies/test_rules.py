"""The study of rules: what it extracts from given beliefs, what it refuses, and its whole path on little data."""

import json
import sys

import numpy as np
import pytest
from helpers.plain_nand import trace_of

from kmodels.nand.generator.data.encode import Vocabulary
from kmodels.nand.generator.evaluation import beliefs
from kmodels.nand.recipe import Data
from kmodels.nand.simulator.sequences import sample_pairs
from kmodels.nand.studies import rules, rules_report

KNOWN = Vocabulary(3, (-16, 16), (-16, 16), open=True)


def believing(trace, reads, programs):
    """What a model extracts to that believes these offsets legal in every state, as they are said."""
    said = beliefs.said_offset(KNOWN.op, KNOWN.offset)
    legal = ((KNOWN.op == 2) & np.isin(said, reads)) | ((KNOWN.op == 1) & np.isin(said, programs))
    return beliefs.extract(KNOWN, trace, np.broadcast_to(legal, (*trace.op.shape, KNOWN.size)), 2564)


@pytest.mark.parametrize(
    "order, limit, programs", [("strict", 3, [0]), ("monotonic", 6, [0, 1, 2, 3]), ("any", 1, [-3, -2, -1, 0, 1])]
)
def test_beliefs_are_said_back(order, limit, programs):
    data = Data(program_order=order, read_offset_limit=limit, strategies=("read_unwritten",))
    trace = sample_pairs(np.random.default_rng(0), 100, data)
    found = believing(trace.take(~trace.invalid), range(limit), programs)
    assert (found.read_offset_limit, found.program_order) == (limit, order)
    assert found.believed("read").tolist() == list(range(limit))


def test_shares_are_of_the_states_where_the_page_is_there():
    """After e0 p0.0 p0.2: page 1 is left out, page 3 is next, and nothing is known of blocks 1 and 2."""
    found = believing(trace_of("e0 p0.0 p0.2 p0.3"), [0, 2], [0])
    read, hole = (dict(zip(found.offset, found.share[name], strict=True)) for name in ("read", "read unwritten"))
    assert read[-1] == 1.0 and read[-3] == 1.0 and np.isnan(read[-2]), "no state held a page written two back"
    assert hole[-2] == 0.0 and np.isnan(hole[-3]) and hole[0] == 0.0
    assert np.isnan(found.share["program written"][found.offset == 0])


def test_what_each_device_must_reach():
    device = {
        "read_offset_limit": 3,
        "program_order": "any",
        "detectors": {"network": {"auroc": 0.995, "localisation": 0.96}},
        "believed": {"read_offset_limit": 3, "program_order": "any"},
    }
    assert rules.is_reached(device)
    assert not rules.is_reached(device | {"believed": {"read_offset_limit": 4, "program_order": "any"}})
    assert not rules.is_reached(device | {"detectors": {"network": {"auroc": 0.995, "localisation": 0.94}}})


@pytest.mark.parametrize(
    "words, said",
    [
        (["--out", "x.txt"], "the suffix must be .json"),
        (["--out", "x.json", "--limits", "16"], "--limits: 1 to 15"),
        (["--out", "x.json", "--epochs", "0"], "--epochs: 1 or more"),
        (["--out", "OTHER"], "is no record of this study"),
        (["--out", "BEGUN", "--epochs", "7"], "was measured with"),
    ],
)
def test_wrong_usage(words, said, tmp_path, capsys):
    (tmp_path / "other.json").write_text("[]")
    begun = {"sequences": None, "epochs": 6, "seed": 0, "devices": {}}
    (tmp_path / "begun.json").write_text(json.dumps(begun))
    names = {"OTHER": str(tmp_path / "other.json"), "BEGUN": str(tmp_path / "begun.json")}
    assert rules.main([names.get(word, word) for word in words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_device_whose_recordings_begin_in_mid_life_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rules, "LEGAL", 100)
    monkeypatch.setattr(rules, "MIXED", 60)
    monkeypatch.setitem(sys.modules, "aalpy", None)
    out = tmp_path / "r.json"
    words = [
        "--out",
        str(out),
        "--orders",
        "strict",
        "--limits",
        "2",
        "--sequences",
        "60",
        "--epochs",
        "1",
        "--initial-state",
        "unknown",
    ]
    assert rules.main(words) in (0, 1)
    record = json.loads(out.read_text())
    device = record["devices"]["strict 2"]
    assert device["sequences"] == 60 and device["detectors"]["seen offsets"]["auroc"] > 0.9
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert rules_report.table(record["devices"]) in capsys.readouterr().out
    before = out.read_text()
    assert rules.main(words) in (0, 1) and json.loads(out.read_text()) == json.loads(before), "not repeated"
