"""Evaluate a trained model again: on its own held-out data, or on all of a file of yours.

  python -m kmodels.evaluate --run runs/nand-seed0-20261121-093000-1a2b3c4d
  python -m kmodels.evaluate --run runs/nand-seed0-20261121-093000-1a2b3c4d --data my_trace.csv
  python -m kmodels.evaluate --run runs/nand-seed100*
  python -m kmodels.evaluate --run runs/precip-seed0-20261121-093000-1a2b3c4d --checkpoints all

Several runs of one model are evaluated together: mean, spread, and a verdict on each gate over all of them.
Exit status: 0 no gate failed and at least four discriminate, 1 otherwise, 2 bad input or usage. The run folder is left
as it is.
"""

import sys

from kmodels.core.cli import cli
from kmodels.core.spec import verdict
from kmodels.core.spec.errors import UserError

FEWEST = 20  # examples: with fewer no gate is judged


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("evaluate", __doc__)
    cli.add_run_options(options, nargs="+")
    options.add_argument("--data", metavar="PATH", help="your own labelled file or folder, all of it held out")
    options.add_argument("--checkpoints", choices=("all",), help="evaluate every saved state of the training instead")
    options.add_argument("--out", metavar="FILE", help="write the figures to this JSON file, too")
    cli.add_backend_option(options)
    return cli.run(options, _evaluate, argv)


def _evaluate(args, words) -> int:
    cli.reject_extra_arguments(words)
    if args.checkpoints and len(args.run or ()) != 1:
        raise UserError("--checkpoints all takes one run")
    predictors = cli.load_predictors(args)
    if args.checkpoints:
        return _checkpoints(args, predictors[0])
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import seeds
    from kmodels.core.runs import several

    task = predictors[0].task
    reports = [_judged(predictor, args.data) for predictor in predictors]
    if len(reports) == 1:
        result = reports[0]
        console.show(console.metrics_table(result, task.headline))
        console.show(console.gates_table(result["gates"]))
        console.say(f"\n{verdict.sentence(result['gates'])}")
    else:
        result = seeds.summarize(reports)
        several.show(result, task)
    if args.out:
        files.write_json(args.out, result)
    return verdict.exit_status(result["gates"])


def _judged(predictor, data: str | None) -> dict:
    """Evaluate one run on its own held-out data, or on all of the user's."""
    from kmodels.core.cli import console
    from kmodels.core.report import report
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.predictor import load_untrained

    task, recipe, untrained = predictor.task, predictor.recipe, load_untrained(predictor.run)
    if data:
        records = predictor.load(data, labels=True)
        found = pipeline.evaluate_records(task, predictor.model, recipe, records, untrained)
    else:
        found = pipeline.evaluate(task, predictor.model, recipe, pipeline.data_of(task, predictor.run), untrained)
    count = len(found.evaluated.records)
    if data and count < FEWEST:
        console.say(f"{count} example{'' if count == 1 else 's'}: no gate is judged on fewer than {FEWEST}")
    measured = count >= FEWEST if data else not predictor.run.metadata["smoke"]
    return {"seed": recipe.seed, **report.judged(task, found.scores, found.baselines, measured)}


def _checkpoints(args, predictor) -> int:
    """Show every saved state beside the others, so that nobody trusts the best one by one figure blindly."""
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.runs import checkpoints, pipeline

    if args.data:
        parts = {"test": predictor.load(args.data, labels=True)}
    else:
        parts = pipeline.data_of(predictor.task, predictor.run).all()
    with console.progress("judging") as bar:
        found = checkpoints.judged(predictor, parts, bar)
    console.show(checkpoints.table(found, predictor.task.headline))
    if args.out:
        files.write_json(args.out, {epoch: scores.values for epoch, scores in found.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
