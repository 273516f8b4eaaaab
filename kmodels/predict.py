"""Apply a trained model to a file; the result is written in the field's own format, by the suffix of --out.

python -m kmodels.predict --run runs/nand-seed0-20261121-093000-1a2b3c4d --data my_trace.csv --out verdicts.csv
python -m kmodels.predict --preset nand --data my_trace.csv --out verdicts.csv
python -m kmodels.predict --run runs/plume-seed0-20261121-093000-1a2b3c4d --data cloud.nc --lead 30 --out forecast.nc
python -m kmodels.predict --run runs/precip-seed0-20261121-093000-1a2b3c4d --data days --members 20 --out ensemble.nc
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.task import EnsembleTask, Forecaster

KINDS = (Forecaster, EnsembleTask)  # of tasks, that bring options of their own


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("predict", __doc__)
    cli.add_run_options(options)
    options.add_argument("--data", required=True, metavar="PATH", help="your own file or folder; labels are not needed")
    options.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="nand: .csv or .parquet; plume, precip: .nc; metasurface: .h5 or .csv; echo: a folder",
    )
    for kind in KINDS:
        kind.add_options(options)
    cli.add_backend_option(options)
    return cli.run(options, _predict, argv)


def _predict(args, words) -> int:
    cli.reject_extra_arguments(words)
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console

    task, out = predictor.task, Path(args.out)
    given = {name: getattr(args, name) for kind in KINDS for name in kind.OPTIONS if getattr(args, name) is not None}
    _check(args, task, given)
    with console.progress("predicting") as bar:
        if isinstance(task, EnsembleTask):
            records = predictor.load(args.data, labels=task.needs_labels(**given))
            prediction, what = predictor.sample(records, bar, **given), "ensembles"
        else:
            records = predictor.load(args.data)
            make = predictor.forecast if given else predictor.predict
            prediction, what = make(records, *given.values(), bar), f"{len(records)} predictions"
    prediction.write(out)
    console.say(f"{what} written to {out}")
    return 0


def _allowed(suffixes) -> str:
    """Say what --out must be; the suffix "" stands for a folder."""
    if suffixes == ("",):
        return "name a folder; it has no suffix"
    return f"the suffix must be one of {', '.join(suffixes)}"


def _check(args, task, given) -> None:
    """Refuse what the model of this run does not do."""
    if Path(args.out).suffix.lower() not in task.output_suffixes:
        raise UserError(f"--out {args.out}: {_allowed(task.output_suffixes)}")
    for name in given:
        if name not in task.OPTIONS:
            raise UserError(f"--{name}: not for {task.name}")
    if given.get("lead", 1) < 1:
        raise UserError(f"--lead {given['lead']}: at least 1")


if __name__ == "__main__":
    sys.exit(main())
