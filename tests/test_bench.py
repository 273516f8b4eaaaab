"""The verb that measures."""

import json

import pytest
from checks import fails_cleanly

from kmodels import bench
from kmodels.core import backend, registry

# echo's has a PyTorch twin to build and no verb but this one.
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "echo" else name for name in registry.BENCHED]


@pytest.mark.parametrize("name", NAMES)
def test_bench_writes_what_it_measured_and_on_what(name, tmp_path, capsys):
    if name == "echo":
        pytest.importorskip("torch", reason="what it is compared with")
    out = tmp_path / "bench.json"
    assert bench.main(["--model", name, "--smoke", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["backend"] == backend.current() and found["smoke"] is True
    assert {"versions", "hardware", "commit", "cases"} <= set(found)
    said = " ".join(capsys.readouterr().out.split())
    for case in found["cases"]:
        assert case["ours"] > 0 and case["theirs"] > 0 and case["low"] <= case["ratio"] <= case["high"]
    assert " vs " in said and "ours, s" in said


@pytest.mark.parametrize(
    "words, said",
    [([], "--model"), (["--model", "nand"], "invalid choice: 'nand'"), (["--model", "plume", "--fast"], "--fast")],
)
def test_wrong_usage(words, said, capsys):
    fails_cleanly(capsys, bench.main(words), said)
