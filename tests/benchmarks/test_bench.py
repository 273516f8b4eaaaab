"""The verb that measures."""

import json
import time

import pytest
from helpers.checks import ROOT, fails_cleanly

from kmodels import bench
from kmodels.benchmarks import bench as core_bench
from kmodels.benchmarks.bench import Job
from kmodels.core.report import tables
from kmodels.core.spec import registry
from kmodels.core.training import backend


def measured(tmp_path, part, *words):
    """The report of one smoke part of the generator, in this process, and the tables beside it."""
    out = tmp_path / f"{part}.json"
    here = ["--backend", backend.current(), "--part", part, "--smoke", "--out", str(out), *words]
    assert bench.main(["--model", "nand.generator", *here]) == 0
    report = json.loads(out.read_text())
    assert {"versions", "hardware", "commit", "date", "minutes"} <= set(report) and report["effort"] == "smoke"
    return report, out.with_suffix(".md").read_text()


def test_pairs_are_timed_in_turn(tmp_path):
    report, text = measured(tmp_path, "pairs")
    (name, pair), *_ = report["models"]["nand.generator"]["pairs"][backend.current()].items()
    assert name == "an epoch of every prefix" and name in text
    assert pair["ratio"] == pytest.approx(pair["ours"]["low"] / pair["theirs"]["low"])


def test_rates_of_the_data(tmp_path):
    report, text = measured(tmp_path, "data")
    found = report["models"]["nand.generator"]["data"]
    assert found["simulate"]["median"] > 1 and found["load"]["median"] > 1
    assert "simulated, examples/s" in text


@pytest.mark.slow
def test_growth_of_a_step(tmp_path):
    report, text = measured(tmp_path, "growth")
    axes = report["models"]["nand.generator"]["growth"][backend.current()]
    assert set(axes) == {"batch", "operations of a sequence"}
    for axis in axes.values():
        assert axis["sizes"] == sorted(axis["sizes"]) and min(axis["seconds"]) > 0
        if report["compared"] == "with PyTorch":
            assert axis["slopes"]["operations"] == pytest.approx(1.0, abs=0.1), "a recurrence is linear in both"
    assert "operations of a sequence 25, 50, 100" in text


def test_a_slope_of_two_is_four_times_the_cost_at_twice_the_size():
    from kmodels.benchmarks import parts

    row = {10: {"seconds": 1.0, "operations": None}, 15: {"seconds": 9.0, "operations": None}}
    found = parts._grown(row | {20: {"seconds": 4.0, "operations": None}})
    assert found["sizes"] == [10, 15, 20] and found["seconds"] == [1.0, 9.0, 4.0]
    assert found["slopes"] == {"seconds": pytest.approx(2.0), "operations": None}


def test_memory_is_watched_while_it_is_held():
    import numpy as np

    from kmodels.benchmarks import parts

    with parts._watched() as held:
        before = parts.psutil.Process().memory_info().rss
        block = np.ones(200 << 20, "uint8")
        time.sleep(0.2)
        del block
    assert max(held) - before > 150 << 20


def test_what_there_is_to_do():
    found = core_bench.jobs(["a", "b"], ["x", "y"], core_bench.PARTS)
    assert [str(job) for job in found[:3]] == [
        "data of a on x",
        "pairs of a on x",
        "pairs of a on y",
    ]
    assert len(found) == 10 and len(core_bench.jobs(["a"], ["x", "y"], ["growth"])) == 2


def test_a_part_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def command(job, effort, out):
        part = {"failed": [], "date": "2026-11-21", "hardware": {"cores": 2, "processor": "P"}}
        code = f"import sys; open({str(out)!r}, 'w').write({json.dumps(part | {'models': {job.model: {}}})!r})"
        return [bench.sys.executable, "-c", "raise SystemExit('no room')" if job.model == "plume" else code]

    monkeypatch.setattr(Job, "command", command)
    assert bench.main(["--part", "data", "--out", str(tmp_path / "bench.json")]) == 1
    said = capsys.readouterr().out
    assert f"failed: data of plume on {backend.installed()[0]}: no room" in said
    assert set(json.loads((tmp_path / "bench.json").read_text())["models"]) == set(registry.NAMES) - {"plume"}


@pytest.mark.parametrize("name", [*registry.NAMES, "metasurface"])
def test_what_is_measured_of_a_model_are_recipes_of_it(name):
    asked, task = core_bench.case(name), registry.task(name)
    field, count = asked.sample
    base = asked.base(task)
    assert 0 < count <= getattr(base.data, field)
    for sizes in asked.grows.values():
        assert list(sizes) == sorted(sizes)
        recipes = [base.with_changes(changes) for changes in sizes.values()]
        assert base in recipes and len({recipe.digest() for recipe in recipes}) == len(sizes) > 2
    for changes in asked.alternatives.values():
        assert base.with_changes(changes) != base
    assert (ROOT / "kmodels/benchmarks/torch_reference" / f"{name.replace('.', '_')}.py").exists()


@pytest.mark.parametrize("size", ["default", "full", "smoke"])
def test_layers_are_compared_on_one_shape(size):
    (pair,) = core_bench.case("plume").layers.values()
    ours, theirs, shape = pair(size)
    assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)


def test_every_figure_of_a_report_is_in_a_table():
    models = {
        "nand": {
            "growth": {
                "jax": {
                    "batch": {
                        "sizes": [1, 2],
                        "seconds": [0.01, 0.02],
                        "memory_gb": [0.1, 0.3],
                        "operations": [None, None],
                        "slopes": {"seconds": 1.0, "memory_gb": 1.58, "operations": None},
                    }
                }
            }
        }
    }
    metadata = {
        "models": models,
        "date": "2026-11-21T10:00",
        "hardware": {"cores": 2, "processor": "P"},
        "minutes": 3.4,
    }
    assert tables.bench(metadata).splitlines()[2:] == [
        "| nand | jax | batch 1, 2 | 10, 20 ms | 0.1, 0.3 GB | 1.00 | 1.58 | - |",
        "",
        "Measured 2026-11-21, 2 cores of P: 3 minutes.",
    ]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--model", "nnd"], "no model 'nnd'; did you mean nand?"),
        (["--model", "plume", "--fast"], "--fast"),
        (["--full", "--smoke"], "not allowed with"),
        (["--rounds", "1", "--against", "nowhere.json"], "nowhere.json"),
        (["--against", "nowhere.json"], "--against compares reports of --rounds"),
        (["--backend", "theano"], "backend 'theano' is unknown"),
    ],
)
def test_wrong_usage(words, said, capsys):
    fails_cleanly(capsys, bench.main(words), said)
