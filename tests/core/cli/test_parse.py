"""Precedence, types, and errors that name every fault with its place."""

from typing import ClassVar

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


def test_a_misspelt_section_is_named():
    assert "did you mean train?" in refused("--trian.epochs", "3")


def test_deeper_sections_can_be_set():
    assert resolve("--data.geometry.pages", "100").data.geometry.pages == 100


def test_all_faults_at_once_with_place_value_rule_and_nearest_key(tmp_path):
    yaml = "train:\n  epoch: 3\n  batch_size: -4\nmodel:\n  encoding: slot\ndata:\n  n_sequences: many\n"
    said = refused("--train.dropuot", "0.1", yaml=yaml, tmp_path=tmp_path)
    lines = said.splitlines()
    assert lines[0] == "5 faults in the recipe:"
    path = tmp_path / "recipe.yaml"
    assert f"  {path}:2: no such key: train.epoch = 3; did you mean train.epochs?" in lines
    assert any(line.startswith(f"  {path}:3: train.batch_size = -4; expected greater than or equal") for line in lines)
    assert any(f"{path}:5: model.encoding = 'slot'" in line and "did you mean 'slots'?" in line for line in lines)
    assert any(f"{path}:7: data.n_sequences = 'many'; expected an integer" in line for line in lines)
    assert any("command line: no such option: --train.dropuot" in line and "--model.dropout" in line for line in lines)


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
        (["--nonsense"], "no such option: --nonsense; sections: "),
        (["--train.epochs", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_command_lines(words, said):
    assert said in refused(*words)


def test_recipes_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        NandRecipe().train.epochs = 3


class Renamed(NandRecipe):
    """The recipe of nand as if it had had other names once: of a field, of a section, twice, and of choices."""

    RENAMED: ClassVar = {"train.rounds": "train.passes", "train.passes": "train.epochs", "data.device": "data.geometry"}
    RENAMED_CHOICES: ClassVar = {
        "model.encoding": {"raw": "normalized"},
        "data.strategies": {"hop": "page_hop", "stale": "stale_read"},
    }


@pytest.fixture
def notices(monkeypatch):
    """What was noticed in this test; notices of earlier tests do not count."""
    said = []
    parse.notice.cache_clear()
    monkeypatch.setattr("kmodels.core.cli.console.notice", said.append)
    return said


def test_old_keys_and_choices_of_a_file_are_read(tmp_path, notices):
    path = tmp_path / "old.yaml"
    path.write_text(
        "train: {rounds: 7, precision: mixed_bfloat16}\nmodel: {encoding: raw, sequence_order: time}\n"
        "data: {device: {pages: 100}, strategies: [hop, stale, read_unwritten]}\n"
    )
    for _ in range(2):  # noticed once
        recipe = parse.resolve(Renamed, [parse.read_yaml(path)])
    assert recipe.train.epochs == 7 and recipe.data.geometry.pages == 100
    assert recipe.train.dtype == "mixed_bfloat16", "names of the base class count as well"
    assert recipe.model.encoding == "normalized"
    assert recipe.data.strategies == ("page_hop", "stale_read", "read_unwritten")
    assert notices == [
        f"{path}:1: train.rounds is now called train.epochs",
        f"{path}:1: train.precision is now called train.dtype",
        f"{path}:2: model.encoding = raw is now called normalized",
        f"{path}:3: data.device.pages is now called data.geometry.pages",
        f"{path}:3: data.strategies = ['hop', 'stale', 'read_unwritten'] is now called "
        "['page_hop', 'stale_read', 'read_unwritten']",
    ]


def test_old_flags_are_read(notices):
    layer = parse.command_line(Renamed, ["--train.passes", "7", "--data.device.pages=100"])
    recipe = parse.resolve(Renamed, [layer])
    assert (recipe.train.epochs, recipe.data.geometry.pages) == (7, 100)
    assert notices[0] == "command line: --train.passes: train.passes is now called train.epochs"


def test_an_old_recipe_of_a_run_or_report_is_read(notices):
    stored = NandRecipe().model_dump(mode="json")
    stored["train"]["precision"] = stored["train"].pop("dtype")
    assert parse.from_stored(NandRecipe, stored) == NandRecipe()
    assert notices == ["stored recipe: train.precision is now called train.dtype"]


def test_the_old_and_the_new_name_in_one_file(tmp_path):
    said = refused(yaml="train: {dtype: float32, precision: float32}", tmp_path=tmp_path)
    assert said.endswith("train.dtype and train.precision are the same field; give only train.dtype")


def test_the_command_line_wins_over_an_old_name_in_a_file(tmp_path, notices):
    recipe = resolve("--train.dtype", "float32", yaml="train: {precision: mixed_bfloat16}", tmp_path=tmp_path)
    assert recipe.train.dtype == "float32"


def test_a_bad_value_under_an_old_name_is_told_by_the_new_name_and_its_place(tmp_path, notices):
    said = refused(yaml="seed: 1\ntrain: {precision: float23}", tmp_path=tmp_path)
    assert "recipe.yaml:2: train.dtype = 'float23'" in said and "did you mean 'float32'?" in said
