"""Search for a better recipe: many trials, each trained and judged as `fit` would.

  python -m tuning.search --study nand_step4
  python -m tuning.search --study nand_step4 --max-trials 20 --resume
  python -m tuning.search --study precip_weights --workers 2
  python -m tuning.search --study plume --out /shared/plume --scheduler tcp://node1:8786
  python -m tuning.search --study nand_step4 --summary

A search that was stopped or killed goes on with --resume: no finished trial is run again, none is lost. On a cluster
the machines share the folder --out; workers may come and go. A study is a file of tuning/studies/, or one of your own:
--study my_study.py.

Exit status: 0 searched to the end, 1 ended before (failures in a row), 2 bad input.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli, scale
from kmodels.core.io import files
from kmodels.core.spec.errors import UserError
from tuning.record import Asked, Record
from tuning.study import NAMES, TUNERS, load


def main(argv: list[str] | None = None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("search", __doc__)
    options.prog = "python -m tuning.search"
    options.add_argument("--study", metavar="NAME", help=f"{', '.join(NAMES)}, or a file of your own")
    options.add_argument("--max-trials", type=int, metavar="N", help="most trials (default: the study's)")
    options.add_argument("--tuner", choices=TUNERS, help="how to search (default: as the study prefers)")
    options.add_argument("--resume", action="store_true", help="go on with the search in --out")
    options.add_argument("--summary", action="store_true", help="show the search in --out, and plot it")
    options.add_argument("--data", metavar="PATH", help="your own file or folder instead of simulated data")
    options.add_argument("--out", metavar="DIR", help="the search's folder (default: runs/study-NAME)")
    options.add_argument("--keep", type=int, metavar="K", help="only the best K trials keep their weights (default: 3)")
    options.add_argument("--smoke", action="store_true", help="trials of seconds, to try the machinery")
    scale.add_options(options, "trials")
    cli.add_backend_option(options)
    return cli.run(options, _search, argv)


def _search(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    study = load(args.study)
    out = Path(args.out or f"runs/study-{study.name}")
    if args.summary:
        return _show(Record.open(out, study))
    record = _record(args, study, out)
    with files.file_lock(out / "search.lock") as alone:
        if not alone:
            raise UserError(f"{out}: another process searches there")
        record.write()
        return _conclude(args, record, *_searched(args, record))


def _check(args) -> None:
    """Refuse what cannot be meant."""
    if args.study is None:
        raise UserError(f"which study? --study {' | '.join(NAMES)}, or a file of your own")
    for option, least in (("max_trials", 1), ("keep", 0)):
        value = getattr(args, option)
        if value is not None and value < least:
            raise UserError(f"--{option.replace('_', '-')} {value}: at least {least}")
    scale.check(args)
    if args.data is not None and not Path(args.data).expanduser().exists():
        raise UserError(f"{args.data}: no such file or folder")


def _record(args, study, out) -> Record:
    """Find the search to make or to go on with, and choose its backend."""
    from kmodels.core.training import backend

    if args.resume:
        found = Record.open(out, study)
        for name in ("tuner", "backend", "data"):
            wanted, was = getattr(args, name), getattr(found.asked, name)
            wanted = files.absolute(wanted) if name == "data" else wanted
            if wanted is not None and wanted != was:
                raise UserError(f"{out}: begun with --{name} {was}, so that its trials can be compared")
        if args.smoke and not found.asked.smoke:
            raise UserError(f"{out}: not begun with --smoke")
        found.trials()  # a damaged state is told before a backend is imported
        backend.start(found.asked.backend, study.base.SMALL_OPERATIONS)
        limit = args.max_trials or found.max_trials
        return Record(out, study, found.asked, limit, found.keep if args.keep is None else args.keep)
    tuner = args.tuner or study.tuner
    limit = args.max_trials or study.max_trials
    if limit is None and tuner in ("random", "bayesian"):
        raise UserError(f"--tuner {tuner}: how many trials? --max-trials N")
    chosen = backend.start(args.backend, study.base.SMALL_OPERATIONS)
    asked = Asked(study.name, tuner, chosen, files.absolute(args.data), args.smoke)
    return Record.create(out, study, asked, limit, 3 if args.keep is None else args.keep)


def _searched(args, record: Record) -> tuple[str | None, int]:
    """Run every trial; tells why the search ended early, if it did, and the exit status."""
    from kmodels.core.training.callbacks import Stopped
    from tuning import oracles, trial

    oracle = oracles.make(record.study, record.asked.tuner, record.max_trials, record.state)
    _announce(record, oracle)
    source = files.absolute(args.study) if args.study.endswith(".py") else args.study
    try:
        with scale.workers(args, record.path):
            trial.search(record, oracle, source)
    except Stopped as stopped:
        return f"stopped in {stopped}", 128 + stopped.signum
    except KeyboardInterrupt as stopped:
        return "stopped", 143 if isinstance(stopped, cli.Terminated) else 130
    if oracle.failures:
        return f"{len(oracle.failures)} trials failed in a row; error.txt in their folders says why", 1
    return None, 0


def _announce(record, oracle) -> None:
    from kmodels.core.cli import console

    count = "all combinations" if record.max_trials is None else f"{record.max_trials} trials"
    ended = len(oracle.end_order)
    console.say(
        f"study {record.study.name}: {record.study.question}\n"
        f"{count} by {record.asked.tuner} search, {ended} done; {record.study.objective}, {record.study.direction}; "
        f"{record.asked.backend}; {record.path}"
    )


# -- what came out --------------------------------------------------------------------------------------------------


def _conclude(args, record: Record, early: str | None, status: int) -> int:
    """Show what there is; where it is not all, say why and how to go on."""
    from kmodels.core.cli import console

    if record.trials():
        _show(record)
    if early is not None:
        console.complain(f"{record.path}: {early}; nothing is lost")
        console.say(f"go on with: python -m tuning.search --study {args.study} --out {record.path} --resume")
    return status


def _show(record: Record) -> int:
    from kmodels.core.cli import console
    from tuning import summary

    if not record.trials():
        raise UserError(f"{record.path}: no trial has begun yet")
    made = summary.write(record)
    console.show(summary.table(made, record))
    for line in summary.closing(record):
        console.say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
