"""The IOOS checker of CF conventions."""

import subprocess
import sys

CHECK = """
import sys
from compliance_checker.runner import CheckSuite, ComplianceChecker
CheckSuite.load_all_available_checkers()
passed, errors = ComplianceChecker.run_checker(sys.argv[1:], ["cf:1.11"], 0, "strict")
sys.exit(1 if errors or not passed else 0)
"""


def check_cf(*paths):
    """The strictest verdict of the IOOS checker, offline; in a process of its own, for it brings another HDF5."""
    return subprocess.run([sys.executable, "-c", CHECK, *map(str, paths)], capture_output=True, text=True)
