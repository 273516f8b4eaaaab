"""Classify NAND flash command sequences as legal or not, and find where they break which rule.

A block is erased, then its pages are programmed in order, then read back near the write frontier. With E "erased"
and w "pages written so far", for a block:

    erase             always legal;              E <- 1, w <- 0
    program page p    E and p == w;              w <- w + 1
    read page p       E and p < w and w-1-p < L  (L: the test plan's read_offset_limit)

`NandClassifier` is a GRU, of one direction or both, with attention pooling for the validity and a head on every
operation for the first violation and its rule; `NandPreprocessor` makes its inputs. Data sheets differ on the order of
programming within a block, hence `program_order`.

References
----------
Cho et al. 2014, arXiv:1406.1078 (GRU). Lin et al. 2017, arXiv:1708.02002 (focal loss).
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["generator"],
    submod_attrs={
        "network.classifier": ["NandClassifier"],
        "generator": ["NandGenerator"],
        "data.encode": ["NandPreprocessor"],
        "data.load": ["load"],
        "recipe": ["NandRecipe"],
    },
)
