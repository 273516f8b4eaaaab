"""Search for a better recipe: many trials, each trained and judged as `fit` would.

  python -m tuning.search --study nand_step4
  python -m tuning.search --study nand_step4 --max-trials 20 --resume
  python -m tuning.search --study precip_weights --workers 2
  python -m tuning.search --study nand_step4 --summary

On several machines that share the folder --out, the chief hands out trials and any number of workers run them; a worker
may come and go. Bind the chief to an address of your own network: there is no password. With SLURM:

  srun -N1 -n1 -w node1      python -m tuning.search --study plume --out /shared/plume --role chief --chief node1:8470 &
  srun -N8 -n8 --gres=gpu:1  python -m tuning.search --study plume --out /shared/plume --role worker --chief node1:8470

A search that was stopped or killed goes on with --resume: no finished trial is run again, none is lost. A study is a
file of tuning/studies/, or one of your own: --study my_study.py.

Exit status: 0 searched to the end, 1 ended before (failures in a row, no worker left, the deadline), 2 bad input.
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.io import files
from kmodels.core.spec.errors import UserError
from tuning.record import Asked, Record
from tuning.study import NAMES, TUNERS, load

ADDRESS = "127.0.0.1:8470"


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
    options.add_argument("--workers", type=int, metavar="N", help="a chief and N workers on this machine")
    options.add_argument("--role", choices=("chief", "worker"), help="on several machines: what this process is")
    options.add_argument("--chief", metavar="HOST:PORT", help=f"where the chief listens (default: {ADDRESS})")
    options.add_argument("--deadline", type=float, default=24.0, metavar="HOURS", help="a chief ends then (24)")
    cli.add_backend_option(options)
    return cli.run(options, _search, argv)


def _search(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    study = load(args.study)
    out = Path(args.out or f"runs/study-{study.name}")
    if args.summary:
        return _show(Record.open(out, study))
    if args.role == "worker":
        return _work(args, study, out)
    record = _record(args, study, out)
    with files.file_lock(out / "search.lock") as alone:
        if not alone:
            raise UserError(f"{out}: another process searches there")
        record.write()
        return _conclude(args, record, *(_lead(args, record) if args.workers or args.role else _alone(record)))


def _check(args) -> None:
    """Refuse what cannot be meant."""
    if args.study is None:
        raise UserError(f"which study? --study {' | '.join(NAMES)}, or a file of your own")
    for option, least in (("max_trials", 1), ("workers", 1), ("keep", 0)):
        value = getattr(args, option)
        if value is not None and value < least:
            raise UserError(f"--{option.replace('_', '-')} {value}: at least {least}")
    if args.deadline <= 0:
        raise UserError(f"--deadline {args.deadline:g}: more than 0 hours")
    if args.role and args.workers:
        raise UserError("--workers starts a chief and its workers here; --role is for several machines")
    if args.chief and not args.role:
        raise UserError("--chief needs --role chief or --role worker")
    if args.chief and not args.chief.rpartition(":")[2].isdigit():
        raise UserError(f"--chief {args.chief}: HOST:PORT")
    asked = [name for name in ("max_trials", "tuner", "keep", "data", "backend") if getattr(args, name) is not None]
    asked += [name for name in ("resume", "smoke") if getattr(args, name)]
    if asked and args.role == "worker":
        raise UserError(f"--{asked[0].replace('_', '-')}: a worker does as the chief was told")
    if args.data is not None and not Path(args.data).expanduser().exists():
        raise UserError(f"{args.data}: no such file or folder")


# -- a search of this process ---------------------------------------------------------------------------------------


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


def _alone(record: Record) -> tuple[str | None, int]:
    """Run every trial in this process; tells why it ended early, if it did, and the exit status."""
    from kmodels.core.training.callbacks import Stopped
    from tuning import oracles, trial

    oracle = oracles.make(record.study, record.asked.tuner, record.max_trials, record.state)
    _announce(record, oracle)
    try:
        trial.work(record, oracle, "alone", after=partial(trial.prune, record))
    except Stopped as stopped:
        return f"stopped in {stopped}", 128 + stopped.signum
    return _ended(oracle)


def _ended(oracle, early: str | None = None) -> tuple[str | None, int]:
    """Tell why a search ended early, if it did, and the exit status."""
    if early is None and oracle.failures:
        early = f"{len(oracle.failures)} trials failed in a row; error.txt in their folders says why"
    return early, int(early is not None)


def _announce(record, oracle) -> None:
    from kmodels.core.cli import console

    count = "all combinations" if record.max_trials is None else f"{record.max_trials} trials"
    ended = len(oracle.end_order)
    console.say(
        f"study {record.study.name}: {record.study.question}\n"
        f"{count} by {record.asked.tuner} search, {ended} done; {record.study.objective}, {record.study.direction}; "
        f"{record.asked.backend}; {record.path}"
    )


# -- a chief and its workers ----------------------------------------------------------------------------------------


def _lead(args, record: Record) -> tuple[str | None, int]:
    """Hand out trials until all have ended; tells why it ended early, if it did, and the exit status."""
    from kmodels.core.cli import console
    from tuning import oracles, trial
    from tuning.chief import Chief
    from tuning.crew import Crew

    oracle = oracles.make(record.study, record.asked.tuner, record.max_trials, record.state)
    chief = Chief(oracle, deadline=args.deadline * 3600)
    address = chief.listen("127.0.0.1:0" if args.workers else args.chief or ADDRESS)
    _announce(record, oracle)
    console.say(f"chief at {address}")
    prune = partial(trial.prune, record)
    if not args.workers:
        return _ended(oracle, chief.serve(after=prune))
    words = ["--study", _named(args.study), "--out", str(record.path), "--role", "worker", "--chief", address]
    with _Stoppable():
        crew = Crew(args.workers, words, record.path)
        try:
            early = chief.serve(crew.lost, prune)
        finally:
            crew.stop()
    said = crew.last_line() if early else ""
    return _ended(oracle, f"{early}: {said}" if said else early)


def _named(study: str) -> str:
    return files.absolute(study) if study.endswith(".py") else study


class _Stoppable:
    """Inside, SIGTERM is as Ctrl-C: workers are ended with the chief."""

    def __enter__(self):
        self.before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *error):
        signal.signal(signal.SIGTERM, self.before)


def _work(args, study, out) -> int:
    """Run trials for a chief."""
    from kmodels.core.cli import console
    from kmodels.core.training import backend
    from tuning import worker

    address, until = args.chief or ADDRESS, time.monotonic() + worker.WAIT
    while not (out / "study.json").exists():
        if time.monotonic() > until:
            raise UserError(f"{out}: no search there; a worker shares the chief's folder --out")
        time.sleep(1)
    record = Record.open(out, study)
    backend.start(record.asked.backend, study.base.SMALL_OPERATIONS)
    from kmodels.core.training.callbacks import Stopped
    from tuning import trial

    client = worker.Client(address)
    console.say(f"worker {worker.named(os.getpid())} of the chief at {address}")
    try:
        trial.work(record, client, worker.named(os.getpid()), during=client.living)
    except Stopped as stopped:
        console.say(f"stopped in {stopped}; nothing is lost")
        return 128 + stopped.signum
    return 0


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
