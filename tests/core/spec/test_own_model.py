"""A sixth model by the page about it: its files written into an empty folder, its commands run as they stand."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from helpers.checks import ROOT

from kmodels.core.runs import provenance
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

PAGE = (ROOT / "kmodels" / "core" / "spec" / "README.md").read_text()
FILES = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def written(folder: Path) -> Path:
    """Write the page's files into a folder."""
    for name, content in FILES.findall(PAGE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def environment_in(folder: Path) -> dict:
    """An environment of its own, in which this one's packages are seen and pip puts new ones; its variables."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "outer.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m pip "$@"\n')
    pip.chmod(0o755)
    return os.environ | OFFLINE | {"PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The page followed to the letter: its folder, the environment's variables, what the commands said."""
    pytest.importorskip("setuptools", "77", reason="pip builds the package without the network")
    folder = tmp_path_factory.mktemp("ringdown")
    environment = environment_in(tmp_path_factory.mktemp("environment"))
    (commands,) = COMMANDS.findall(PAGE)
    words = ["bash", "-euxc", commands]
    done = subprocess.run(words, cwd=written(folder), env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, environment, done.stdout


def test_the_page_makes_a_model_that_every_verb_takes(followed):
    folder, _, said = followed
    assert (folder / "traces" / "traces.csv").exists() and (folder / "look.png").exists()
    (run,) = (folder / "runs").glob("ringdown-*")
    report = json.loads((run / "report.json").read_text())
    assert report["model"] == "ringdown" and {"mean", "peak_and_decrement", "untrained"} <= set(report["baselines"])
    assert report["code"] and report["code"] != provenance.code_of("nand")
    lines = (folder / "modes.csv").read_text().splitlines()
    assert lines[0] == "name,frequency_hz,damping_ratio" and len(lines) == 41
    assert "damping_error" in said and "no gate was judged" in said


def in_python(environment, code, *words):
    """What a process of that environment says, in one line."""
    command = ["python", "-c", code, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_its_names_errors_and_code_are_treated_as_those_of_kmodels(followed):
    folder, environment, _ = followed
    code = """
import sys
from kmodels.core.runs import provenance
from kmodels.core.spec import registry
from kmodels import bench, fit
assert registry.names()[-1] == "ringdown" and "ringdown" not in registry.NAMES
assert registry.folder("ringdown").samefile(sys.argv[1] + "/kmodels_ringdown")
assert provenance.code("ringdown") != provenance.code() == provenance.code("nand")
from kmodels.fit import main
assert main(["--model", "ringdwon"]) == main(["--model", "ringdown", "--model.widht", "3"]) == 2
from kmodels.bench import main
assert main(["--model", "ringdown"]) == 2
assert "keras" not in sys.modules
"""
    in_python(environment, code, folder)


@pytest.mark.parametrize("broken, said", [("x3,", "x3 is missing"), (",0.5", "cannot be read as numbers")])
def test_a_bad_file_is_refused_in_a_line(followed, tmp_path, broken, said):
    folder, environment, _ = followed
    text = (folder / "traces" / "traces.csv").read_text()
    bad = text.replace("x3,", "y3,", 1) if broken == "x3," else re.sub(r"(structure-0,)[^,]*", r"\1soon", text)
    (tmp_path / "bad.csv").write_text(bad)
    words = ["python", "-m", "kmodels.read", "--model", "ringdown", "--data", tmp_path / "bad.csv"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and said in done.stderr.replace("\n", " ")


def test_a_run_of_a_model_that_is_not_installed_is_told(followed, monkeypatch):
    from kmodels.core.report import index
    from kmodels.core.runs.run import Run

    folder, _, _ = followed
    (run,) = (folder / "runs").glob("ringdown-*")
    assert "ringdown" not in registry.names()
    with pytest.raises(UserError, match=r"a run of 'ringdown'; this kmodels has nand"):
        Run.open(run)
    assert [row["model"] for row in index.collect(folder / "runs")] == ["ringdown"]


def test_a_package_without_a_part_is_told(monkeypatch):
    monkeypatch.setattr(registry, "plugged", lambda: {"hollow": "email", "gone": "kmodels_gone"})
    with pytest.raises(UserError, match=r"model hollow: there is no module email\.recipe; every model needs"):
        registry.recipe_type("hollow")
    with pytest.raises(UserError, match=r"model gone: there is no module kmodels_gone; every model needs"):
        registry.task("gone")
    with pytest.raises(UserError, match=r"there is no model 'hollov'; did you mean hollow\?"):
        registry.simulator("hollov")


@pytest.mark.slow
def test_it_keeps_the_contract(followed):
    """What every model must do: the tests of the contract, run for it as the page says."""
    (command,) = re.findall(r"^```\n(pytest .*)\n```$", PAGE, re.MULTILINE)
    _, environment, _ = followed
    words = f"python -m {command} -n 0 -q -p no:cacheprovider"
    done = subprocess.run(["bash", "-c", words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "ringdown" not in done.stderr
