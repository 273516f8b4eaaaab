"""Climbing: stops where a gate fails, skips what is climbed, judges every seed. Trainings are stood in for."""

import json

import pytest
from helpers.checks import fails_cleanly
from helpers.killing import kill_a_worker, started

from kmodels import climb as verb
from kmodels.core.report import review
from kmodels.core.runs import climb
from kmodels.core.runs.jobs import training
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.registry import task as task_of
from kmodels.core.training import backend

LADDER = task_of("nand").ladder
WAY = [k for k, step in enumerate(LADDER.steps) if not step.apart]  # what a whole climb takes
LAST, FREE, SEARCHED = len(LADDER.steps) - 1, LADDER.index("larger steps"), LADDER.index("searched")


def course(free=0.93, searched=0.96) -> list[float]:
    """The accuracy of every step: of the first three, up to FREE, up to SEARCHED, and 1 of those above."""
    return [0.52, 0.60, 0.70] + [free if k <= FREE else searched if k <= SEARCHED else 1.0 for k in range(3, LAST + 1)]


ACCURACY = course()


@pytest.fixture
def trained(monkeypatch):
    """Reports as if step k had reached ACCURACY[k]; returns the calls made."""
    calls = []

    def stand_in(what, k, recipe):
        calls.append((k, recipe.seed))
        value = ACCURACY[k] - 0.001 * recipe.seed
        names = [*what.task.ladder.figures, "distance_from_prior"]
        return {
            "metrics": {name: 9.0 if name == "distance_from_prior" else value for name in names},
            "intervals": {"accuracy": [value - 0.01, value + 0.01]},
            "recipe": recipe.model_dump(mode="json"),
            "seed": recipe.seed,
            "sizes": {"test": 100},
            "history": [{}, {}],
            "duration_s": 60.0,
            "date": "2026-01-01T00:00:00",
            "commit": "0" * 40,
            "backend": backend.current(),
            "versions": {},
            "hardware": {"cores": 2, "processor": "P"},
        }

    monkeypatch.setattr(climb, "_trained", stand_in)
    monkeypatch.setattr(climb, "_findings", lambda what, step, k: ["a finding"] if k == 0 else [])
    return calls


def what(tmp_path, **changes):
    task = task_of("nand")
    return climb.LadderRun(task, task.ladder, task.recipe(), tmp_path, **changes)


def test_every_step_leaves_its_figures_and_its_review(trained, tmp_path):
    records, failed = climb.climb(what(tmp_path), 0, LAST, keep_going=False)
    assert not failed and [k for k, _ in trained] == WAY
    for k in WAY:
        kept = json.loads((tmp_path / f"metrics_step{k}.json").read_text())
        assert kept["metrics"]["accuracy"] == ACCURACY[k] and len(kept["gates"]) == len(LADDER.steps[k].gates)
        assert (tmp_path / f"review_step{k}.md").read_text().startswith(f"# Step {k}, ")
    assert "a finding" in (tmp_path / "review_step0.md").read_text()
    third = (tmp_path / "review_step3.md").read_text()
    assert "| accuracy | 0.7000 | 0.9300 | 0.9200-0.9400 | 0.4500 |" in third
    assert "| model.bidirectional | False | True |" in third
    assert (tmp_path / "ladder.png").stat().st_size > 1000
    assert json.loads((tmp_path / "ladder.json").read_text())["steps"] == records
    gates = sum(len(record["gates"]) for record in records)
    lines = (tmp_path / "ladder.md").read_text().count("\n| ")
    assert lines == 3 * (2 + len(WAY)) + 2 + gates, "figures twice and the course: a head, a rule, all steps; gates"


def test_it_stops_at_the_first_failed_gate_unless_told_otherwise(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ACCURACY", course(0.80, 0.81))
    records, failed = climb.climb(what(tmp_path), 0, LAST, keep_going=False)
    assert failed and len(records) == FREE + 1 and records[-1]["verdict"] == "failed"
    assert not (tmp_path / f"metrics_step{FREE + 1}.json").exists()
    records, failed = climb.climb(what(tmp_path), 0, LAST, keep_going=True)
    assert failed and len(records) == len(WAY)
    searched = next(record for record in records if record["step"] == SEARCHED)
    gain = next(gate for gate in searched["gates"] if gate["metric"] == "accuracy_gain")
    assert gain["status"] == "failed" and gain["value"] == pytest.approx(0.01)


def test_what_is_climbed_is_not_climbed_again_until_recipe_or_code_change(trained, tmp_path, monkeypatch):
    climb.climb(what(tmp_path), 0, 3, keep_going=True)
    climb.climb(what(tmp_path), 0, 4, keep_going=True)
    assert [k for k, _ in trained] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(climb.provenance, "code", lambda *_: "other")
    climb.climb(what(tmp_path), 2, 2, keep_going=True)
    assert [k for k, _ in trained][5:] == [2]


def test_a_gate_is_passed_when_every_seed_passes_it(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ACCURACY", course(0.9015))
    records, failed = climb.climb(what(tmp_path, n_seeds=3), FREE, FREE, keep_going=True)
    (record,) = records
    assert trained == [(FREE, 0), (FREE, 1), (FREE, 2)] and record["seeds"] == [0, 1, 2]
    assert record["metrics"]["accuracy"] == pytest.approx(0.9005), "the mean passes, the third seed does not"
    assert failed and record["intervals"]["accuracy"] == pytest.approx([0.8895, 0.9115])
    gate = next(gate for gate in record["gates"] if gate["bound"] == 0.90)
    assert gate["status"] == "failed" and gate["value"] == pytest.approx(0.8995)


def test_several_seeds_give_the_quotient_to_the_rung_compared_with_an_interval(trained, tmp_path):
    records, _ = climb.climb(what(tmp_path, n_seeds=3), FREE, SEARCHED, keep_going=True)
    assert records[0]["ratios"] == {}, "the rung before was not climbed"
    mean, low, high = records[-1]["ratios"]["accuracy"]
    assert mean == pytest.approx(0.96 / 0.93, rel=1e-4) and low < mean < high < 1.001 * mean
    review_of = (tmp_path / f"review_step{SEARCHED}.md").read_text()
    assert f"| accuracy | {mean:.4f} | {low:.4f}-{high:.4f} |" in review_of


def test_a_smoke_climb_judges_nothing(trained, tmp_path):
    records, failed = climb.climb(what(tmp_path, smoke=True), 0, 1, keep_going=False)
    assert not failed and {record["verdict"] for record in records} == {"not_measured"}


def test_the_tables_of_a_climb(trained, tmp_path):
    records, _ = climb.climb(what(tmp_path), 0, LAST, keep_going=True)
    from rich.console import Console

    console = Console(width=80, record=True)
    console.print(review.summary(records))
    assert max(map(len, console.export_text().splitlines())) <= 80
    table = review.of_ladder(records)
    assert "0.52 / 0.32" in table and "open" in table and f"{len(WAY)} minutes" in table


def test_wrong_steps_are_refused(tmp_path, capsys):
    for words, said in (
        (["--from", "3", "--until", "2"], f"0 to {LAST}"),
        (["--until", f"{LAST + 1}"], f"0 to {LAST}"),
        (["--seeds", "0"], "at least 1"),
        (["--config", "x.yaml"], "the ladder's own recipes"),
    ):
        fails_cleanly(capsys, verb.main(["--model", "nand", "--out", str(tmp_path), *words]), said)


def test_a_climb_from_the_command_line_and_its_second_call(tmp_path, capsys, eager):
    """Really trained: the smallest step, once."""
    words = ["--model", "nand", "--smoke", "--until", "0", "--out", str(tmp_path)]
    assert verb.main(words) == 0
    said = capsys.readouterr().out
    assert "step 0: baseline" in said and "not measured" in said and "ladder.md" in said
    assert "label noise" in (tmp_path / "review_step0.md").read_text()
    runs = list((tmp_path / "runs" / "step0").iterdir())
    assert verb.main(words) == 0
    assert "climbed before" in capsys.readouterr().out
    assert list((tmp_path / "runs" / "step0").iterdir()) == runs
    (tmp_path / "metrics_step0.json").unlink()  # as if killed just before it was written
    assert verb.main(words) == 0
    assert list((tmp_path / "runs" / "step0").iterdir()) == runs, "the finished run is taken up, not trained again"


@pytest.fixture
def on_workers(monkeypatch):
    """Workers that are stood in for; returns the (rung's folder, seed) of the trainings that they were given."""
    given = []

    def stand_in(work, todo, **how):
        assert work is training.train and how["apart"] and how["ahead"] == 1
        for arguments in todo:
            given.append((arguments[0].name, arguments[1].seed))
            failed = given[-1] == ("step1", 0)
            yield arguments, UserError("out of luck") if failed else (arguments[0], {"duration_s": 1.0})

    monkeypatch.setattr(climb.jobs, "run", stand_in)
    monkeypatch.setattr(climb.jobs, "active", lambda: True)
    return given


def test_workers_are_given_every_rung_or_the_seeds_of_one(trained, on_workers, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(globals(), "ACCURACY", course(0.80, 0.81))
    climb.climb(what(tmp_path, n_seeds=2), 0, 2, keep_going=True)
    assert on_workers == [(f"step{k}", seed) for k in range(3) for seed in (0, 1)]
    assert len(trained) == 6, "each is then found, and what failed says why"
    assert "step1, seed 0: not trained: out of luck" in capsys.readouterr().out
    del on_workers[:]
    climb.climb(what(tmp_path, n_seeds=2), 2, LAST, keep_going=False)
    assert on_workers == [(f"step{k}", seed) for k in range(3, FREE + 1) for seed in (0, 1)], "up to the failed gate"


@pytest.mark.slow
def test_a_worker_is_killed_in_mid_climb_and_every_rung_is_trained_once(tmp_path):
    """Really trained, the smallest steps."""
    pytest.importorskip("distributed")
    words = ["--model", "nand", "--smoke", "--until", "1", "--keep-going", "--seeds", "2", "--workers", "2"]
    driver = started(["kmodels.climb", *words, "--out", str(tmp_path)])
    kill_a_worker(tmp_path, driver)
    said, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0 and "has gone; its jobs are given to others" in said, said
    for k in range(2):
        runs = list((tmp_path / "runs" / f"step{k}").glob("*/report.json"))
        assert len(runs) == 2 and (tmp_path / f"metrics_step{k}.json").exists(), said
    assert len(list(tmp_path.glob("runs/*/*/run.json"))) == 4, "none is begun twice"


def test_a_long_rung_is_climbed_only_alone(trained, tmp_path, capsys):
    long = LADDER.index("prototype's step 4")
    records, _ = climb.climb(what(tmp_path), long - 1, long + 1, keep_going=True)
    assert [record["step"] for record in records] == [long - 1, long + 1] and "left out" in capsys.readouterr().out
    climb.climb(what(tmp_path), long, long, keep_going=True)
    records, _ = climb.climb(what(tmp_path), long - 1, long + 1, keep_going=True)
    assert [record["step"] for record in records] == [long - 1, long, long + 1]
