"""A commit is named with "+changes" where code or recipes differ from it, not where a report was just written."""

import subprocess

import pytest

from kmodels.core.runs import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout that provenance takes for that of the package."""
    for name in ("kmodels/core/runs/provenance.py", "configs/some.yaml", "configs/reports/some.report.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "kmodels/core/runs/provenance.py"))
    return tmp_path


@pytest.mark.parametrize(
    "name, changes",
    [
        (None, False),
        ("configs/reports/some.report.json", False),
        ("configs/some.yaml", True),
        ("kmodels/core/runs/provenance.py", True),
    ],
)
def test_changes_are_those_of_code_and_recipes(checkout, name, changes):
    if name:
        (checkout / name).write_text("changed")
    found = provenance.commit()
    assert len(found.removesuffix("+changes")) == 40 and found.endswith("+changes") == changes


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "kmodels/core/runs/provenance.py"))
    assert provenance.commit() is None


def test_a_models_code_is_told_from_other_code_and_not_from_other_comments(tmp_path, monkeypatch):
    package = tmp_path / "kmodels"
    for name in ("some/network/model.py", "some/studies/far.py", "layers/gru.py", "core/training/loop.py"):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""Text."""\n\n\ndef f(x):\n    """Double."""\n    return 2 * x\n')
    (package / "core" / "report").mkdir()
    (package / "core" / "report" / "verification.py").write_text("")
    (package / "core" / "runs").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(package / "core" / "runs" / "provenance.py"))
    before = provenance.code_of("some")
    model = package / "some" / "network" / "model.py"
    model.write_text('"""Other text."""\n\ndef f(x):\n    """Twice."""\n    return 2 * x  # why\n')
    (package / "some" / "studies" / "far.py").write_text("x = 1\n")
    assert provenance.code_of("some") == before
    model.write_text("def f(x):\n    return 3 * x\n")
    assert provenance.code_of("some") != before
