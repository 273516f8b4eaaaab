"""Apply a trained model to a file; the result is written in the field's own format, by the suffix of --out.

python -m kmodels.predict --run runs/nand-20261121-093000-1a2b3c4d --data my_trace.csv --out verdicts.csv
python -m kmodels.predict --run runs/plume-20261121-093000-1a2b3c4d --data cloud.nc --lead 30 --out forecast.nc
python -m kmodels.predict --run runs/precip-20261121-093000-1a2b3c4d --data days --samples 20 --out ensemble.nc
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError

DRAWING = ("mode", "samples", "temperature", "days", "seed")


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("predict", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written")
    options.add_argument("--data", required=True, metavar="PATH", help="your own file or folder; labels are not needed")
    options.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="nand: .csv or .parquet; plume, precip: .nc; metasurface: .h5 or .csv; echo: a folder",
    )
    options.add_argument("--lead", type=int, metavar="N", help="for plume: forecast N frames, each from the one before")
    add = options.add_argument_group("for precip").add_argument
    add("--mode", choices=("prior", "posterior"), help="posterior: of days whose rain is there, too (default: prior)")
    add("--samples", type=int, metavar="K", help="fields drawn for each day (default: the recipe's members)")
    add("--temperature", type=float, metavar="T", help="how far from the latent mean fields are drawn (default: 1.0)")
    add("--days", metavar="WHICH", help="all, heavy, or file:F with a date in each line of F (default: all)")
    add("--seed", type=int, metavar="S", help="equal seeds draw the same fields (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _predict, argv)


def _predict(args, words) -> int:
    cli.reject_extra_arguments(words)
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console

    task, out = predictor.task, Path(args.out)
    drawing = {name: getattr(args, name) for name in DRAWING if getattr(args, name) is not None}
    _check(args, task, drawing)
    with console.progress("predicting") as bar:
        if task.draw is not None:
            prediction = predictor.draw(args.data, bar, **drawing)
            prediction.write(out)
            console.say(f"{len(prediction.days)} days, {prediction.members} fields each, written to {out}")
            return 0
        records = predictor.load(args.data)
        if args.lead is None:
            prediction = predictor.predict(records, bar)
        else:
            prediction = predictor.forecast(records, args.lead, bar)
    prediction.write(out)
    console.say(f"{len(records)} predictions written to {out}")
    return 0


def _allowed(suffixes) -> str:
    """What --out must be; the suffix "" stands for a folder."""
    if suffixes == ("",):
        return "name a folder; it has no suffix"
    return f"the suffix must be one of {', '.join(suffixes)}"


def _check(args, task, drawing) -> None:
    """Refuse what the model of this run does not do."""
    if Path(args.out).suffix not in task.output_suffixes:
        raise UserError(f"--out {args.out}: {_allowed(task.output_suffixes)}")
    if args.lead is not None and (task.forecast is None or args.lead < 1):
        raise UserError(
            f"--lead {args.lead}: at least 1" if task.forecast else f"--lead: {task.name} forecasts nothing"
        )
    if drawing and task.draw is None:
        raise UserError(f"--{next(iter(drawing))}: {task.name} draws nothing")


if __name__ == "__main__":
    sys.exit(main())
