"""Precedence, types, and errors that name every fault with its place."""

import pytest

from kmodels.core.cli import parse
from kmodels.core.spec.errors import UserError
from kmodels.nand.recipe import NandRecipe


def resolve(*words, yaml=None, tmp_path=None):
    layers = []
    if yaml is not None:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml)
        layers.append(parse.read_yaml(path))
    return parse.resolve(NandRecipe, [*layers, parse.command_line(NandRecipe, list(words))])


def refused(*words, **kwargs) -> str:
    with pytest.raises(UserError) as caught:
        resolve(*words, **kwargs)
    return str(caught.value)


def test_defaults_then_yaml_then_command_line(tmp_path):
    yaml = "train:\n  epochs: 5\n  batch_size: 64\n"
    recipe = resolve("--train.epochs", "3", yaml=yaml, tmp_path=tmp_path)
    assert (recipe.train.epochs, recipe.train.batch_size) == (3, 64)
    assert recipe.train.learning_rate == NandRecipe().train.learning_rate


@pytest.mark.parametrize(
    "words, section, field, value",
    [
        (["--train.learning_rate", "1e-3"], "train", "learning_rate", 1e-3),
        (["--train.learning_rate=0.5"], "train", "learning_rate", 0.5),
        (["--model.bidirectional", "false"], "model", "bidirectional", False),
        (["--data.split", "[0.5, 0.25, 0.25]"], "data", "split", (0.5, 0.25, 0.25)),
        (["--data.strategies", "[page_hop]"], "data", "strategies", ("page_hop",)),
    ],
)
def test_words_become_typed_values(words, section, field, value):
    assert getattr(getattr(resolve(*words), section), field) == value


def test_yaml_reads_numbers_as_people_write_them(tmp_path):
    assert resolve(yaml="train: {learning_rate: 1e-4}", tmp_path=tmp_path).train.learning_rate == 1e-4


def test_deeper_sections_can_be_set():
    assert resolve("--data.geometry.pages", "100").data.geometry.pages == 100


def test_all_faults_at_once_with_place_value_rule_and_nearest_key(tmp_path):
    yaml = "train:\n  epoch: 3\n  batch_size: -4\nmodel:\n  encoding: slot\ndata:\n  n_sequences: many\n"
    said = refused("--train.dropuot", "0.1", yaml=yaml, tmp_path=tmp_path)
    lines = said.splitlines()
    assert lines[0] == "5 faults in the recipe:"
    path = tmp_path / "recipe.yaml"
    assert f"  {path}:2: no such key: train.epoch = 3; did you mean train.epochs?" in lines
    assert any(line.startswith(f"  {path}:3: train.batch_size = -4; allowed: greater than or equal") for line in lines)
    assert any(f"{path}:5: model.encoding = 'slot'" in line and "did you mean 'slots'?" in line for line in lines)
    assert any(f"{path}:7: data.n_sequences = 'many'; allowed: a valid integer" in line for line in lines)
    assert any("command line: --train.dropuot: no such key" in line and "model.dropout" in line for line in lines)


@pytest.mark.parametrize(
    "yaml, word",
    [
        ("train: 3", "train = 3"),
        ("- a\n- b", "a recipe is a mapping"),
        ("train:\n  epochs: 3\n  epochs: 4", "recipe.yaml:3: train.epochs stands twice"),
        ("train: {epochs: 3", "recipe.yaml:"),
        ("train: {epochs: true}", "train.epochs = True"),
        ("train: {epochs: '3'}", "train.epochs = '3'"),
        ("train: {epochs: 3.5}", "train.epochs = 3.5"),
        ("train: {learning_rate: .nan}", "train.learning_rate"),
        ("train: {epochs: null}", "train.epochs = None"),
        ("a: &x [1]\nb: *x", "anchors and aliases"),
        ("train: !!python/object/apply:os.system ['true']", "recipe.yaml:1"),
        ("task: plume", "task = 'plume'"),
        ("data: {split: [0.5, 0.5]}", "data.split"),
        ("data: {num_blocks: 60, seq_len: 50}", "num_blocks = 60"),
        ("data: {program_order: any}", "page_hop is legal under program_order any"),
        ("[" * 5000, "recipe.yaml:1: nested too deeply"),
    ],
)
def test_bad_yaml(yaml, word, tmp_path):
    assert word in refused(yaml=yaml, tmp_path=tmp_path)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="not a text file"):
        parse.read_yaml(path)


@pytest.mark.parametrize(
    "words, said",
    [
        (["epochs"], "'epochs' stands alone"),
        (["--train.epochs"], "expected one argument"),
        (["--nonsense"], "no such key: nonsense"),
        (["--train.epochs", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_command_lines(words, said):
    assert said in refused(*words)


def test_recipes_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        NandRecipe().train.epochs = 3
