"""The classifier's loader: the generator learns from the legal ones of the same sequences."""

from kmodels.nand.data.load import SUFFIXES, load, sizes

__all__ = ["SUFFIXES", "load", "sizes"]
