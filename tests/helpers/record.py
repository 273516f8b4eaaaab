"""What the slow tests did goes to configs/reports/reliability.report.json, by themselves."""

import json

from helpers.checks import ROOT
from kmodels.core.io import files
from kmodels.core.runs import provenance

REPORT = ROOT / "configs" / "reports" / "reliability.report.json"


def record(what: str, name: str, faults: list[str], **figures) -> None:
    """Note the last result of one slow test, with date, commit, backend, versions and hardware; assert no fault.

    what: kills, mutations or long runs. name: of the case, such as "nand fit tensorflow". figures: numbers.
    """
    with files.file_lock(ROOT / ".pytest_cache" / "reliability.lock", wait=60.0) as alone:  # tests run side by side
        assert alone, "another test holds the report"
        report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
        found = {"failures": len(faults), "faults": faults[:5]}
        report.setdefault(what, {})[name] = figures | found | provenance.here()
        files.write_json(REPORT, report)
    assert not faults, faults
