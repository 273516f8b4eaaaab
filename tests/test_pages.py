"""What the pages say is so: their numbers, their commands, their links, their code."""

import itertools
import json
import re
import runpy

import pytest
import yaml
from helpers import readme
from helpers.checks import ROOT, run_python

from kmodels.benchmarks import bench, rounds
from kmodels.core.cli import parse
from kmodels.core.spec import registry

TEXT = (ROOT / "README.md").read_text()
PAGES = [str(path.relative_to(ROOT)) for path in readme.pages()]
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_number_is_that_of_its_committed_report(page):
    text = (ROOT / page).read_text()
    assert readme.filled(text) == text, "run python tests/helpers/readme.py"


def test_the_front_page_is_short():
    assert len(TEXT.splitlines()) <= 150


def test_every_model_has_a_page_with_its_data_format():
    for name in registry.NAMES:
        if "." not in name:
            page = (ROOT / "kmodels" / name / "README.md").read_text()
            assert "\n## Data format\n" in page and CODE.search(page), name


def test_its_two_commands_are_those_that_the_check_runs():
    check = (ROOT / ".ci" / "run").read_text()
    for command in (
        'pip install -e ".[tensorflow]" && python -m kmodels.fit --model nand',
        'pip install -e ".[dev]" && pytest',
    ):
        assert command in TEXT
        assert command.replace("pip install", "pip install --quiet") in check


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    text = (ROOT / page).read_text()
    for path in re.findall(r"(?<![\w/.])(?:configs|examples|kmodels|tests|tuning)/[\w./]+\w", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / link).exists(), link


RUN = [page for page in PAGES if CODE.search((ROOT / page).read_text()) and not page.startswith("examples/")]


@pytest.mark.parametrize("page", RUN)  # the examples have tests of their own (test_examples.py)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    """All blocks of a page one after another, in an empty folder, as a reader would paste them.

    The front page in a process of its own: it chooses the backend itself.
    """
    script = tmp_path / "page.py"
    script.write_text("\n".join(CODE.findall((ROOT / page).read_text())))
    folder = tmp_path / "empty"
    folder.mkdir()
    if page == "README.md":
        go = "import os, sys; os.chdir(sys.argv[1]); sys.path.insert(0, sys.argv[2]); exec(open('../page.py').read())"
        run_python("-c", go, folder, ROOT, check=0)
    else:
        monkeypatch.chdir(folder)
        runpy.run_path(str(script))


def test_configs_are_recipes_with_a_header():
    paths = sorted((ROOT / "configs").glob("*.yaml"))
    assert paths
    for path in paths:
        head = path.read_text().splitlines()[:4]
        assert head[0].startswith("# python -m kmodels.fit --model "), path
        name = yaml.safe_load(path.read_text())["task"]
        parse.resolve(registry.recipe_type(name), [parse.read_yaml(path)])


def test_the_default_config_is_the_default_recipe():
    for name in registry.NAMES:
        kind = registry.recipe_type(name)
        assert parse.resolve(kind, [parse.read_yaml(ROOT / "configs" / f"{name.replace('.', '_')}.yaml")]) == kind()


def test_recipes_name_the_backends_from_the_fastest_on_as_the_committed_report_measured_them():
    rows = json.loads((ROOT / "configs" / "reports" / "speed.report.json").read_text())["rows"]
    for name in registry.NAMES:
        if bench.case(name).variant:  # the report is of that, not of the default
            continue
        seconds, apart = rounds.trainings(rows, name), rounds.spread(rows, name, "step")
        order = registry.recipe_type(name).FASTEST
        assert set(order) == set(seconds), name
        for before, after in itertools.pairwise(order):  # but for what two measurements of the same may differ by
            assert seconds[before] <= seconds[after] * (1 + apart) / (1 - apart), (name, seconds)


FLAWED = {"nand_flawed": "flawed"}  # committed report: the variant that it is of


@pytest.mark.parametrize("name", FLAWED)
def test_a_flawed_ancestors_report_shows_failed_gates(name):
    report = json.loads((ROOT / "configs" / "reports" / f"{name}.report.json").read_text())
    kind = registry.recipe_type(report["model"])
    assert parse.from_stored(kind, report["recipe"]) == kind().with_changes(kind.VARIANTS[FLAWED[name]])
    assert "failed" in {gate["status"] for gate in report["gates"]}
