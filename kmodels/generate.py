"""Write new data with a trained generator, in the field's own file format, by the suffix of --out.

python -m kmodels.generate --run runs/nand.generator-seed0-20261121-093000-1a2b3c4d --n 1000 --out new.parquet

Every sequence is legal; with --free the rules are not asked, and the file says which sequences break them.
Exit status: 0 written, 2 bad input or usage.
"""

import math
import sys
import time
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("generate", __doc__)
    cli.add_run_options(options)
    options.add_argument("--n", required=True, type=int, metavar="N", help="how many to write")
    options.add_argument("--out", required=True, metavar="FILE", help="for nand.generator: .csv or .parquet")
    options.add_argument("--free", action="store_true", help="do not mask what is illegal: what the model learned")
    options.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of the sampling (default: 1.0)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="equal seeds write the same (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _generate, argv)


def _generate(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    from kmodels.core.runs.run import Run
    from kmodels.core.spec import registry
    from kmodels.core.spec.task import GeneratorTask
    from kmodels.core.training import backend

    run, out = Run.open(cli.run_of(args)), Path(args.out)
    backend.start(args.backend, run.recipe.SMALL_OPERATIONS)
    task = registry.task(run.metadata["model"])
    if not isinstance(task, GeneratorTask):
        raise UserError(f"{run.path}: a run of {task.name}, which generates nothing")
    if out.suffix.lower() not in task.output_suffixes:
        raise UserError(f"--out {out}: the suffix must be one of {', '.join(task.output_suffixes)}")
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console

    options = {"constrained": not args.free, "temperature": args.temperature}
    started = time.perf_counter()
    made = task.generate(predictor.model, predictor.recipe, args.n, args.seed, **options)
    seconds = time.perf_counter() - started
    made.write(out)
    console.say(f"{args.n} sequences written to {out} ({args.n / seconds:,.0f} sequences/s)")
    return 0


def _check(args) -> None:
    """Refuse numbers that make no sense, before a backend is imported."""
    if args.n < 1:
        raise UserError(f"--n {args.n}: expected 1 or more")
    if not (args.temperature > 0 and math.isfinite(args.temperature)):
        raise UserError(f"--temperature {args.temperature}: expected a finite number above 0")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")


if __name__ == "__main__":
    sys.exit(main())
