"""The rules of the device once more, as a plain loop over one sequence: slow, obvious, independent of the package."""

import numpy as np

from kmodels.nand.data.records import PAD, Trace


def first_violation(operations, limit, order="strict", starts_erased=False):
    """(index, code) of the first violation of [(op, block, page), ...], or None. Follows the table of the rules."""
    erased = {block for _, block, _ in operations} if starts_erased else set()
    written, frontier = {}, {}
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


def first_violation_in_mid_life(operations, limit, order, pages):
    """The same where the recording begins in mid-life: the first operation that is illegal in every state.

    Every state is listed: not erased (None), or the set of written pages that `order` can lead to. Codes are not told.
    """
    sets = [frozenset(range(w)) for w in range(pages + 1)]
    if order != "strict":
        sets = [frozenset(p for p in range(pages) if number >> p & 1) for number in range(2**pages)]
    states = {}
    for index, (op, block, page) in enumerate(operations):
        possible = states.setdefault(block, {None, *sets})
        after = {state_after(op, page, state, limit, order) for state in possible} - {ILLEGAL}
        if not after:
            return index
        states[block] = after
    return None


ILLEGAL = "illegal"


def state_after(op, page, state, limit, order):
    """The written pages behind one operation, or ILLEGAL."""
    if op == "erase":
        return frozenset()
    if state is None:
        return ILLEGAL
    w = max(state, default=-1) + 1
    if op == "program":
        allowed = {"strict": page == w, "monotonic": page >= w, "any": page not in state}[order]
        return state | {page} if allowed else ILLEGAL
    return state if page in state and w - 1 - page < limit else ILLEGAL


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
