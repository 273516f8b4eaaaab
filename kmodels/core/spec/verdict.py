"""What all gates of a run say together."""

ENOUGH = 4  # gates on quality that must discriminate, before a run says anything


def discriminating(gates: list[dict]) -> list[dict]:
    """Choose the judged gates that are evidence of skill: on quality, and failed by all that needs no training."""
    return [row for row in gates if row.get("discriminates")]


def sentence(gates: list[dict]) -> str:
    """Sum up judged gates in one sentence: what failed, what is no evidence, what was passed.

    Parameters
    ----------
    gates : list of dict
        Rows of a report; those of earlier versions say nothing of discrimination.
    """
    failed = [row for row in gates if row["status"] == "failed"]
    unmeasured = [row for row in gates if row["status"] == "not_measured"]
    parts = [f"{len(failed)} of {len(gates)} gates FAILED"] if failed else []
    if len(unmeasured) == len(gates):
        return "no gate was judged"
    parts += _passed(gates)
    if unmeasured:
        parts.append(f"{len(unmeasured)} not measured")
    return "; ".join(parts)


def _passed(gates: list[dict]) -> list[str]:
    """Count what was passed; a gate that an untrained network or a baseline passes is not counted."""
    if not _is_known(gates):
        passed = sum(row["status"] == "passed" for row in gates)
        return [f"{passed} of {len(gates)} gates passed; which of them discriminate was not measured"]
    sharp, blunt = discriminating(gates), [row for row in gates if row["discriminates"] is False]
    requirements = [row for row in gates if row["kind"] == "requirement"]
    also = f" and {_share_passed(requirements)} requirements" if requirements else ""
    parts = [f"{_share_passed(sharp)} discriminating gates{also} passed"]
    if blunt:
        parts.append(f"{len(blunt)} passed untrained or by a baseline, not counted")
    if len(sharp) < ENOUGH:
        parts.append(f"fewer than {ENOUGH} gates discriminate: NO EVIDENCE of skill")
    return parts


def _is_known(gates: list[dict]) -> bool:
    """Say whether the untrained network was judged, too."""
    return any(row.get("discriminates") is not None for row in gates)


def _share_passed(rows: list[dict]) -> str:
    return f"{sum(row['status'] == 'passed' for row in rows)} of {len(rows)}"


def exit_status(gates: list[dict]) -> int:
    """Compute the exit status of a judged run.

    Returns
    -------
    int
        1 where a gate failed, or fewer than `ENOUGH` are known to discriminate; else 0.
    """
    if any(row["status"] == "failed" for row in gates):
        return 1
    return int(_is_known(gates) and len(discriminating(gates)) < ENOUGH)
