"""The classifier's loader: the generator learns from the legal ones of the same sequences, in memory."""

from kmodels.nand.data import load as classifier
from kmodels.nand.data.load import SUFFIXES, sizes
from kmodels.nand.data.records import Trace

__all__ = ["SUFFIXES", "load", "sizes"]


def load(source, recipe, labels: bool = True) -> Trace:
    """Read sequences as the classifier's loader does; see `kmodels.nand.data.load.load`."""
    return classifier.load(source, recipe, labels).read()
