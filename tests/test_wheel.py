"""The package as users get it: a wheel, installed into a folder and run outside of a clone."""

import os
import subprocess
import sys

import pytest
from helpers.checks import ROOT

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


def run(wheel, folder, *words, absent=()):
    """Run Python in a folder with the installed wheel, and without some packages; returns the finished process."""
    alone = folder / "alone"
    alone.mkdir(exist_ok=True)
    (alone / "sitecustomize.py").write_text(ALONE)
    paths = os.pathsep.join([str(alone), str(wheel)])
    environment = os.environ | {"PYTHONPATH": paths, "ABSENT": " ".join(absent)}
    environment.pop("KERAS_BACKEND", None)
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_all_that_is_in_the_package_is_in_the_wheel(wheel):
    """Reference networks, presets with their cards, templates, rigorous spectra; and nothing from beside it."""
    there = {path.relative_to(wheel) for path in (wheel / "kmodels").rglob("*") if path.is_file()}
    there = {str(path) for path in there if "__pycache__" not in path.parts}
    listed = subprocess.run(["git", "ls-files", "kmodels"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("no checkout")
    ours = {name for name in listed.stdout.splitlines() if not name.endswith("README.md") and (ROOT / name).exists()}
    assert ours - there == set() and {name for name in there - ours if name.endswith(".py")} - _new(ours) == set()
    assert {"nand", "metasurface"} <= {path.name for path in (wheel / "kmodels" / "presets").iterdir()}
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


@pytest.mark.slow
@pytest.mark.parametrize("name", backend.installed())
def test_a_preset_answers_with_each_backend_alone(name, wheel, tmp_path):
    absent = [other for other in backend.NAMES if other != name]
    data = ROOT / "examples" / "nand" / "trace.csv"
    words = ["--preset", "nand", "--data", data, "--out", "out.csv"]
    done = run(wheel, tmp_path, "-m", "kmodels", "predict", *words, absent=absent)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 61 and sum(",False," in line for line in lines) == 12


@pytest.mark.slow
@pytest.mark.skipif("torch" not in backend.installed(), reason="the references are PyTorch's")
def test_the_pytorch_references_come_along(wheel, tmp_path):
    words = ["--model", "nand", "--contestant", "eager", "--smoke", "--steps", "2"]
    done = run(wheel, tmp_path, "-m", "kmodels", "bench", *words)
    assert done.returncode == 0 and "seconds" in done.stdout, done.stdout + done.stderr
