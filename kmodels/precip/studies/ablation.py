"""What each piece of V4 does upon V3, alone and all together: the ablation table.

  python -m kmodels.precip.studies.ablation --seeds 3 --data.n_days 500 --train.epochs 8

Pieces: no batch normalization, by which a day sees the weather of its batch; z ~ p(z|x), a learned prior (Sohn, Lee
and Yan 2015); the weight of the divergence that makes the loss a bound of the likelihood; training with the fair
CRPS, with noise and the coarse map in the decoder's blocks. The table is
ladder.md in --out, its figures are ladder.json; finished trainings are not repeated.

Exit status: 0 done, 2 bad input or usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli, scale
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.core.spec.recipe import merge
from kmodels.precip.ladder import LADDER
from kmodels.precip.recipe import PIECES, PROTOTYPE


def recipes() -> dict[str, dict]:
    """Make {name: changes to the default recipe}: V3, V3 with one piece, V3 with all."""
    together = PROTOTYPE
    for piece in PIECES.values():
        together = merge(together, piece)
    return (
        {"V3": PROTOTYPE}
        | {name: merge(PROTOTYPE, piece) for name, piece in PIECES.items()}
        | {"all of them": together}
    )


FIRST = ("crps_ratio_rainfarm", "spread_skill", "max_ratio", "diversity", "mean_ratio")  # what the table shows
ABLATION = Ladder(
    tuple(Step(name, name, changes) for name, changes in recipes().items()),
    (*FIRST, *(name for name in LADDER.figures if name not in FIRST)),
)


def main(argv=None) -> int:
    """Train and evaluate all of them; return the exit status."""
    options = cli.parser("precip.studies.ablation", __doc__)
    options.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")
    options.add_argument("--smoke", action="store_true", help="the whole path on little data; no verdict")
    options.add_argument("--out", default="runs/ablation-precip", metavar="DIR", help="(default: runs/ablation-precip)")
    scale.add_options(options, "trainings")
    cli.add_backend_option(options)
    return cli.run(options, _ablation, argv)


def _ablation(args, words) -> int:
    if args.seeds < 1:
        raise UserError(f"--seeds {args.seeds}: at least 1")
    scale.check(args)
    from kmodels.core.cli import parse
    from kmodels.precip.recipe import PrecipRecipe

    base = parse.resolve(PrecipRecipe, [parse.command_line(PrecipRecipe, words)])
    from kmodels.core.training import backend

    backend.start(args.backend, base.SMALL_OPERATIONS)
    from kmodels.core.cli import console
    from kmodels.core.report import review
    from kmodels.core.runs import climb
    from kmodels.core.spec import registry

    what = climb.LadderRun(registry.task("precip"), ABLATION, base, Path(args.out), args.seeds, args.smoke)
    with scale.workers(args, what.out):
        records, _ = climb.climb(what, 0, len(ABLATION.steps) - 1, keep_going=True)
    console.show(review.summary(records))
    console.say(f"\nablation     {Path(args.out) / 'ladder.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
