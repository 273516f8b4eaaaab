"""Mutated YAML files and command lines: each error says where, which key, which value, and what was meant."""

import json
import random

import pytest
from helpers.checks import run_python

from kmodels.core.spec import registry
from kmodels.core.spec.recipe import leaves

COUNT = 200
SCRIPT = """
import contextlib, io, json, sys, time
from kmodels.fit import main as fit
found = []
for words in json.load(open(sys.argv[1])):
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stderr(said):
        status = fit(words)
    found.append((status, said.getvalue(), time.process_time() - began))
json.dump(found, open(sys.argv[2], "w"))
sys.exit(77 if {"keras", "tensorflow", "jax", "torch"} & set(sys.modules) else 0)
"""


def misspelt(rng, key):
    """The key with one letter of its last word twice."""
    at = rng.randrange(key.rfind(".") + 2, len(key))
    return key[:at] + key[at - 1] + key[at:]


def wrong_value(rng, field):
    """(what is written, what the error must say) where the field cannot take it."""
    kind, shown = field.annotation, str(field.annotation)
    choices = [("[[1]]", "[1]"), ("{a: 1}", "{'a': 1}")]
    if kind in (int, float):
        choices += [("many", "'many'"), (".nan", "nan"), ("-1.0e+300", "-1e+300"), ("true", "True")]
    if "Literal" in shown:
        choices += [("perhaps", "'perhaps'"), ("17", "17")]
    if kind is bool:
        choices += [("perhaps", "'perhaps'"), ("3", "3")]
    return rng.choice(choices)


def mutant(rng, folder, number):
    """(words for fit, what its error must say) of one faulty recipe."""
    name = rng.choice(registry.NAMES)
    kind = registry.recipe_type(name)
    fields = leaves(kind)
    key = rng.choice([k for k in fields if k != "task"])
    in_file = rng.random() < 0.6 or fields[key].annotation is str  # on the command line any word is a text
    wrong_key = len(key.split(".")[-1]) > 4 and rng.random() < 0.4
    text, shown = ("1", "1") if wrong_key else wrong_value(rng, fields[key])
    written = misspelt(rng, key) if wrong_key else key
    said = [f"no such key: {written} = {shown}", f"did you mean {key}?"] if wrong_key else [key, shown]
    if not in_file and wrong_key:
        said = [f"no such option: --{written}; did you mean --{key}?"]
    if not in_file:
        return ["--model", name, f"--{written}", text], ["command line: ", *said]
    section, _, word = written.rpartition(".")
    place = f"  {word}: {text}" if section.count(".") == 0 else None
    if not section:
        mutated, line = f"{word}: {text}\n", 1
    elif place is None:
        top, inner = section.split(".", 1)
        mutated, line = f"seed: 1\n{top}:\n  {inner}:\n    {word}: {text}\n", 4
    else:
        mutated, line = f"# comment\n\n{section}:\n{place}\n", 4
    path = folder / f"{number}.yaml"
    path.write_text(mutated)
    return ["--model", name, "--config", str(path)], [f"{path}:{line}: ", *said]


BROKEN = {
    "train:\n\tepochs: 3\n": ":2: not valid YAML",
    "train: {epochs: 3\n": ":2: not valid YAML",
    "a: &x [1]\nb: *x\n": ":2: anchors and aliases",
    "a: " + "[" * 50 + "]" * 50: ":1: nested too deeply",
    "train:\n  epochs: 3\n  epochs: 4\n": ":3: train.epochs stands twice",
    "- 1\n- 2\n": ":1: a recipe is a mapping",
    "train: 3\n": ":1: train = 3",
    "train: !!python/object/apply:os.system ['exit 9']\n": ":1: train: could not determine a constructor",
    "a\x00b: 1\n": ": not valid YAML",
    "train: 1e999999\n": ":1: train = ",
    "x: 9" + "9" * 5000: ":1: ",
    "? [1, 2]\n: 3\n": ":1: ",
    "#" * (1 << 21): ": larger than 1 MiB",
}


def without_notices(said):
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith("notice: "))


def test_every_fault_of_a_recipe_is_told_at_once_by_place_key_value_and_what_was_meant(tmp_path):
    rng = random.Random(0)
    mutants = [mutant(rng, tmp_path, k) for k in range(COUNT - len(BROKEN))]
    for k, (text, said) in enumerate(BROKEN.items()):
        path = tmp_path / f"broken{k}.yaml"
        path.write_text(text)
        mutants.append((["--model", "nand", "--config", str(path)], [f"{path}{said}"]))
    (tmp_path / "words.json").write_text(json.dumps([words for words, _ in mutants]))
    run_python("-c", SCRIPT, tmp_path / "words.json", tmp_path / "found.json", check=0)
    found = json.loads((tmp_path / "found.json").read_text())
    for (words, wanted), (status, said, seconds) in zip(mutants, found, strict=True):
        said = without_notices(said)  # a mutated name may happen to be one that an earlier version knew
        assert status == 2 and said.startswith("error: ") and "Traceback" not in said, (words, said)
        for word in wanted:
            assert word in said, (words, word, said)
        assert seconds < 1, words
        assert any(word in said for word in ("did you mean", "allowed", "expected", "broken")), said
        assert len(said.splitlines()) <= 5, "a value of several parts has several faults"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"train:\n  epochs: \xe9\n"])
def test_what_is_no_text_is_no_recipe(tmp_path, content):
    from kmodels.core.cli import parse
    from kmodels.core.spec.errors import UserError

    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a text file"):
        parse.read_yaml(path)
