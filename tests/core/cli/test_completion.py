"""What the shell is answered when somebody presses TAB."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")

ANSWERS = [
    ("kmodels fi", {"fit"}, {"predict"}),
    ("kmodels ", {"fit", "predict", "design", "rules"}, {"--model"}),
    ("kmodels fit --mo", {"--model"}, {"--data"}),
    ("kmodels fit --model n", {"nand", "nand.generator"}, {"plume"}),
    ("kmodels fit --model nand --train.sch", {"--train.schedule"}, {"--train.epochs"}),
    ("kmodels fit --model nand --train.schedule c", {"constant", "cosine"}, set()),
    ("kmodels fit --model nand --variant f", {"flawed"}, {"generator"}),
    ("kmodels fit --model nand --variant generator --model.m", {"--model.max_hop"}, {"--model.hidden"}),
    ("kmodels predict --preset m", {"metasurface"}, {"nand"}),
    ("kmodels predict --run runs/p", {"runs/plume-seed0/"}, {"runs/index.html"}),
    ("kmodels predict --data t", {"trace.csv"}, set()),
    ("kmodels climb --backend ", {"tensorflow", "jax", "torch"}, set()),
    ("kmodels nonsense --mo", set(), {"--model"}),
]


def completed(line: str, folder) -> set[str]:
    """What a shell in that folder would show behind the line."""
    answer = folder / "answer"
    answer.touch()
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    environment = os.environ | asked | {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    done = subprocess.run(
        [sys.executable, "-m", "kmodels"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == done.stderr == "", done.stderr
    return {word.strip() for word in answer.read_text().splitlines()}


@pytest.mark.parametrize("line, there, missing", ANSWERS, ids=[line for line, _, _ in ANSWERS])
def test_tab(line, there, missing, tmp_path):
    (tmp_path / "runs" / "plume-seed0").mkdir(parents=True)
    for name in ("trace.csv", "runs/index.html"):
        (tmp_path / name).touch()
    found = completed(line, tmp_path)
    assert there <= found and not missing & found


def test_a_shell_takes_the_answers(tmp_path):
    """Bash itself, with what register-python-argcomplete writes, as the help says."""
    from argcomplete import shellcode

    (tmp_path / "kmodels").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kmodels "$@"\n')
    (tmp_path / "kmodels").chmod(0o755)
    script = (
        shellcode(["kmodels"], shell="bash")
        + """
COMP_LINE="kmodels simu" COMP_POINT=12 COMP_TYPE=9 COMP_WORDS=(kmodels simu) COMP_CWORD=1
_python_argcomplete kmodels simu kmodels
echo "${COMPREPLY[@]}"
"""
    )
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["simulate"], done.stderr
