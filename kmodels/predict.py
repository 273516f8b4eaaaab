"""Apply a trained model to a file; the result is written in the field's own format, by the suffix of --out.

python -m kmodels.predict --run runs/nand-20261121-093000-1a2b3c4d --data my_trace.csv --out verdicts.csv
python -m kmodels.predict --run runs/plume-20261121-093000-1a2b3c4d --data cloud.nc --lead 30 --out forecast.nc
"""

import sys
from pathlib import Path

from kmodels.core import cli
from kmodels.core.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("predict", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written")
    options.add_argument("--data", required=True, metavar="PATH", help="your own file or folder; labels are not needed")
    options.add_argument(
        "--out", required=True, metavar="PATH", help="for nand: .csv or .parquet; for plume: .nc; for echo: a folder"
    )
    options.add_argument("--lead", type=int, metavar="N", help="for plume: forecast N frames, each from the one before")
    cli.add_backend_option(options)
    return cli.run(options, _predict, argv)


def _predict(args, words) -> int:
    cli.no_more(words)
    predictor = cli.trained(args)
    from kmodels.core import console

    if Path(args.out).suffix not in predictor.task.output_suffixes:
        raise UserError(f"--out {args.out}: {_allowed(predictor.task.output_suffixes)}")
    if args.lead is not None and (predictor.task.forecast is None or args.lead < 1):
        raise UserError(
            f"--lead {args.lead}: at least 1"
            if predictor.task.forecast
            else f"--lead: {predictor.task.name} forecasts nothing"
        )
    records = predictor.load(args.data)
    with console.progress("predicting") as bar:
        if args.lead is None:
            prediction = predictor.predict(records, bar)
        else:
            prediction = predictor.forecast(records, args.lead, bar)
    prediction.write(Path(args.out))
    console.say(f"{len(records)} predictions written to {args.out}")
    return 0


def _allowed(suffixes) -> str:
    """What --out must be; the suffix "" stands for a folder."""
    if suffixes == ("",):
        return "name a folder; it has no suffix"
    return f"the suffix must be one of {', '.join(suffixes)}"


if __name__ == "__main__":
    sys.exit(main())
