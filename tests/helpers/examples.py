"""The worked examples: scripts whose output is kept, as a page and as a notebook.

    python tests/helpers/examples.py nand          runs examples/nand/*.py and writes README.md, *.ipynb, pictures
    python tests/helpers/examples.py               the same for all

A script has cells as editors and Jupyter know them: `# %%` begins code, `# %% [markdown]` text. An example is run in a
copy of its folder that holds what the user brings, the script and the data, and nothing that is made.
"""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)
MADE = (".png", ".ipynb", ".md")  # beside the script and the user's files
NUMBER = re.compile(r"\d+\.?\d*(?:[eE][-+]?\d+)?")


@dataclass
class Cell:
    """A cell of a script: text or code, what the code prints, and the names of the pictures that it writes."""

    is_text: bool
    source: str
    output: str = ""
    pictures: list[str] = field(default_factory=list)


def scripts() -> list[Path]:
    """List the examples."""
    return sorted(FOLDER.glob("*/*.py"))


def cells(script: Path) -> list[Cell]:
    """Take a script apart."""
    _, *parts = CELL.split(script.read_text())
    made = []
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        is_text = "[markdown]" in title
        source = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if is_text else body
        made.append(Cell(is_text, source.strip("\n")))
    return made


def brought(script: Path, folder: Path) -> Path:
    """Copy a script and the user's files into an empty folder; returns the script there."""
    for path in script.parent.iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        elif path.suffix not in MADE:
            shutil.copy(path, folder)
    return folder / script.name


def run_here(script: Path) -> list[dict]:
    """Run the cells one after another, in this process and folder; what each printed, and which pictures it wrote."""
    space, found = {"__name__": "__main__"}, []
    for cell in cells(script):
        before, said = set(Path().glob("*.png")), io.StringIO()
        if not cell.is_text:
            with contextlib.redirect_stdout(said):
                exec(compile(cell.source, script.name, "exec"), space)
        new = sorted(path.name for path in set(Path().glob("*.png")) - before)
        found.append({"output": said.getvalue().rstrip(), "pictures": new})
    return found


def executed(script: Path, folder: Path, **environment: str) -> list[Cell]:
    """Run an example in a folder and a process of its own, and fill in what its cells printed.

    Parameters
    ----------
    script : pathlib.Path
        The example.
    folder : pathlib.Path
        An empty one; what the example writes stays there.
    **environment : str
        Variables of the process.
    """
    copy = brought(script, folder)
    words = [sys.executable, str(Path(__file__).resolve()), "--run", str(copy.resolve())]
    done = subprocess.run(words, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return [Cell(cell.is_text, cell.source, **one) for cell, one in zip(cells(script), found, strict=True)]


def page(script: Path, made: list[Cell]) -> str:
    """Write an example as a page: its text, its code, what that printed, its pictures."""
    head = f"<!-- made of {script.name} by tests/helpers/examples.py -->"
    parts = [head]
    for cell in made:
        parts.append(cell.source if cell.is_text else f"```python\n{cell.source}\n```")
        if cell.output:
            parts.append(f"```text\n{cell.output}\n```")
        parts += [f"![{Path(name).stem}]({name})" for name in cell.pictures]
    others = f"As a script: [{script.name}]({script.name}); as a notebook: [{script.stem}.ipynb]({script.stem}.ipynb)."
    return "\n\n".join([*parts, others]) + "\n"


def notebook(made: list[Cell], folder: Path) -> str:
    """Write an example as a notebook, with what its cells printed and drew."""
    from nbformat import v4, writes

    found = []
    for k, cell in enumerate(made):
        if cell.is_text:
            found.append(v4.new_markdown_cell(cell.source, id=f"cell-{k}"))
            continue
        outputs = [v4.new_output("stream", name="stdout", text=cell.output + "\n")] if cell.output else []
        for name in cell.pictures:
            picture = base64.b64encode((folder / name).read_bytes()).decode()
            outputs.append(v4.new_output("display_data", {"image/png": picture}))
        found.append(v4.new_code_cell(cell.source, outputs=outputs, id=f"cell-{k}"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return writes(v4.new_notebook(cells=found, metadata={"kernelspec": kernel})) + "\n"


def write(script: Path) -> None:
    """Run an example and keep its page, its notebook and its pictures beside it."""
    with tempfile.TemporaryDirectory() as folder:
        made = executed(script, Path(folder))
        for name in (name for cell in made for name in cell.pictures):
            shutil.copy(Path(folder, name), script.parent)
    (script.parent / "README.md").write_text(page(script, made))
    (script.parent / f"{script.stem}.ipynb").write_text(notebook(made, script.parent))


def kept(script: Path) -> list[Cell]:
    """Read what the cells printed when the page was made, out of the notebook."""
    found = json.loads((script.parent / f"{script.stem}.ipynb").read_text())["cells"]
    made = []
    for cell in found:
        outputs = cell.get("outputs", [])
        said = "".join("".join(one["text"]) for one in outputs if one["output_type"] == "stream")
        made.append(Cell(cell["cell_type"] == "markdown", "".join(cell["source"]), said.rstrip()))
    return made


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        print(json.dumps(run_here(Path(sys.argv[2]))))
    else:
        for each in scripts():
            if each.parent.name in sys.argv[1:] or len(sys.argv) == 1:
                write(each)
