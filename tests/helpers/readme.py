"""The README's numbers out of committed reports: `python tests/helpers/readme.py` writes them, a test compares them."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(<!-- (results|gates|ladder|study|bench): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The README with every block made anew from the report that it names."""

    def fill(found):
        head, kind, path, end = found.groups()
        return f"{head}{_made(kind, json.loads((ROOT / path).read_text()))}\n{end}"

    return BLOCK.sub(fill, text)


def _made(kind, content) -> str:
    from kmodels.core.report import review, tables
    from kmodels.core.spec import registry

    if kind == "ladder":
        return review.of_ladder(content["steps"])
    if kind == "study":
        from tuning import summary

        return summary.of_summary(content)
    if kind == "bench":
        return tables.bench(content)
    if kind == "gates":
        return f"{tables.gates(content['gates'])}\n\n{tables.measured(content)}"
    return tables.results(content, registry.task(content["model"]).headline)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from kmodels.core.training import backend

    backend.select()
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))
