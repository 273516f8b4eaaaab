"""Train a model, judge it on held-out data and write its report.

  python -m kmodels.fit --model nand
  python -m kmodels.fit --model nand --train.epochs 3 --seed 1
  python -m kmodels.fit --model nand --data my_trace.csv
  python -m kmodels.fit --resume runs/nand-20261121-093000-1a2b3c4d
  python -m kmodels.fit --resume runs/nand-20261121-093000-1a2b3c4d --data where/it/lies/now/my_trace.csv

Exit status: 0 trained and no gate failed, 1 trained but a gate failed, 2 bad input or usage.
"""

import shutil
import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("fit", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--data", metavar="PATH", help="your own file or folder instead of simulated data")
    options.add_argument("--out", metavar="DIR", default="runs", help="where run folders go (default: runs)")
    options.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    cli.add_backend_option(options)
    return cli.run(options, _fit, argv)


def _fit(args, words) -> int:
    recipe = None if args.resume else cli.recipe(args, words)
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    if args.resume:
        run = _resumed(args, words)
        backend.select(run.metadata["backend"], run.recipe.SMALL_OPERATIONS)
        return _train(run)
    _check_path(args.data)
    _, why = backend.choice(args.backend, recipe.FASTEST)
    chosen = backend.select(args.backend, recipe.SMALL_OPERATIONS, recipe.FASTEST)
    run = Run.create(args.out, recipe, chosen, args.data, args.smoke)
    try:
        return _train(run, f"backend: {chosen}, {why}")
    except UserError:
        if not run.tensorboard.exists():  # refused before training began, by its data for one: leave nothing behind
            shutil.rmtree(run.path)
        raise


def _resumed(args, words):
    """The run to go on with: as it was begun, so nothing about it can be changed."""
    from kmodels.core.runs.run import Run

    cli.reject_extra_arguments(words)
    if args.config or args.variant or args.smoke:
        raise UserError("--resume goes on with the run's own recipe; it takes no --config, --variant or --smoke")
    run = Run.open(args.resume)
    if args.data:
        run = run.with_data_path(args.data)
    _check_path(run.metadata["data"], "; where it lies now: --resume RUN --data PATH")
    if args.model not in (None, run.metadata["model"]):
        raise UserError(f"{run.path}: a run of {run.metadata['model']}, not of {args.model}")
    if args.backend not in (None, run.metadata["backend"]):
        raise UserError(f"{run.path}: begun on {run.metadata['backend']}; the same weights come out only there")
    return run


def _check_path(path, hint=""):
    if path is not None and not Path(path).expanduser().exists():
        raise UserError(f"{path}: no such file or folder{hint}")


def _train(run, *lines: str) -> int:
    from kmodels.core.cli import console
    from kmodels.core.runs import pipeline
    from kmodels.core.spec import registry
    from kmodels.core.training.callbacks import Stopped

    with run.lock():
        for line in (f"run: {run.path}", *lines):
            console.say(line)
        go_on = f"go on with: {console.command('kmodels.fit', '--resume', run.path)}"
        try:
            result = run.report() or pipeline.fit(run)
        except Stopped as stopped:
            console.say(f"stopped in {stopped}; nothing is lost")
            console.say(go_on)
            return 128 + stopped.signum
        except KeyboardInterrupt as stopped:  # before training or behind it
            raise type(stopped)(f"stopped; {go_on}") from None
        pipeline.show(result, registry.task(run.metadata["model"]), run.path)
        return pipeline.status(result)


if __name__ == "__main__":
    sys.exit(main())
