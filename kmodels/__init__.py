"""kmodels: scientific models in Keras 3, each with its simulator, its baselines and its gates.

    import kmodels

    run = kmodels.fit("nand", data="my_trace.csv", **{"train.epochs": 3})
    run.report["metrics"]["accuracy"]
    run.predictor.predict("another_trace.csv").frame()

    model = kmodels.from_preset("nand")
    model = kmodels.load("runs/nand-seed0-20261121-093000-1a2b3c4d")
    records = kmodels.read("precip", "era5/")
    kmodels.describe("precip", records)
    folder = kmodels.simulate("plume", out="clouds")
    network = kmodels.plume.PlumeNet()

Importing this package imports no backend; `fit` and `load` choose one (see `kmodels.core.training.backend`).
"""

import importlib
import sys
import types

from kmodels import lazy
from kmodels.core.io import system

__version__ = "0.1.0"

_FUNCTIONS = ("fit", "read", "simulate")  # each in the module of its name, which is also the verb on the command line
_MODELS = ("echo", "metasurface", "nand", "plume", "precip")
_PACKAGES = (*_MODELS, "layers")


def _elsewhere(name: str) -> str:
    """Say which of the packages has a name."""
    having = [package for package in _PACKAGES if name in importlib.import_module(f"kmodels.{package}").__all__]
    return "; it is " + " and ".join(f"kmodels.{package}.{name}" for package in having) if having else ""


__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=_PACKAGES,
    submod_attrs={name: [name] for name in _FUNCTIONS}
    | {"read": ["read", "describe"], "core.runs.predictor": ["load"], "presets": ["from_preset"]},
    elsewhere=_elsewhere,
)


class _Package(types.ModuleType):
    """A package whose functions are not hidden by the modules that hold them.

    When Python has imported the module kmodels.fit, it sets it as the attribute `fit` of the package, where the
    function is. That one attribute is not set; the module is still found by `from kmodels.fit import main`,
    `python -m kmodels.fit` and `sys.modules["kmodels.fit"]`.
    """

    def __setattr__(self, name, value):
        if not (name in _FUNCTIONS and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
system.settle()
