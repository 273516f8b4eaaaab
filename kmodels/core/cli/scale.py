"""Where independent jobs run: the options --workers, --scheduler, --resources and --dashboard of verbs and studies."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmodels.core.spec.errors import UserError


def add_options(options: argparse.ArgumentParser, what: str) -> None:
    """Add the options.

    Parameters
    ----------
    options : argparse.ArgumentParser
        Of the verb.
    what : str
        What its jobs are, such as "trainings".
    """
    options.add_argument("--workers", type=int, metavar="N", help=f"{what} on N worker processes of this machine")
    options.add_argument("--scheduler", metavar="ADDRESS", help=f"{what} on a Dask cluster, tcp:// or tls://HOST:PORT")
    options.add_argument("--resources", metavar="GPU=1", help="what a job takes of a worker that --scheduler has")
    options.add_argument("--dashboard", action="store_true", help="Dask's dashboard of --workers, on this machine")


def check(args: argparse.Namespace) -> None:
    """Refuse options that cannot be meant.

    Raises
    ------
    UserError
        For the first one.
    """
    if args.workers is not None and args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1")
    if args.workers and args.scheduler:
        raise UserError("--workers starts a cluster on this machine, --scheduler takes one that runs: give one of them")
    if args.resources and not args.scheduler:
        raise UserError("--resources: what the workers of --scheduler offer")
    if args.dashboard and not args.workers:
        raise UserError("--dashboard: of --workers; a cluster of --scheduler has its own")
    _resources(args.resources)


def is_asked(args: argparse.Namespace) -> bool:
    """Tell whether jobs are to run on workers."""
    return bool(args.workers or args.scheduler)


@contextmanager
def workers(args: argparse.Namespace, folder: Path) -> Iterator[None]:
    """Let the jobs inside run where the options say.

    Parameters
    ----------
    args : argparse.Namespace
        With the options.
    folder : pathlib.Path
        That jobs write into: workers must share it.
    """
    check(args)
    if not is_asked(args):
        yield
        return
    from kmodels.core.runs import jobs

    where = {"n": args.workers, "address": args.scheduler, "dashboard": args.dashboard}
    with jobs.workers(folder=folder, resources=_resources(args.resources), **where):
        yield


def _resources(text: str | None) -> dict[str, float]:
    """Read "GPU=1 MEMORY=2e9", as `dask worker` does."""
    found = {}
    for part in (text or "").split():
        if not re.fullmatch(r"\w+=\d+(\.\d*)?(e\d+)?", part):
            raise UserError(f"--resources {text}: expected NAME=NUMBER, such as GPU=1")
        name, _, number = part.partition("=")
        found[name] = float(number)
    return found
