"""The plain PyTorch twins in tests/reference, against which speed is measured: a clone has them, an installed package
does not."""

import importlib.util
from pathlib import Path
from types import ModuleType

from kmodels.core.errors import UserError

FOLDER = Path(__file__).parents[2] / "tests" / "reference"


def twin(name: str) -> ModuleType:
    """The module of that name. Raises UserError where it, or PyTorch, is missing."""
    path = FOLDER / f"{name}.py"
    if not path.exists():
        raise UserError(f"{path}: no such file; the measurement needs a clone of the repository")
    if importlib.util.find_spec("torch") is None:
        raise UserError("what it is compared with is in PyTorch: pip install torch")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
