"""Evaluate a trained model again: on its own held-out data, or on all of a file of yours.

  python -m kmodels.evaluate --run runs/nand-seed0-20261121-093000-1a2b3c4d
  python -m kmodels.evaluate --run runs/nand-seed0-20261121-093000-1a2b3c4d --data my_trace.csv
  python -m kmodels.evaluate --run runs/precip-seed0-20261121-093000-1a2b3c4d --checkpoints all

Exit status: 0 no gate failed, 1 a gate failed, 2 bad input or usage. The run folder is left as it is.
"""

import sys

from kmodels.core.cli import cli


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("evaluate", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written")
    options.add_argument("--data", metavar="PATH", help="your own labelled file or folder, all of it held out")
    options.add_argument("--checkpoints", choices=("all",), help="evaluate every saved state of the training instead")
    options.add_argument("--out", metavar="FILE", help="write the figures to this JSON file, too")
    cli.add_backend_option(options)
    return cli.run(options, _evaluate, argv)


def _evaluate(args, words) -> int:
    cli.reject_extra_arguments(words)
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import report
    from kmodels.core.runs import pipeline

    task, recipe = predictor.task, predictor.recipe
    if args.checkpoints:
        return _checkpoints(args, predictor)
    if args.data:
        records = predictor.load(args.data, labels=True)
        found = pipeline.evaluate_records(task, predictor.model, recipe, records)
    else:
        parts = pipeline.data_of(task, predictor.run)
        found = pipeline.evaluate(task, predictor.model, recipe, parts)
    measured = bool(args.data) or not predictor.run.metadata["smoke"]
    result = report.judged(task, found.scores, found.baselines, measured)
    console.show(console.metrics_table(result, task.headline))
    console.show(console.gates_table(result["gates"]))
    console.say(f"\n{report.verdict(result['gates'])}")
    if args.out:
        files.write_json(args.out, result)
    return pipeline.status(result)


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
