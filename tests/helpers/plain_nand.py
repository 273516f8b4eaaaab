"""The rules of the device once more, as a plain loop over one sequence: slow, obvious, independent of the package."""

import numpy as np

from kmodels.nand.data.records import PAD, Trace


def first_violation(operations, limit, order="strict"):
    """(index, code) of the first violation of [(op, block, page), ...], or None. Follows the table of the rules."""
    erased, written, frontier = set(), {}, {}
    found = None
    for index, (op, block, page) in enumerate(operations):
        code = None
        pages = written.setdefault(block, set())
        w = frontier.setdefault(block, 0)
        if op == "erase":
            erased.add(block)
            written[block], frontier[block] = set(), 0
        elif op == "program":
            if block not in erased:
                code = "not_erased"
            elif order == "strict" and page != w:
                code = "overwrite" if page < w else "page_hop"
            elif (order == "monotonic" and page < w) or (order == "any" and page in pages):
                code = "overwrite"
            else:
                pages.add(page)
                frontier[block] = max(w, page + 1)
        elif op == "read":
            if block not in erased or page not in pages:
                code = "read_unwritten"
            elif w - 1 - page >= limit:
                code = "stale_read"
        if code and found is None:
            found = index, code
    return found


def operations_of(trace, row):
    """One sequence of a Trace as [(op, block, page), ...]."""
    names = ("erase", "program", "read")
    length = int(trace.length[row])
    columns = (trace.op, trace.die, trace.plane, trace.block, trace.page)
    steps = zip(*(column[row, :length].tolist() for column in columns), strict=True)
    return [(names[op], (die, plane, block), page) for op, die, plane, block, page in steps]


def assert_rule_checker_agrees(trace, rules):
    """Compare the rule checker with the plain loop on every sequence."""
    from kmodels.nand.data.records import CODES
    from kmodels.nand.data.rules import RuleChecker

    verdict = RuleChecker(rules).check(trace)
    for row in range(len(trace)):
        expected = first_violation(operations_of(trace, row), rules.read_offset_limit, rules.program_order)
        found = (
            (int(verdict.violation_index[row]), CODES[verdict.violation_code[row]]) if verdict.invalid[row] else None
        )
        assert found == expected, f"sequence {row}: {operations_of(trace, row)}"


def trace_of(*sequences) -> Trace:
    """A Trace of sequences like "e0 p0.0 r0.0": operation, block, page."""
    longest = max(len(text.split()) for text in sequences)
    op, block, page = (np.full((len(sequences), longest), fill) for fill in (PAD, 0, -1))
    for row, text in enumerate(sequences):
        for step, word in enumerate(text.split()):
            at, _, number = word[1:].partition(".")
            op[row, step], block[row, step] = "epr".index(word[0]), int(at)
            page[row, step] = int(number or -1)
    zero, n = np.zeros_like(block), np.arange(len(sequences))
    return Trace(op=op, die=zero, plane=zero, block=block, page=page, name=n, pair=n)
