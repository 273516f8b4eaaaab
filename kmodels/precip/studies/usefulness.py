"""Are the sampled fields of use to another model? A small downscaler, trained with and without them.

  python -m kmodels.precip.studies.usefulness --run runs/precip-seed0-20261121-093000-1a2b3c4d

The downscaler is a convolutional network of its own that knows nothing of the run's: it learns to predict one field of
rain for a coarse state. Without: from the real fields of the run's training days. With: in every epoch a share of the
days, chosen at random, shows a field sampled from the prior in place of the real one. Steps, starts and order are the
same.
Both are evaluated by the critical success index at P99 of the run's held-out days, with several seeds.

Exit status: 0 done, whatever the result; 2 bad input or usage.
"""

import sys

import numpy as np

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def material(predictor, members: int, progress):
    """Make the `downscaler.Material` of a run's days, with `members` fields sampled for each training day."""
    from kmodels.core.runs import pipeline
    from kmodels.precip.evaluation.sampling import sampler_of
    from kmodels.precip.studies.downscaler import Material

    recipe = predictor.recipe
    parts = pipeline.data_of(predictor.task, predictor.run)
    days = {name: parts.part(name) for name in ("train", "test")}
    known = predictor.model.training_statistics()
    sampler = sampler_of(predictor.model, days["train"], recipe, members)
    sampled = np.concatenate([fields for _, fields in sampler.blocks(progress)])
    rows = {name: np.arange(len(part)) for name, part in days.items()}
    return Material(
        x={name: inputs(part, rows[name], known) for name, part in days.items()},
        truth={name: part.rain(rows[name]) for name, part in days.items()},
        sampled=sampled,
        observed=days["test"].domain.observed,
        p99=float(known.p99),
    )


def inputs(days, rows, known) -> dict[str, np.ndarray]:
    """Make state (rows, Y, X, C), scaled by the training days, and static (rows, y, x, 3)."""
    from kmodels.precip.data.encode import states, statics

    state = (states(days, rows) - known.state_mean) / known.state_sd
    return {"state": state.astype("float32"), "static": np.tile(statics(days.domain), (len(rows), 1, 1, 1))}


def main(argv=None) -> int:
    """Run the study; return the exit status."""
    options = cli.parser("precip.studies.usefulness", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written, of a precip model")
    options.add_argument("--seeds", type=int, default=10, metavar="N", help="pairs of downscalers (default: 10)")
    options.add_argument("--epochs", type=int, default=12, metavar="N", help="of each downscaler (default: 12)")
    options.add_argument("--members", type=int, default=4, metavar="K", help="fields of a training day (default: 4)")
    options.add_argument("--share", type=float, default=0.5, help="of days that show a sampled field (default: 0.5)")
    options.add_argument("--out", default="usefulness.json", metavar="FILE", help="(default: usefulness.json)")
    cli.add_backend_option(options)
    return cli.run(options, _usefulness, argv)


def _usefulness(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    predictor = cli.load_predictor(args, "precip")
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.runs import provenance
    from kmodels.precip.studies.downscaler import study

    with console.progress("sampling") as bar:
        of = material(predictor, args.members, bar)
    with console.progress("downscaling") as bar:
        result = study(of, args.seeds, args.share, args.epochs, bar)
    metadata = {"run": predictor.run.path.name, "seeds": args.seeds, "epochs": args.epochs, "share": args.share}
    metadata |= {"members": args.members, "p99": of.p99, "held_out_days": len(of.truth["test"])}
    files.write_json(args.out, metadata | provenance.here() | result)
    console.show(_table(result))
    console.say(f"gain {result['gain']:+.4f}, standard error {console.number(result['standard_error'])}: {args.out}")
    if "interval" in result:
        low, high = result["interval"]
        seen = f"95% interval {low:+.4f} to {high:+.4f}; a gain of {result['detectable']:.4f} would have been seen"
        console.say(f"{result['verdict']}: {seen} in 80% of such studies")
    return 0


def _check(args) -> None:
    for name in ("seeds", "epochs", "members"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: 1 or more")
    if not 0 < args.share <= 1:
        raise UserError(f"--share {args.share:g}: above 0, at most 1")


def _table(result: dict):
    from kmodels.core.cli import console

    table = console.new_table("CSI at P99 of a small downscaler")
    for column in ("seed", "without sampled fields", "with", "gain"):
        table.add_column(column)
    for seed, (a, b) in enumerate(zip(result["without"], result["with"], strict=True)):
        table.add_row(str(seed), f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
