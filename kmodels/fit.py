"""Train a model, evaluate it on held-out data and write its report.

  python -m kmodels.fit --model nand
  python -m kmodels.fit --model nand --train.epochs 3 --seed 1
  python -m kmodels.fit --model nand --seed 1001 --seeds 3 --workers 3
  python -m kmodels.fit --model nand --data my_trace.csv
  python -m kmodels.fit --from nand --data my_trace.csv
  python -m kmodels.fit --resume runs/nand-seed0-20261121-093000-1a2b3c4d
  python -m kmodels.fit --resume runs/nand-seed0-20261121-093000-1a2b3c4d --data where/it/lies/now/my_trace.csv

--from begins with the weights of a preset or a run, and its recipe with a tenth of the step size; at the end it says
what that gained over these weights as they were, and over a training from nothing of the same length.

Exit status: 0 trained, no gate failed and at least four gates discriminate; 1 trained, but a gate failed or fewer
discriminate; 2 bad input or usage.
"""

import shutil
import sys
from pathlib import Path

from kmodels.core.cli import cli, parse, scale
from kmodels.core.cli import devices as device_options
from kmodels.core.runs.course import LOGS, stopwatch
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
    start: str | None = None,
    log: str | None = None,
    devices: int | str = 1,
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
    start : str
        A preset or a run's folder whose weights, and recipe, the training begins with: `--from` of the command line.
    log : str
        "mlflow" or "wandb": tell this service, too.
    devices : int or str
        Of this machine that share each batch; "all" for all of them.
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
    stopwatch.begin()
    _check_service(log)
    origin = None
    if start is None:
        chosen = {"variant": variant, "config": config, "seed": seed, "smoke": smoke}
        recipe = cli.recipe_of_keywords(fit, model, fields, data, **chosen)
    else:
        fields = fields if seed is None else {"seed": seed} | fields
        asked = {"start": start, "model": model, "data": data, "config": config, "variant": variant, "smoke": smoke}
        recipe, origin = _tuned(asked, lambda kind: parse.keywords(kind, fields=fields), [])
        variant = "tuned"
    where = device_options.spread_of(devices)
    run, *lines = _begun(recipe, data, out, backend, smoke, variant, origin, log, where)
    from kmodels.core.training.callbacks import Stopped

    try:
        _finished(run, lines, new=True, where=where)
    except Stopped as stopped:
        raise KeyboardInterrupt(f"stopped in {stopped}; nothing is lost; {_go_on(run)}") from None
    return run


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    stopwatch.begin(process=argv is None or argv == sys.argv[2:])
    options = cli.parser("fit", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--data", metavar="PATH", help="your own file or folder instead of simulated data")
    options.add_argument("--out", metavar="DIR", default="runs", help="where run folders go (default: runs)")
    options.add_argument("--seeds", type=int, metavar="N", help="N runs from --seed on, and what they have in common")
    options.add_argument("--from", dest="start", metavar="NAME", help="begin with the weights of a preset or a run")
    options.add_argument("--freeze", metavar="LAYERS", help="with --from: layers that stay as they are, a,b,...")
    options.add_argument("--log", choices=LOGS, help="tell this service, too; TensorBoard is always told")
    options.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    scale.add_options(options, "the runs of --seeds")
    device_options.add_options(options)
    cli.add_backend_option(options)
    return cli.run(options, _fit, argv)


def _fit(args, words) -> int:
    scale.check(args)
    if scale.is_asked(args) and args.seeds is None:
        raise UserError("--workers and --scheduler run several trainings at a time: they need --seeds N")
    if args.freeze and not args.start:
        raise UserError("--freeze: for --from; a network of new weights has nothing to keep")
    where = device_options.spread(args)
    if args.seeds is not None:
        if where:
            raise UserError("--devices and --coordinator spread one training; --seeds trains several: see --workers")
        return _fit_seeds(args, words)
    _check_service(args.log)
    if where and not where.first:
        return _follow(args, words, where)
    if args.resume:
        run, lines = _resumed(args, words, where), ()
    else:
        recipe, origin = _asked(args, words)
        variant = "tuned" if args.start else args.variant
        run, *lines = _begun(recipe, args.data, args.out, args.backend, args.smoke, variant, origin, args.log, where)
    from kmodels.core.cli import console
    from kmodels.core.report import index
    from kmodels.core.training.callbacks import Stopped

    try:
        return verdict.exit_status(_finished(run, lines, new=not args.resume, where=where)["gates"])
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost")
        console.say(_go_on(run))
        index.write(run.path.parent)
        return 128 + stopped.signum


def _follow(args, words, where) -> int:
    """Be a process of a training whose run the first one has; what this one writes is gone with it."""
    import tempfile

    from kmodels.core.runs.jobs import spread

    with tempfile.TemporaryDirectory(prefix="kmodels-follower-", ignore_cleanup_errors=True) as out:
        if args.resume:
            run = _resumed(args, words, where)
        else:
            recipe, origin = _asked(args, words)
            run, *_ = _begun(recipe, args.data, out, args.backend, args.smoke, args.variant, origin, where=where)
        from kmodels.core.cli import console

        spread.train(run, where)
    console.say(f"process {where.rank} of {where.processes}: trained; the first one evaluates and writes the report")
    return 0


def _asked(args, words) -> tuple:
    """Make the recipe that the command line asks for, and the record of what the training begins with."""
    if not args.start:
        return cli.recipe(args, words), None
    frozen = [name.strip() for name in args.freeze.split(",")] if args.freeze else []
    return _tuned(vars(args), lambda kind: parse.command_line(kind, words), frozen)


def _fit_seeds(args, words) -> int:
    """Train the recipe from several seeds, one run each, and report what they have in common."""
    if args.resume or args.start or args.log or args.seeds < 1:
        raise UserError("--seeds N takes a recipe and at least one seed; the same command goes on where it was stopped")
    base = cli.recipe(args, words)
    from kmodels.core.runs import user_data
    from kmodels.core.training import backend

    _check_path(args.data)
    user_data.checked(base, args.data)
    backend.start(args.backend, base.SMALL_OPERATIONS, base.FASTEST, base.task)
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.runs import several
    from kmodels.core.training.callbacks import Stopped

    try:
        with scale.workers(args, Path(args.out)):
            result = several.fit(base, args.seeds, Path(args.out), files.absolute(args.data), args.smoke)
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost: the same command goes on from there")
        return 128 + stopped.signum
    return verdict.exit_status(result["gates"])


def _tuned(asked: dict, last, frozen: list[str]) -> tuple:
    """Make the recipe of a training that begins with the weights of another, and the record of these.

    asked: `start, model, data, config, variant, smoke` as they were given; last: what is put over a type's recipe.
    """
    from kmodels.core.runs.course import fine_tuning

    if asked["data"] is None:
        raise UserError("--from tunes on your own data: --data PATH")
    if asked["config"] or asked["variant"]:
        raise UserError("--from takes the recipe of what it begins with; change single fields: --train.epochs 5")
    source = fine_tuning.find(str(asked["start"]))
    known = source.metadata["model"]
    if asked["model"] not in (None, known):
        raise UserError(f"--from {asked['start']}: weights of {known}, not of {asked['model']}")
    recipe = fine_tuning.recipe_of(source, last(type(source.recipe)), asked["smoke"])
    return recipe, fine_tuning.origin(source, frozen)


def _check_service(log: str | None) -> None:
    """Refuse a service that is not installed, before anything is begun."""
    if log is not None:
        from kmodels.core.runs.course import loggers

        loggers.check(log)


def _begun(recipe, data, out, backend_name, smoke, variant, origin=None, log=None, where=None) -> tuple:
    """Begin a run: (run, a line that says why on this backend). Bad data is refused before the backend is loaded."""
    from kmodels.core.cli import console
    from kmodels.core.runs import user_data
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    asked, why = backend.choice(backend_name, recipe.FASTEST, recipe.task)
    backend.check(asked)
    _check_path(data)
    with console.kept() as said:
        records = user_data.checked(recipe, data)
    chosen = backend.start(backend_name, recipe.SMALL_OPERATIONS, recipe.FASTEST, recipe.task)
    _check_devices(where, chosen, recipe)
    variant = None if recipe.task.endswith(f".{variant}") else variant  # a model of its own has it in its name
    run = Run.create(out, recipe, chosen, data, smoke, records, variant, origin, log)
    if said:
        console.log_again(run.path / "log.txt", said)
    return run, f"backend: {chosen}, {why}"


def _resumed(args, words, where=None):
    """Find the run to go on with: as it was begun, so nothing about it can be changed."""
    from kmodels.core.runs.run import Run
    from kmodels.core.training import backend

    cli.reject_extra_arguments(words)
    if args.config or args.variant or args.smoke or args.start or args.log:
        raise UserError(
            "--resume goes on with the run's own recipe; it takes no --config, --variant, --smoke, --from, --log"
        )
    run = Run.open(args.resume)
    if args.data:
        run = run.with_data_path(args.data)
    _check_path(run.metadata["data"], "; where it lies now: --resume RUN --data PATH")
    if args.model not in (None, run.metadata["model"]):
        raise UserError(f"{run.path}: a run of {run.metadata['model']}, not of {args.model}")
    if args.backend not in (None, run.metadata["backend"]):
        raise UserError(f"{run.path}: begun on {run.metadata['backend']}; the same weights come out only there")
    backend.start(run.metadata["backend"], run.recipe.SMALL_OPERATIONS)
    _check_devices(where, run.metadata["backend"], run.recipe)
    return run


def _check_devices(where, backend_name, recipe) -> None:
    """Refuse devices that this backend or this recipe does not go with."""
    if where:
        from kmodels.core.runs.jobs import spread
        from kmodels.core.training import backend

        spread.check(where, backend_name, recipe.train.batch_size)
        if backend_name in recipe.ONE_DEVICE:
            others = " or ".join(f"--backend {name}" for name in backend.NAMES if name not in recipe.ONE_DEVICE)
            raise UserError(f"--devices: {recipe.task} trains wrongly on several devices of {backend_name}; {others}")


def _check_path(path, hint=""):
    if path is not None and not Path(path).expanduser().exists():
        raise UserError(f"{path}: no such file or folder{hint}")


def _finished(run, lines, new: bool, where=None) -> dict:
    """Train the run, or go on with it, and show what came out; returns its report.

    new: nothing is lost with it. where: the devices that share the training, if there are several.
    """
    from kmodels.core.cli import console
    from kmodels.core.report import index
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.course import fine_tuning
    from kmodels.core.runs.jobs import spread
    from kmodels.core.spec import registry

    task, is_tuning = registry.task(run.metadata["model"]), "from" in run.metadata
    with run.lock():
        for line in (f"run: {run.path}", *lines):
            console.say(line)
        try:
            if where and not run.report:
                spread.train(run, where)
                stopwatch.begin()  # the training's processes are none of this one's start-up
            result = run.report or pipeline.fit(run)
            if is_tuning and "tuning" not in result:
                result = fine_tuning.compare(task, run, result)
        except KeyboardInterrupt as stopped:  # before training or behind it
            raise type(stopped)(f"stopped; {_go_on(run)}") from None
        except UserError:
            if new and not run.tensorboard.exists():  # refused before training began: leave nothing behind
                shutil.rmtree(run.path)
            raise
        pipeline.show(result, task, run.path)
        if is_tuning:
            fine_tuning.show(result, task)
        index.announce(run.path.parent)
        return result


def _go_on(run) -> str:
    from kmodels.core.cli import console

    return f"go on with: {console.command('kmodels.fit', '--resume', run.path)}"


if __name__ == "__main__":
    sys.exit(main())
