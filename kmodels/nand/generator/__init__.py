"""Learn which NAND flash command sequences are legal, and generate new ones.

An operation is a token (op, slot, page offset): slot is the number of its block by first appearance, and the offset is
page - w with w the block's next page. The network gives the probability of each next token,

    p(x_1 .. x_T) = prod_t p(x_t | x_1 .. x_{t-1}),    x_0 = start,

by a GRU that reads each sequence once: teacher forcing, all T targets in one pass. It is never told a rule: which
tokens are legal depends on min(w, L) of every block, and the GRU has to count that by itself. Constrained sampling
masks each step with the rules, so that every sequence is legal; free sampling shows what was learned.

References
----------
Williams and Zipser 1989, doi:10.1162/neco.1989.1.2.270 (teacher forcing); Cho et al. 2014, arXiv:1406.1078 (GRU).
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "network.generator": ["NandGenerator"],
        "data.encode": ["GeneratorPreprocessor"],
        "evaluation.sampling": ["generate"],
        "recipe": ["GeneratorRecipe"],
    },
)
