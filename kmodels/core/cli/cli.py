"""What all verbs share: options, recipe fields as options, errors without a traceback, exit status 2."""

import argparse
import contextlib
import functools
import inspect
import io
import itertools
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import kmodels
from kmodels.core.cli import completion, faults, parse
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe, leaves
from kmodels.core.spec.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from kmodels.core.runs.predictor import Predictor


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class _Parser(argparse.ArgumentParser):
    """argparse that reports a wrong usage as every other fault is reported."""

    def error(self, message):
        raise UserError(f"{message} (see {self.prog} --help)")


def parser(verb: str, doc: str) -> argparse.ArgumentParser:
    """Make the parser of a verb. Options must be spelt out: --train.epochs is not an abbreviation of anything.

    Parameters
    ----------
    verb : str
        Its name behind `kmodels.`.
    doc : str
        What --help says before the options.
    """
    made = _Parser(
        prog=f"python -m kmodels.{verb}",
        description=_as_wide_as_the_terminal(doc),
        allow_abbrev=False,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("-h", "--help", action="store_true", help="show this; with --model also its recipe")
    made.add_argument("--version", action="store_true", help="say which kmodels this is")
    return made


def _as_wide_as_the_terminal(doc: str) -> str:
    """Fill the paragraphs of a docstring anew, and break its commands as a shell takes them."""
    width, filled = _columns(), []
    for kind, group in itertools.groupby(doc.splitlines(), _kind):
        lines = list(group)
        filled += [textwrap.fill(" ".join(lines), width)] if kind == "prose" else [_broken(one, width) for one in lines]
    return "\n".join(filled)


def _kind(line: str) -> str:
    return "command" if line.startswith((" ", "python ")) else "prose" if line else "blank"


def _broken(line: str, width: int) -> str:
    """Break a command between two options, with a backslash at the end of a line that goes on."""
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    held = re.sub(r"(--\S+) (?=[^-&])", "\\1\0", line.lstrip())  # an option and its value stay together
    words = {"break_long_words": False, "break_on_hyphens": False}
    lines = textwrap.wrap(held, width - 2, initial_indent=indent, subsequent_indent=f"{indent}    ", **words)
    return " \\\n".join(lines).replace("\0", " ")


def _columns() -> int:
    """Count the columns of the terminal that text may fill."""
    return max(20, min(shutil.get_terminal_size().columns, 120) - 1)


def add_recipe_options(options: argparse.ArgumentParser) -> None:
    """Add the options that choose a recipe: --model, --config, --variant, --smoke."""
    options.add_argument("--model", metavar="NAME", help=f"which model: {', '.join(registry.names())}")
    options.add_argument("--config", metavar="FILE", help="recipe in YAML; configs/ has some")
    options.add_argument("--variant", metavar="NAME", help="a named recipe of the model, such as a flawed ancestor")
    options.add_argument(
        "--smoke", action="store_true", help="the whole path on little data, in a minute or two; no verdict"
    )


def add_backend_option(options: argparse.ArgumentParser) -> None:
    """Add --backend."""
    options.add_argument("--backend", metavar="B", help="tensorflow, jax or torch (else KERAS_BACKEND, else installed)")


def add_run_options(options: argparse.ArgumentParser, required: bool = True, **more) -> None:
    """Add the two ways to name a trained network: --run and --preset.

    Parameters
    ----------
    options : argparse.ArgumentParser
        Of the verb.
    required : bool
        Whether one of them is needed.
    **more
        For --run, such as nargs.
    """
    which = options.add_mutually_exclusive_group(required=required)
    which.add_argument("--run", metavar="RUN", help="folder that fit has written", **more)
    which.add_argument("--preset", metavar="NAME", help="a trained network that comes with kmodels, such as nand")


def run_of(args: argparse.Namespace) -> str | list[str]:
    """Find the folder that --run or --preset names; a list where --run takes several.

    Raises
    ------
    UserError
        Where there is no such preset.
    """
    if getattr(args, "preset", None) is None:
        return args.run
    from kmodels import presets

    return str(presets.path(args.preset))


def recipe(args: argparse.Namespace, words: list[str]) -> Recipe:
    """Build the recipe of defaults < --variant < --config < --smoke < sizes of --data < command line.

    What the data says is taken only where neither variant, config nor command line say something else; what they say is
    what the data must agree with.

    Parameters
    ----------
    args : argparse.Namespace
        With the options of `add_recipe_options`.
    words : list of str
        Of the command line that are no options of the verb.

    Raises
    ------
    UserError
        With every fault in it.
    """
    if args.model is None:
        raise UserError(f"which model? --model {' | '.join(registry.names())}")
    last = functools.partial(parse.command_line, words=words)
    return _recipe(args.model, args.variant, args.config, args.smoke, last, getattr(args, "data", None))


def recipe_of_keywords(
    function: Callable,
    model: str,
    fields: dict,
    data=None,
    *,
    variant: str | None = None,
    config: str | Path | None = None,
    seed: int | None = None,
    smoke: bool = False,
) -> Recipe:
    """Build the recipe of a function of Python as `recipe` does.

    Parameters
    ----------
    function : callable
        Whose arguments they are.
    model : str
        Its name.
    fields : dict
        Keyword arguments that the function does not know itself: fields of the recipe by their dotted keys.
    data
        The user's own, whose sizes the recipe takes.
    variant, config, seed, smoke
        As on the command line.

    Raises
    ------
    UserError
        With every fault in it.
    """
    own = inspect.signature(function).parameters
    for name in fields:
        if "." not in name and (hint := did_you_mean(name, own)):
            raise UserError(f"{function.__name__}: no such keyword: {name}{hint}")
    fields = fields if seed is None else {"seed": seed} | fields
    return _recipe(model, variant, config, smoke, functools.partial(parse.keywords, fields=fields), data)


def _recipe(model, variant, config, smoke, last: Callable[[type[Recipe]], parse.RecipeSource], data=None) -> Recipe:
    """Build a recipe; last: what is put over all others, for a type of recipe."""
    registry.check(model)
    name, variant = registry.chosen(model, variant)
    kind = registry.recipe_type(name)
    layers = []
    if variant is not None:
        layers.append(_variant(kind, name, variant))
    if config is not None:
        layers.append(parse.read_yaml(config))
    layers.append(last(kind))
    measured = [] if data is None else _sizes(kind, name, layers, data)
    smallest = [parse.RecipeSource(kind.SMOKE, "--smoke")] if smoke else []
    return parse.resolve(kind, [*layers[:-1], *smallest, *measured, layers[-1]])


def _sizes(kind: type[Recipe], name: str, chosen: list[parse.RecipeSource], data) -> list[parse.RecipeSource]:
    """Take from the user's data what nobody chose, and say what differs from the recipe for that."""
    is_path = isinstance(data, str | Path)
    measure = registry.sizes(name)
    if measure is None or (is_path and not Path(data).expanduser().exists()):
        return []
    place = str(data) if is_path else type(data).__name__
    fixed = parse.chosen(kind, chosen)
    sizes = {key: value for key, value in measure(data, fixed).items() if key not in fixed}
    layer = parse.RecipeSource(parse.nested(sizes), place)
    usual = dict(parse.paths(kind().model_dump(mode="json")))
    told = [f"{key} {value}" for key, value in sizes.items() if value != usual[tuple(key.split("."))]]
    if told:
        from kmodels.core.cli import console

        console.notice(f"{place}: taken from it: {', '.join(told)}")
    return [layer]


def _variant(kind: type[Recipe], name: str, variant: str) -> parse.RecipeSource:
    """Find the fields that a variant changes, under its name of today or of before."""
    new = kind.renamed("RENAMED_VARIANTS").get(variant, variant)
    if new != variant:
        parse.notice(f"variant {variant} of {name} is now called {new}")
    if new not in kind.VARIANTS:
        have = registry.variants(name)
        raise UserError(f"{name} has no variant {variant!r}{did_you_mean(variant, have)}; it has {', '.join(have)}")
    return parse.RecipeSource(kind.VARIANTS[new], f"variant {new}")


def run(options: argparse.ArgumentParser, body: Callable, argv: list[str] | None) -> int:
    """Parse the command line, run a verb, and turn what went wrong into a line and an exit status.

    Parameters
    ----------
    options : argparse.ArgumentParser
        Of the verb, as `parser` makes it.
    body : callable
        ``body(args, rest)`` does the work and returns the exit status; `rest` are the words that are no options.
    argv : list of str or None
        The words; those of this process by default.

    Returns
    -------
    int
        The exit status: that of `body`, 2 for bad input, 130 or 143 where it was stopped.
    """
    if completion.is_asked():
        completion.complete(options)
    argv = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a sign that a terminal does not have ends no training
    try:
        with _sigterm_as_ctrl_c():
            args, rest = _options(options, argv)
            return 0 if args is None else body(args, rest)
    except UserError as error:
        return _complain(str(error))
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.strerror is None:
            raise
        what = "no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
        return _complain(f"{error.filename}: {what}" if error.filename else what)
    except KeyboardInterrupt as stopped:
        return _complain(str(stopped) or "stopped", 143 if isinstance(stopped, Terminated) else 130)
    except Exception:
        fault = faults.of_backend()
        if fault is None:
            raise
        return _complain(fault)


@contextlib.contextmanager
def _sigterm_as_ctrl_c():
    """End a verb by SIGTERM, inside, as Ctrl-C does, which puts away what was begun; a handler that is there stays."""

    def terminate(signum, frame):
        raise Terminated

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _options(options, argv):
    if "-h" in argv or "--help" in argv:
        _help(options, argv)
        return None, None
    if "--version" in argv:
        print(f"kmodels {kmodels.__version__}")
        return None, None
    _refuse_misspelt(options, argv)
    _refuse_repeated(options, argv)
    return options.parse_known_args(argv)


def _refuse_misspelt(options, argv) -> None:
    """Refuse a word that is almost an option of the verb; keys of recipes, which have a dot, are looked at later."""
    known = [*(word.removeprefix("--") for word in options._option_string_actions), *leaves(Recipe)]
    for word in argv:
        name = word.removeprefix("--").partition("=")[0]
        unknown = word.startswith("--") and name not in known and "." not in name
        if unknown and (near := nearest(name, known)):
            raise UserError(f"command line: no such option: --{name}; did you mean --{near}?")


def _refuse_repeated(options, argv) -> None:
    """Refuse an option of the verb that stands twice: argparse would take the last without a word."""
    for action in options._actions:
        given = [word for word in argv if word.partition("=")[0] in action.option_strings]
        if len(given) > 1:
            raise UserError(f"command line: {action.option_strings[-1]} stands {len(given)} times; give it once")


def _help(options, argv):
    """Print the verb's own options, then every field of the model's recipe with unit and default."""
    print(options.format_help())
    if not any(action.dest == "config" for action in options._actions):
        return
    said = dict(itertools.pairwise(argv))
    chosen, _ = registry.chosen(said.get("--model"), said.get("--variant"))
    if chosen not in registry.names():
        more = f"With --model {' | '.join(registry.names())}, --help also lists every field of its recipe."
        print(textwrap.fill(more, _columns()))
        return
    fields = parse.recipe_parser(registry.recipe_type(chosen))
    print(_variants_help(chosen))
    print(f"recipe of {chosen}:")
    print(fields.format_help())


def _variants_help(name: str) -> str:
    """List what --variant takes: each variant with the fields that it changes, each own model with its purpose."""
    kind = registry.recipe_type(name)
    lines = {variant: _changes(changes) for variant, changes in kind.VARIANTS.items()}
    for family in registry.families(name):
        lines[family] = (registry.recipe_type(f"{name}.{family}").__doc__ or "").partition("\n")[0]
    width, column = _columns(), max(map(len, lines), default=0)
    text = [
        textwrap.fill(f"{variant:<{column}} {line}", width, initial_indent="  ", subsequent_indent=(column + 3) * " ")
        for variant, line in lines.items()
    ]
    return "\n".join([f"variants of {name}, for --variant:", *text, ""])


def _changes(changes: dict, prefix: str = "") -> str:
    """Write nested changes of a recipe as `model.encoding normalized, train.epochs 15`."""
    words = []
    for key, value in changes.items():
        words.append(_changes(value, f"{prefix}{key}.") if isinstance(value, dict) else f"{prefix}{key} {value}")
    return ", ".join(words)


def load_predictors(args: argparse.Namespace) -> list["Predictor"]:
    """Load the Predictors of several runs of one model, whose folders are listed in `args.run`.

    Raises
    ------
    UserError
        Where a folder is no finished run, or one of another model than the first.
    """
    found, model = [], None
    folders = run_of(args)
    for path in [folders] if isinstance(folders, str) else folders:
        found.append(load_predictor(argparse.Namespace(run=path, backend=args.backend), model))
        model = found[0].run.metadata["model"]
    return found


def load_predictor(args: argparse.Namespace, model: str | None = None) -> "Predictor":
    """Load the Predictor of --run on --backend. A wrong folder is told before a backend is imported.

    Parameters
    ----------
    args : argparse.Namespace
        With `run` and `backend`.
    model : str, optional
        The only one whose runs this verb takes.

    Raises
    ------
    UserError
        Where the folder is no finished run, or one of another model.
    """
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    folder = run_of(args)
    run = Run.open(folder)
    if model not in (None, run.metadata["model"]):
        raise UserError(f"{folder}: a run of {run.metadata['model']}, not of {model}")
    backend.start(args.backend, run.recipe.SMALL_OPERATIONS)
    from kmodels.core.runs.predictor import Predictor

    return Predictor.open(folder)


def reject_extra_arguments(words: list[str]) -> None:
    """Refuse words that this call does not take."""
    if words:
        raise UserError(f"command line: {words[0]} is not an option here")


def _complain(text: str, status: int = 2) -> int:
    from kmodels.core.cli import console

    console.complain(text)
    return status
