"""Climb a model's ladder: train and evaluate every step's recipe, from the flawed ancestor to the best.

  python -m kmodels.climb --model nand --keep-going
  python -m kmodels.climb --model nand --from 3 --until 4 --seeds 3
  python -m kmodels.climb --model nand --keep-going --workers 2

Every step leaves metrics_step{k}.json and review_step{k}.md in --out; the whole climb is ladder.md, ladder.json and
ladder.png. A step that was climbed before with the same recipe and code is not trained again; what was interrupted
goes on when the same command is given again. With --workers or --scheduler the seeds of a step are trained at the same
time, and with --keep-going all steps. A step that takes as long as all others is climbed only where it alone is asked
for.

Exit status: 0 no gate failed, 1 a gate failed, 2 bad input or usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli, scale
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("climb", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--from", dest="first", type=int, metavar="K", help="first step (default: 0)")
    options.add_argument("--until", dest="last", type=int, metavar="K", help="last step (default: the ladder's last)")
    options.add_argument("--keep-going", action="store_true", help="climb on when a step's gate fails")
    options.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each step (default: 1)")
    options.add_argument("--out", metavar="DIR", help="folder of the climb (default: runs/ladder-MODEL)")
    scale.add_options(options, "trainings")
    cli.add_backend_option(options)
    return cli.run(options, _climb, argv)


def _climb(args, words) -> int:
    if args.config or args.variant:
        raise UserError("climb takes the ladder's own recipes; it has no --config and no --variant")
    smoke, args.smoke = args.smoke, False  # put upon every step's recipe, not below it
    base = cli.recipe(args, words)
    if args.seeds < 1:
        raise UserError(f"--seeds {args.seeds}: at least 1")
    scale.check(args)
    from kmodels.core.training import backend

    backend.start(args.backend, base.SMALL_OPERATIONS, base.FASTEST, base.task)
    from kmodels.core.cli import console
    from kmodels.core.report import review
    from kmodels.core.runs import climb
    from kmodels.core.spec import registry
    from kmodels.core.training.callbacks import Stopped

    task = registry.task(base.task)
    first, last = _range(args, task)
    out = Path(args.out or f"runs/ladder-{task.name}")
    try:
        what = climb.LadderRun(task, task.ladder, base, out, args.seeds, smoke)
        with scale.workers(args, out):
            records, failed = climb.climb(what, first, last, args.keep_going)
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost: the same command goes on from there")
        return 128 + stopped.signum
    console.show(review.summary(records))
    console.say(f"\nladder       {out / 'ladder.md'}")
    console.say(f"tensorboard  {console.command('tensorboard.main', '--logdir', out / 'runs')}")
    return int(failed)


def _range(args, task) -> tuple[int, int]:
    """Return the first and the last step asked for."""
    if task.ladder is None:
        raise UserError(f"{task.name} has no ladder")
    top = len(task.ladder.steps) - 1
    first = 0 if args.first is None else args.first
    last = top if args.last is None else args.last
    if not 0 <= first <= last <= top:
        raise UserError(f"--from {first} --until {last}: the ladder of {task.name} has the steps 0 to {top}")
    return first, last


if __name__ == "__main__":
    sys.exit(main())
