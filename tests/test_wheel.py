"""The package as users get it: a wheel, installed into a folder and run outside of a clone."""

import json
import os
import subprocess
import sys
import tomllib

import pytest
import yaml
from helpers import cards
from helpers.checks import ROOT, SOURCES

import kmodels
from kmodels import presets
from kmodels.core.training import backend

# A process that has one backend alone: the others cannot be found.
ALONE = """
import importlib.machinery, os
absent = set(os.environ["ABSENT"].split())
found = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: None if name in absent else found(name, path, target)
)
"""


def run(wheel, folder, *words, absent=(), timeout=600):
    """Run Python in a folder with the installed wheel, and without some packages; returns the finished process."""
    alone = folder / "alone"
    alone.mkdir(exist_ok=True)
    (alone / "sitecustomize.py").write_text(ALONE)
    paths = os.pathsep.join([str(alone), str(wheel)])
    environment = os.environ | {"PYTHONPATH": paths, "ABSENT": " ".join(absent)}
    environment.pop("KERAS_BACKEND", None)
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)


def test_all_that_is_in_the_package_is_in_the_wheel(wheel):
    """Reference networks, presets with their cards, templates, rigorous spectra; and nothing from beside it."""
    there = {path.relative_to(wheel) for path in (wheel / "kmodels").rglob("*") if path.is_file()}
    there = {str(path) for path in there if "__pycache__" not in path.parts}
    listed = subprocess.run(["git", "ls-files", "kmodels"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("no checkout")
    ours = {name for name in listed.stdout.splitlines() if not name.endswith("README.md") and (ROOT / name).exists()}
    assert ours - there == set() and {name for name in there - ours if name.endswith(".py")} - _new(ours) == set()
    assert set(presets.names()) <= {path.name for path in (wheel / "kmodels" / "presets").iterdir()}
    beside = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert beside <= {"kmodels", "bin", "__pycache__"}


def _new(ours: set) -> set:
    """Files that are not yet in the index."""
    words = ["git", "ls-files", "--others", "--exclude-standard", "kmodels"]
    return set(subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()) | ours


def test_the_command_runs_outside_a_clone(wheel, tmp_path):
    code = "import kmodels, sys; print(kmodels.__file__); from kmodels.__main__ import main; sys.exit(main(['--help']))"
    done = run(wheel, tmp_path, "-c", code)
    assert done.returncode == 0 and str(wheel) in done.stdout, done.stderr
    assert "only in a clone" in done.stdout and "register-python-argcomplete" in done.stdout
    done = run(wheel, tmp_path, wheel / "bin" / "kmodels", "search")
    assert done.returncode == 2 and "only in a clone" in done.stderr
    done = run(wheel, tmp_path, "-m", "kmodels", "bench", "--device", "gpu", "--full")
    assert done.returncode == 2 and "configs/nand_full.yaml: not here" in done.stderr


def test_the_dockerfile_builds_of_the_same_files_for_any_user():
    """Read, not built: what it copies is what the wheel here is built of, and all that is written has a place."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert sorted(copied) == sorted(SOURCES) and all((ROOT / name).exists() for name in copied)
    (variables,) = (line.split()[1:] for line in lines if line.startswith("ENV "))
    assert all(word.partition("=")[2].startswith("/tmp") for word in variables)
    assert not any(line.startswith("USER ") for line in lines)
    assert lines.index("RUN install -d -m 1777 /work") < lines.index("WORKDIR /work")


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"] == kmodels.__version__
    assert citation["license"] == project["license"] and citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= set(citation)


@pytest.mark.slow
@pytest.mark.parametrize("name", backend.installed())
def test_a_preset_answers_with_each_backend_alone(name, wheel, tmp_path):
    absent = [other for other in backend.NAMES if other != name]
    code = f"import importlib.util as u, sys; sys.exit(any(map(u.find_spec, {absent})) or not u.find_spec('{name}'))"
    assert run(wheel, tmp_path, "-c", code, absent=absent).returncode == 0, "the test sees to it"
    data = ROOT / "examples" / "nand" / "trace.csv"
    words = ["--preset", "nand", "--data", data, "--out", "out.csv"]
    done = run(wheel, tmp_path, "-m", "kmodels", "predict", *words, absent=absent)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 61 and sum(",False," in line for line in lines) == 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", backend.installed())
@pytest.mark.parametrize("preset", presets.names())
def test_a_card_is_reproduced_with_each_backend_alone(preset, name, wheel, tmp_path):
    """In an empty folder, on simulated data of a seed that no headline has; they are simulated once for all."""
    absent = [other for other in backend.NAMES if other != name]
    done = run(wheel, tmp_path, ROOT / "tests" / "helpers" / "cards.py", preset, "9000", absent=absent, timeout=3000)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 2 and cards.apart(found) == [], found


@pytest.mark.slow
@pytest.mark.skipif("torch" not in backend.installed(), reason="the references are PyTorch's")
def test_the_pytorch_references_come_along(wheel, tmp_path):
    words = ["--model", "nand", "--contestant", "eager", "--smoke", "--steps", "2"]
    done = run(wheel, tmp_path, "-m", "kmodels", "bench", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["median_ms"] > 0
