"""What all verbs share: options, recipe fields as options, errors without a traceback, exit status 2."""

import argparse
import contextlib
import io
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable

from kmodels.core.cli import parse
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class _Parser(argparse.ArgumentParser):
    """argparse that reports a wrong usage as every other fault is reported."""

    def error(self, message):
        raise UserError(f"{message} (see python -m {self.prog} --help)")


def parser(verb: str, doc: str) -> argparse.ArgumentParser:
    """The parser of a verb. Options must be spelt out: --train.epochs is not an abbreviation of anything."""
    return _Parser(
        prog=f"kmodels.{verb}",
        description=doc,
        allow_abbrev=False,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_recipe_options(options: argparse.ArgumentParser) -> None:
    """The options that choose a recipe: --model, --config, --variant, --seed, --smoke."""
    options.add_argument("--model", choices=registry.NAMES, help="which model")
    options.add_argument("--config", metavar="FILE", help="recipe in YAML; configs/ has some")
    options.add_argument("--variant", metavar="NAME", help="a named recipe of the model, such as a flawed ancestor")
    options.add_argument("--smoke", action="store_true", help="the whole path in seconds; too small to judge")


def add_backend_option(options: argparse.ArgumentParser) -> None:
    """--backend."""
    options.add_argument("--backend", metavar="B", help="tensorflow, jax or torch (else KERAS_BACKEND, else installed)")


def recipe(args, words: list[str]) -> Recipe:
    """The recipe of defaults < --variant < --config < --smoke < command line, or every fault in it."""
    if args.model is None:
        raise UserError(f"which model? --model {' | '.join(registry.NAMES)}")
    name, variant = registry.chosen(args.model, args.variant)
    kind = registry.recipe_type(name)
    layers = []
    if variant is not None:
        if variant not in kind.VARIANTS:
            raise UserError(f"--variant {variant}: {name} has {', '.join([*kind.VARIANTS, *registry.families(name)])}")
        layers.append(parse.RecipeSource(kind.VARIANTS[variant], f"variant {variant}"))
    if args.config is not None:
        layers.append(parse.read_yaml(args.config))
    if args.smoke:
        layers.append(parse.RecipeSource(kind.SMOKE, "--smoke"))
    layers.append(parse.command_line(kind, words))
    return parse.resolve(kind, layers)


def run(options: argparse.ArgumentParser, body: Callable, argv: list[str] | None) -> int:
    """Parse, run `body(args, rest)` and turn what went wrong into a line and an exit status."""
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
        return _complain(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    except KeyboardInterrupt as stopped:
        return _complain(str(stopped) or "stopped", 143 if isinstance(stopped, Terminated) else 130)


@contextlib.contextmanager
def _sigterm_as_ctrl_c():
    """Inside, SIGTERM ends a verb as Ctrl-C does, which puts away what was begun; a handler that is there stays."""

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
    return options.parse_known_args(argv)


def _help(options, argv):
    """The verb's own options, then every field of the model's recipe with unit and default."""
    print(options.format_help())
    if not any(action.dest == "config" for action in options._actions):
        return
    said = dict(itertools.pairwise(argv))
    chosen, _ = registry.chosen(said.get("--model"), said.get("--variant"))
    if chosen not in registry.NAMES:
        print(f"With --model {' | '.join(registry.NAMES)}, --help also lists every field of its recipe.")
        return
    fields = parse.recipe_parser(registry.recipe_type(chosen))
    print(f"recipe of {chosen}:")
    print(fields.format_help())


def load_predictor(args, model: str | None = None):
    """The Predictor of --run on --backend. A wrong folder is told before a backend is imported.

    model: the only one whose runs this verb takes.
    """
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    run = Run.open(args.run)
    if model not in (None, run.metadata["model"]):
        raise UserError(f"{args.run}: a run of {run.metadata['model']}, not of {model}")
    backend.select(args.backend, run.recipe.SMALL_OPERATIONS)
    from kmodels.core.runs.predictor import Predictor

    return Predictor.open(args.run)


def reject_extra_arguments(words: list[str]) -> None:
    """Refuse words that this call does not take."""
    if words:
        raise UserError(f"command line: {words[0]} is not an option here")


def _complain(text: str, status: int = 2) -> int:
    from kmodels.core.cli import console

    console.complain(text)
    return status
