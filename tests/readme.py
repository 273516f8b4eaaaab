"""The README's numbers out of committed reports: `python tests/readme.py` writes them, a test compares them."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- (results|gates): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The README with every block made anew from the report that it names."""

    def fill(found):
        head, kind, path, end = found.groups()
        report = json.loads((ROOT / path).read_text())
        return f"{head}{_results(report) if kind == 'results' else _gates(report)}\n{end}"

    return BLOCK.sub(fill, text)


def _results(report) -> str:
    from kmodels.core import registry
    from kmodels.core.report import markdown

    return markdown(report, registry.task(report["model"]).headline)


def _gates(report) -> str:
    from kmodels.core.report import gates_markdown

    return gates_markdown(report)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from kmodels.core import backend

    backend.select()
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))
