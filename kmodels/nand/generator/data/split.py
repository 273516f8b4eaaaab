"""Training, validation and test sequences of the generator: the legal ones of the classifier's."""

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.nand.data import split as classifier
from kmodels.nand.data.records import CODES, Trace
from kmodels.nand.data.rules import RuleChecker


def split(trace: Trace, recipe) -> dict[str, np.ndarray]:
    """Split the rows of the valid sequences by pair.

    Raises
    ------
    UserError
        For a sequence that its file calls valid and the recipe's rules do not.
    """
    checked = RuleChecker(recipe.data).check(trace)
    wrong = checked.invalid & ~trace.invalid
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"sequence {trace.name[row]}: labelled valid, but step {checked.violation_index[row]} breaks a rule "
            f"of the recipe, {CODES[checked.violation_code[row]]} (see data.program_order, data.read_offset_limit)"
        )
    parts = classifier.split(trace, recipe)
    return {name: rows[~trace.invalid[rows]] for name, rows in parts.items()}
