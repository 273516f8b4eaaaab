"""`read` says what was understood of data, without a backend."""

import re
import subprocess
import sys

import pytest

import kmodels
from kmodels.core.spec import registry
from kmodels.read import main

MODELS = [name for name in registry.NAMES if "." not in name]
SAID = {  # by model, facts that a simulated folder has by its recipe
    "nand": {"sequences": "800 of 30 to 30 operations", "invalid": "50.0%", "pairs": "400"},
    "plume": {
        "runs": "8, 36 to 36 frames, 60 s apart",
        "grid": r"\(6, 12, 12\) cells of \(20, 100, 100\) m",
    },
    "precip": {"days": "90 from 2001-01-01 to 2001-03-31", "coarse grid": r"\(6, 4\) cells of 4 fine ones"},
    "metasurface": {"structures": "60;", "wavelengths": "31 from 400 to 700 nm", "pixel order": "RGGB"},
    "echo": {"pairs": "60 from 12 places", "by CSV": "test 5, train 50, val 5", "depth [m]": "cut off at 12"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """`folders(name)`: simulated data of a smoke recipe."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = kmodels.simulate(name, tmp_path_factory.mktemp("read") / name, smoke=True)
        return made[name]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_what_was_understood_is_said_and_drawn(name, folders, tmp_path, capsys):
    picture = tmp_path / "look.png"
    assert main(["--model", name, "--data", str(folders(name)), "--smoke", "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"parts +train \d+, validation \d+, test \d+ of \d+", said)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert max(len(line) for line in said.splitlines() if "look.png" not in line) <= 80


@pytest.mark.parametrize("name", MODELS)
def test_facts_in_python(name, folders):
    facts = kmodels.describe(name, kmodels.read(name, folders(name), smoke=True))
    for key, text in SAID[name].items():
        assert re.search(text, facts[key]), (key, facts[key])


def test_no_backend_is_loaded():
    names = ", ".join(f"kmodels.{name}.evaluation.summary" for name in MODELS)
    code = f"import sys, kmodels.read, {names}; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
