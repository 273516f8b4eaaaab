"""Train a model, evaluate it on held-out data and write its report.

  python -m kmodels.fit --model nand
  python -m kmodels.fit --model nand --train.epochs 3 --seed 1
  python -m kmodels.fit --model nand --seed 1001 --seeds 3
  python -m kmodels.fit --model nand --data my_trace.csv
  python -m kmodels.fit --resume runs/nand-seed0-20261121-093000-1a2b3c4d
  python -m kmodels.fit --resume runs/nand-seed0-20261121-093000-1a2b3c4d --data where/it/lies/now/my_trace.csv

Exit status: 0 trained, no gate failed and at least four gates discriminate; 1 trained, but a gate failed or fewer
discriminate; 2 bad input or usage.
"""

import shutil
import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec import verdict
from kmodels.core.spec.errors import UserError


def fit(
    model: str,
    data=None,
    *,
    variant=None,
    config=None,
    seed: int | None = None,
    smoke: bool = False,
    out="runs",
    backend: str | None = None,
    **fields,
):
    """Train a model, evaluate it on held-out data and write its report, as the verb does.

    Parameters
    ----------
    model : str
        Its name, such as "nand".
    data : str or Path
        Your own file or folder. Default: data simulated by the recipe.
    variant : str
        A named recipe of the model, such as "flawed", or a model of its own, such as "generator".
    config : str or Path
        A recipe in YAML, put over the variant.
    seed : int
        Root of all random numbers: data, weights, order.
    smoke : bool
        The whole path on little data, in a minute or two; no gate is judged.
    out : str or Path
        Where run folders go.
    backend : str
        "tensorflow", "jax" or "torch". Default: KERAS_BACKEND, or what is installed and fastest.
    **fields
        Fields of the recipe by their dotted keys, put over all others: `**{"train.epochs": 3}`. A value is Python's
        own, or what one would type on the command line.

    Returns
    -------
    kmodels.core.runs.run.Run
        `.report` (dict), `.predictor` and `.path`.

    Raises
    ------
    kmodels.core.spec.errors.UserError
        For a field or a choice that does not exist, and for data that cannot be used.
    KeyboardInterrupt
        Where training was stopped; it says how to go on.
    """
    recipe = cli.recipe_of_keywords(fit, model, fields, data, variant=variant, config=config, seed=seed, smoke=smoke)
    run, *lines = _begun(recipe, data, out, backend, smoke, variant)
    from kmodels.core.training.callbacks import Stopped

    try:
        _finished(run, lines, new=True)
    except Stopped as stopped:
        raise KeyboardInterrupt(f"stopped in {stopped}; nothing is lost; {_go_on(run)}") from None
    return run


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("fit", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--data", metavar="PATH", help="your own file or folder instead of simulated data")
    options.add_argument("--out", metavar="DIR", default="runs", help="where run folders go (default: runs)")
    options.add_argument("--seeds", type=int, metavar="N", help="N runs from --seed on, and what they have in common")
    options.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    cli.add_backend_option(options)
    return cli.run(options, _fit, argv)


def _fit(args, words) -> int:
    if args.seeds is not None:
        return _fit_seeds(args, words)
    if args.resume:
        run, lines = _resumed(args, words), ()
    else:
        run, *lines = _begun(cli.recipe(args, words), args.data, args.out, args.backend, args.smoke, args.variant)
    from kmodels.core.cli import console
    from kmodels.core.report import index
    from kmodels.core.training.callbacks import Stopped

    try:
        return verdict.exit_status(_finished(run, lines, new=not args.resume)["gates"])
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost")
        console.say(_go_on(run))
        index.write(run.path.parent)
        return 128 + stopped.signum


def _fit_seeds(args, words) -> int:
    """Train the recipe from several seeds, one run each, and report what they have in common."""
    if args.resume or args.seeds < 1:
        raise UserError("--seeds N takes a recipe and at least one seed; the same command goes on where it was stopped")
    base = cli.recipe(args, words)
    from kmodels.core.runs import user_data
    from kmodels.core.training import backend

    _check_path(args.data)
    user_data.checked(base, args.data)
    backend.start(args.backend, base.SMALL_OPERATIONS, base.FASTEST)
    from kmodels.core.cli import console
    from kmodels.core.runs import several
    from kmodels.core.training.callbacks import Stopped

    try:
        result = several.fit(base, args.seeds, Path(args.out), args.data, args.smoke)
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost: the same command goes on from there")
        return 128 + stopped.signum
    return verdict.exit_status(result["gates"])


def _begun(recipe, data, out, backend_name, smoke, variant) -> tuple:
    """Begin a run: (run, a line that says why on this backend). Bad data is refused before the backend is loaded."""
    from kmodels.core.cli import console
    from kmodels.core.runs import user_data
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    asked, why = backend.choice(backend_name, recipe.FASTEST)
    backend.check(asked)
    _check_path(data)
    with console.kept() as said:
        records = user_data.checked(recipe, data)
    chosen = backend.start(backend_name, recipe.SMALL_OPERATIONS, recipe.FASTEST)
    variant = None if recipe.task.endswith(f".{variant}") else variant  # a model of its own has it in its name
    run = Run.create(out, recipe, chosen, data, smoke, records, variant)
    if said:
        console.log_again(run.path / "log.txt", said)
    return run, f"backend: {chosen}, {why}"


def _resumed(args, words):
    """Find the run to go on with: as it was begun, so nothing about it can be changed."""
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

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
    backend.start(run.metadata["backend"], run.recipe.SMALL_OPERATIONS)
    return run


def _check_path(path, hint=""):
    if path is not None and not Path(path).expanduser().exists():
        raise UserError(f"{path}: no such file or folder{hint}")


def _finished(run, lines, new: bool) -> dict:
    """Train the run, or go on with it, and show what came out; returns its report. new: nothing is lost with it."""
    from kmodels.core.cli import console
    from kmodels.core.report import index
    from kmodels.core.runs import pipeline
    from kmodels.core.spec import registry

    with run.lock():
        for line in (f"run: {run.path}", *lines):
            console.say(line)
        try:
            result = run.report or pipeline.fit(run)
        except KeyboardInterrupt as stopped:  # before training or behind it
            raise type(stopped)(f"stopped; {_go_on(run)}") from None
        except UserError:
            if new and not run.tensorboard.exists():  # refused before training began: leave nothing behind
                shutil.rmtree(run.path)
            raise
        pipeline.show(result, registry.task(run.metadata["model"]), run.path)
        index.announce(run.path.parent)
        return result


def _go_on(run) -> str:
    from kmodels.core.cli import console

    return f"go on with: {console.command('kmodels.fit', '--resume', run.path)}"


if __name__ == "__main__":
    sys.exit(main())
