"""Who may import whom, and how fast the light things are."""

import re
import resource
import subprocess
import sys

import pytest
from helpers.checks import ROOT, run_python


def test_imports_run_one_way():
    """The contracts of pyproject.toml: verbs -> models -> core, simulators without Keras, one door to the backends."""
    words = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_folder_is_crowded_and_the_contracts_are_few():
    """At most a dozen files beside sub-folders, and at most twenty lines of import contracts."""
    for folder in [ROOT / "kmodels", *(ROOT / "kmodels").rglob("*/")]:
        files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"]
        assert folder.name == "__pycache__" or len(files) <= 12, folder
    contracts = (ROOT / "pyproject.toml").read_text().partition("contracts = [")[2].partition("\n]")[0]
    assert 0 < len(contracts.strip().splitlines()) <= 20


@pytest.mark.parametrize("model", ["nand", "nand/generator", "plume", "precip", "metasurface", "echo"])
def test_every_model_has_the_same_rooms(model):
    folder = ROOT / "kmodels" / model
    names = {path.name.removesuffix(".py") for path in folder.iterdir() if path.name != "__pycache__"}
    wanted = {"__init__", "task", "recipe", "gates", "data", "simulator", "network", "evaluation"}
    assert wanted <= names <= wanted | {"ladder", "studies", "generator", "README.md"}, names


PRIVATE = (
    r"Keeper|kept_by|Judged|Examined|what_others_tell|seed_document|seed_arrays|KeptRuns|practi[sc]e|_bury|LAST_WORDS|"
    r"ZOMBIE|twin net|PyTorch twins?|rivals?|no_more\(|is_whole|the seed's|the seed document|oracle_flags"
)


def test_private_words_are_gone():
    """Words that only this project used; files that earlier versions wrote are still read by theirs."""
    for path in sorted([*(ROOT / "kmodels").rglob("*.py"), *(ROOT / "tuning").rglob("*.py")]):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            old_name = "RENAMED" in line or path.name in ("recipe.py", "legacy.py")
            assert old_name or not re.search(rf"\b(?:{PRIVATE})", line), f"{path}:{number}: {line}"


def test_style():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def _seconds(*words, check) -> float:
    """Processor seconds, the fewest of three: other tests that run beside this one do not count."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run_python(*words, check=check)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_importing_the_package_is_cheap():
    bare = _seconds("-c", "pass", check=0)
    assert _seconds("-c", "import kmodels", check=0) - bare < 0.3
    code = "import sys, kmodels; sys.exit(any(b in sys.modules for b in ('keras', 'tensorflow', 'jax', 'torch')))"
    run_python("-c", code, check=0)


@pytest.mark.parametrize(
    "words, status", [(["--model", "nand", "--help"], 0), (["--model", "nand", "--train.epoch", "3"], 2)]
)
def test_help_and_recipe_errors_take_less_than_a_second(words, status):
    needed = _seconds("-c", "import pydantic_settings", check=0)  # a third of it, on a machine as busy as it is now
    assert _seconds("-m", "kmodels.fit", *words, check=status) < max(1.0, 3 * needed)


def test_a_recipe_error_comes_before_any_backend():
    code = (
        "import sys; from kmodels.fit import main; status = main(['--model', 'nand', '--train.epochs', '0']);"
        "sys.exit(status if not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules) else 77)"
    )
    run_python("-c", code, check=2)
