"""The README's numbers out of committed reports: `python tests/readme.py` writes them, a test compares them."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- (results|gates|ladder|study|bench): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The README with every block made anew from the report that it names."""

    def fill(found):
        head, kind, path, end = found.groups()
        return f"{head}{_made(kind, json.loads((ROOT / path).read_text()))}\n{end}"

    return BLOCK.sub(fill, text)


def _made(kind, content) -> str:
    from kmodels.core import markdown, registry, review

    if kind == "ladder":
        return review.of_ladder(content["steps"])
    if kind == "study":
        from tuning import summary

        return summary.of_summary(content)
    if kind == "bench":
        return markdown.bench(content)
    if kind == "gates":
        return f"{markdown.gates(content['gates'])}\n\n{markdown.measured(content)}"
    return markdown.results(content, registry.task(content["model"]).headline)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from kmodels.core import backend

    backend.select()
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))
