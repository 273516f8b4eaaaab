"""The worked examples: page and notebook are those of the script, and the script says today what it said then."""

import json

import pytest
from helpers import examples

SCRIPTS = examples.scripts()
NAMES = [script.parent.name for script in SCRIPTS]


def test_there_are_examples_that_the_gallery_names():
    text = (examples.FOLDER / "README.md").read_text()
    assert {"nand", "metasurface"} <= set(NAMES) and len(set(NAMES)) == len(NAMES)
    assert all(f"({name}/README.md)" in text for name in NAMES)


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_page_and_notebook_are_made_of_the_script(script):
    made, kept = examples.cells(script), examples.kept(script)
    assert [(cell.is_text, cell.source) for cell in made] == [(cell.is_text, cell.source) for cell in kept]
    assert made[0].is_text and made[0].source.startswith("# ") and "?" in made[0].source, "it begins with a question"
    answer = [k for k, cell in enumerate(made) if cell.source.startswith("## The answer")]
    assert answer and kept[answer[0] + 1].output, "and ends with an answer"
    page = (script.parent / "README.md").read_text()
    assert all(cell.output in page for cell in kept)
    pictures = sorted(path.name for path in script.parent.glob("*.png"))
    assert pictures and all(f"]({name})" in page for name in pictures)


def test_the_notebooks_are_notebooks():
    nbformat = pytest.importorskip("nbformat")
    for script in SCRIPTS:
        content = json.loads((script.parent / f"{script.stem}.ipynb").read_text())
        nbformat.validate(content)
        shown = [one for cell in content["cells"] for one in cell.get("outputs", []) if one["output_type"] != "stream"]
        assert shown, "with pictures"


def test_a_script_is_taken_apart(tmp_path):
    (tmp_path / "one.py").write_text("# %% [markdown]\n# # Why?\n#\n# So.\n\n# %%\nx = 1\nprint(x)\n")
    text, code = examples.cells(tmp_path / "one.py")
    assert text.is_text and text.source == "# Why?\n\nSo."
    assert not code.is_text and code.source == "x = 1\nprint(x)"


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_an_example_says_what_it_said(script, wheel, tmp_path):
    """With the package as a user installs it, beside the user's files alone; numbers to 10%, all words alike."""
    now = examples.executed(script, tmp_path, PYTHONPATH=str(wheel))
    for cell, then in zip(now, examples.kept(script), strict=True):
        assert examples.NUMBER.sub("#", cell.output) == examples.NUMBER.sub("#", then.output)
        pairs = zip(examples.NUMBER.findall(cell.output), examples.NUMBER.findall(then.output), strict=True)
        assert all(float(ours) == pytest.approx(float(theirs), rel=0.1, abs=0.005) for ours, theirs in pairs)
    drawn = {name for cell in now for name in cell.pictures}
    assert drawn == {path.name for path in script.parent.glob("*.png")}
