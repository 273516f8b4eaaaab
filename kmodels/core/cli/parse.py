"""From files and words to a recipe, or to one error that names every fault: place, key, value, what is allowed.

Nothing here imports Keras, so that a typing error costs a fraction of a second.
"""

import argparse
import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliSettingsSource

from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe, leaves, merge
from kmodels.core.spec.suggest import did_you_mean, did_you_mean_key

LARGEST_YAML = 1 << 20  # bytes; a recipe is a page long
DEEPEST_YAML = 12  # levels; a recipe has three


@dataclass
class RecipeSource:
    """Values for a recipe from one place, and where each key stood there.

    Attributes
    ----------
    values : dict
        Nested by section.
    source : str
        The place, such as a file or the command line.
    places : dict of tuple of str to str
        The place of each key, by its path.
    """

    values: dict[str, Any]
    source: str
    places: dict[tuple[str, ...], str] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are those people write: 1e-3 is a number, as it is in YAML 1.2."""


NUMBER = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+0123456789."))


def read_yaml(path: str | Path) -> RecipeSource:
    """Read the values of a YAML recipe with the line of every key.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Raises
    ------
    UserError
        For anything but plain mappings.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_YAML:
            raise UserError(f"{path}: larger than 1 MiB, so it is no recipe")
        text = path.read_text(encoding="utf-8")
        _check_shape(text, path)
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise UserError(f"{place}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file (byte {error.start} is not UTF-8)") from None
    layer = RecipeSource({}, str(path))
    if node is not None:
        if not isinstance(node, yaml.MappingNode):
            raise UserError(f"{path}:{node.start_mark.line + 1}: a recipe is a mapping of keys to values")
        layer.values = _construct(loader, node, (), layer, path)
    return layer


def _check_shape(text: str, path: Path) -> None:
    """Refuse what a few bytes can make huge: aliases, and nesting that costs the parser minutes."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_YAML:
            raise UserError(f"{path}:{event.start_mark.line + 1}: nested too deeply for a recipe")
        if isinstance(event, yaml.AliasEvent):
            raise UserError(f"{path}:{event.start_mark.line + 1}: anchors and aliases (&, *) are not used in recipes")


def _construct(loader, node, keys, layer, path):
    """Construct plain Python values of a YAML node; notes the line of every key on the way."""
    if not isinstance(node, yaml.MappingNode):
        try:
            return loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            text = getattr(error, "problem", None) or error
            raise UserError(f"{path}:{node.start_mark.line + 1}: {'.'.join(keys)}: {text}") from None
    values = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        here = (*keys, key)
        place = f"{path}:{key_node.start_mark.line + 1}"
        if key in values:
            raise UserError(f"{place}: {'.'.join(here)} stands twice; first at {layer.places[here]}")
        layer.places[here] = place
        values[key] = _construct(loader, value_node, here, layer, path)
    return values


def recipe_parser(recipe_type: type[Recipe]) -> argparse.ArgumentParser:
    """Make an argparse parser with an option for every field, `--train.epochs` and the like, with unit and default."""
    settings = type("Settings", (recipe_type, BaseSettings), {"__doc__": recipe_type.__doc__})
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
    CliSettingsSource(  # puts its options into `parser`
        settings,
        root_parser=parser,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_use_class_docs_for_groups=True,
    )
    return parser


def command_line(recipe_type: type[Recipe], words: list[str]) -> RecipeSource:
    """Collect the values that `--section.key value` words give.

    Parameters
    ----------
    recipe_type : type of Recipe
        Of the model.
    words : list of str
        Of the command line.

    Returns
    -------
    RecipeSource
        Unknown keys stay in: `resolve` names them all at once.

    Raises
    ------
    UserError
        For a word that is no option.
    """
    parser = recipe_parser(recipe_type)
    known, unknown = _parse_known(parser, _with_negatives(words))
    fields = leaves(recipe_type)
    layer = RecipeSource({}, "command line")
    for key, text in {**vars(known), **unknown}.items():
        if text is None:
            continue
        path = tuple(key.split("."))
        current = ".".join(_current_path(recipe_type.renamed(), path))
        value = text if current in fields and fields[current].annotation is str else _scalar(text)
        layer.values = merge(layer.values, _nested(path, value))
        layer.places[path] = f"command line: --{key}"
    return layer


def keywords(recipe_type: type[Recipe], fields: dict[str, Any]) -> RecipeSource:
    """Collect the values that `fit(..., **{"train.epochs": 3})` gives.

    Parameters
    ----------
    recipe_type : type of Recipe
        Of the model.
    fields : dict
        By dotted key; a value is Python's own, or the words of a command line.
    """
    known = leaves(recipe_type)
    layer = RecipeSource({}, "keyword arguments")
    for key, value in fields.items():
        path = tuple(key.split("."))
        current = ".".join(_current_path(recipe_type.renamed(), path))
        if isinstance(value, str) and not (current in known and known[current].annotation is str):
            value = _scalar(value)
        layer.values = merge(layer.values, _nested(path, _plain(value)))
        layer.places[path] = f"keyword {key!r}"
    return layer


def _plain(value):
    """Turn a Python value into what YAML would have given: numbers and arrays of NumPy become Python's, paths words."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _with_negatives(words: list[str]) -> list[str]:
    """Write `--key -1e-3` as `--key=-1e-3`: argparse takes a negative number with an exponent for an option."""
    joined = []
    for word in words:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and word[:1] == "-" and NUMBER.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parse_known(parser, words):
    """Parse known options by argparse, the rest as a dictionary of `--key value` pairs."""

    def refuse(message):
        raise UserError(f"command line: {message}")

    parser.error = refuse
    known, rest = parser.parse_known_args(words)
    unknown, waiting = {}, list(rest)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--") or word == "--":
            raise UserError(f"command line: {word!r} stands alone; options look like --train.epochs 3")
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = waiting.pop(0) if waiting and not waiting[0].startswith("--") else "true"
        unknown[key] = value
    return known, unknown


def _scalar(text):
    """Read a word of the command line as the same word in a YAML file would be.

    A field that holds several values comes as a list of words: `--key "[a, b]"`, or `--key a --key b`.
    """
    if isinstance(text, list):
        values = [_scalar(word) for word in text]
        return values[0] if len(values) == 1 and isinstance(values[0], list) else values
    try:
        return yaml.load(text, Loader=_Loader)  # _Loader is a SafeLoader
    except (yaml.YAMLError, ValueError):
        return text


def _nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def chosen(recipe_type: type[Recipe], layers: list[RecipeSource]) -> dict[str, Any]:
    """Collect what some layers set, later ones winning, by the dotted keys of today."""
    current = [with_current_names(recipe_type, layer, tell=False) for layer in layers]
    return {".".join(path): value for layer in current for path, value in paths(layer.values)}


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Nest values by dotted key: `{"train.epochs": 3}` as `{"train": {"epochs": 3}}`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found = merge(found, _nested(key.split("."), value))
    return found


def resolve(recipe_type: type[Recipe], layers: list[RecipeSource], tell: bool = True) -> Recipe:
    """Build the recipe of the layers put over its defaults, later ones winning.

    Parameters
    ----------
    recipe_type : type of Recipe
        Of the model.
    layers : list of RecipeSource
        The lowest first.
    tell : bool
        Whether to tell what has another name today.

    Raises
    ------
    UserError
        That lists every fault with place, key, value, what is allowed and the nearest right key.
    """
    layers = [with_current_names(recipe_type, layer, tell) for layer in layers]
    values: dict[str, Any] = {}
    for layer in layers:
        values = merge(values, layer.values)
    try:
        return recipe_type.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        faults = [_fault(recipe_type, layers, one) for one in error.errors(include_url=False)]
    raise UserError(faults[0] if len(faults) == 1 else "\n  ".join([f"{len(faults)} faults in the recipe:", *faults]))


def from_stored(
    recipe_type: type[Recipe], values: dict[str, Any], source: str = "stored recipe", tell: bool = True
) -> Recipe:
    """Build the recipe that a report or a `.keras` file holds as a dictionary, whatever its version called the fields.

    Parameters
    ----------
    recipe_type : type of Recipe
        Of the model.
    values : dict
        Nested by section.
    source : str
        Where they are from, for errors.
    tell : bool
        As in `resolve`.

    Raises
    ------
    UserError
        Where they are no recipe of today.
    """
    return resolve_stored(recipe_type, RecipeSource(values, source), tell)


def resolve_stored(recipe_type: type[Recipe], layer: RecipeSource, tell: bool = True) -> Recipe:
    """Build the recipe that a run holds in a layer; what it does not say it did as before there was a choice.

    Parameters
    ----------
    recipe_type : type of Recipe
        Of the model.
    layer : RecipeSource
        As `read_yaml` gives it.
    tell : bool
        As in `resolve`.

    Raises
    ------
    UserError
        Where it is no recipe of today.
    """
    return resolve(recipe_type, [RecipeSource(recipe_type.BEFORE, layer.source), layer], tell)


def with_current_names(recipe_type: type[Recipe], layer: RecipeSource, tell: bool = True) -> RecipeSource:
    """Rename the fields, sections and choices of `layer` to what they are called today; tell each new name once.

    Raises
    ------
    UserError
        When an old key and the new one for it are both given.
    """
    renamed, choices = recipe_type.renamed(), recipe_type.renamed("RENAMED_CHOICES")
    current = RecipeSource({}, layer.source)
    came_from: dict[tuple[str, ...], tuple[str, ...]] = {}
    for old, value in paths(layer.values):
        path = _current_path(renamed, old)
        place = _place([layer], old)
        if path in came_from:
            both = " and ".join(".".join(one) for one in (came_from[path], old))
            raise UserError(f"{place}: {both} are the same field; give only {'.'.join(path)}")
        came_from[path] = old
        if tell and path != old:
            notice(f"{place}: {'.'.join(old)} is now called {'.'.join(path)}")
        new = _current_choice(choices.get(".".join(path), {}), value)
        if tell and new != value:
            notice(f"{place}: {'.'.join(path)} = {value} is now called {new}")
        current.values = merge(current.values, _nested(path, new))
        current.places[path] = place
    current.places = layer.places | current.places
    return current


def paths(values: dict, path: tuple[str, ...] = ()):
    """Yield every (path, value) of nested dictionaries; an empty one counts as a value."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _current_path(renamed: dict[str, str], path: tuple[str, ...]) -> tuple[str, ...]:
    """Find the path that stands for `path` today: its longest renamed part is replaced, until none is left."""
    for length in range(len(path), 0, -1):
        new = renamed.get(".".join(path[:length]))
        if new is not None:
            return _current_path(renamed, (*new.split("."), *path[length:]))
    return path


def _current_choice(choices: dict[str, str], value):
    """Find the name that a choice, or each of a list of them, has today."""
    if isinstance(value, list | tuple):
        return [_current_choice(choices, one) for one in value] if choices else value
    return choices.get(value, value) if isinstance(value, str) else value


@functools.cache  # so that each notice is given once
def notice(text: str) -> None:
    """Tell once that something has another name today."""
    from kmodels.core.cli import console

    console.notice(text)


def _fault(recipe_type, layers, error) -> str:
    """Write one fault in one line."""
    path = tuple(str(part) for part in error["loc"])
    key = ".".join(path)
    place = _place(layers, path)
    fields = leaves(recipe_type)
    if error["type"] == "extra_forbidden":
        if place == f"command line: --{key}":
            return f"command line: no such option: --{key}{_nearest(key, fields, '--')}"
        return f"{place}: no such key: {key} = {_short(error['input'])}{_nearest(key, fields)}"
    said = "allowed:" if error["type"] == "literal_error" else "expected"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", said)
    message = message.replace("expected a valid integer", "expected an integer").replace("a valid ", "a ")
    message = message.replace("Field required", "expected one value more")  # of a list
    if error["type"] == "value_error":
        return f"{place}: {key or 'recipe'}: {message}"
    choice = ""
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        choice = did_you_mean(error["input"], re.findall(r"'([^']*)'", message), quoted=True)
    meaning = f" ({fields[key].description})" if key in fields else ""
    return f"{place}: {key} = {_short(error['input'])}; {message}{choice}{meaning}"


def _place(layers, path) -> str:
    """Find where a key was last set: the most specific place that any layer noted, later layers first."""
    for length in range(len(path), 0, -1):
        for layer in reversed(layers):
            if path[:length] in layer.places:
                return layer.places[path[:length]]
    return layers[-1].source if layers else "recipe"


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(key: str, fields, dashes: str = "") -> str:
    """Name the right key, or section, that was probably meant; the sections where none is much alike."""
    sections = _sections(fields)
    near = did_you_mean_key(key, fields) or did_you_mean(key, sections)
    return near.replace("you mean ", f"you mean {dashes}") or f"; sections: {', '.join(sections)}"


def _sections(fields) -> list[str]:
    return sorted({name.split(".")[0] for name in fields})
