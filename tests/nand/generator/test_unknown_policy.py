"""Legal traces of a device whose policy nobody states: the recipe's rules are as wide as the page's command says."""

import numpy as np

from kmodels.core.cli import parse
from kmodels.nand.data import load
from kmodels.nand.generator.data.split import split
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.recipe import Data
from kmodels.nand.simulator.sequences import sample_pairs

WORDS = [
    *("--data.initial_state", "unknown", "--data.program_order", "any", "--data.read_offset_limit", "2564"),
    *("--data.strategies", "[overwrite, read_unwritten, stale_read]"),
]


def test_nothing_legal_is_refused():
    recipe = parse.resolve(GeneratorRecipe, [parse.command_line(GeneratorRecipe, WORDS)])
    for order in ("strict", "monotonic", "any"):
        data = Data(program_order=order, read_offset_limit=7, strategies=("read_unwritten",), initial_state="unknown")
        trace = sample_pairs(np.random.default_rng(0), 60, data)
        frame = trace.take(~trace.invalid).frame()
        for table in (frame, frame.drop(columns=["valid", "strategy", "violation_index"])):
            read = load.load(table, recipe)
            assert not read.invalid.any() and sum(map(len, split(read, recipe).values())) == 60
