"""Compare finished runs of one model: recipes, metrics, gates and validation curves side by side.

  python -m kmodels.compare runs/nand-20261121-093000-1a2b3c4d runs/nand-20261121-094500-5e6f7a8b
  python -m kmodels.compare runs/plume-* --out plumes.html
  python -m kmodels.compare configs/reports/plume.report.json runs/plume-20261121-093000-1a2b3c4d

On the terminal, and as one page of HTML. Exit status: 0 compared, 2 bad input or usage. No backend is loaded.
"""

import json
import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("compare", __doc__)
    options.add_argument("runs", nargs="*", metavar="RUN", help="a folder that fit has written, or a report's file")
    options.add_argument("--out", metavar="FILE", help="the page (default: compare.html beside the first run)")
    return cli.run(options, _compare, argv)


def _compare(args, words) -> int:
    cli.reject_extra_arguments(words)
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import compare, pages

    paths = [Path(path).expanduser() for path in args.runs]
    runs = compare.together([(path, _report(path)) for path in paths])
    page = Path(args.out) if args.out else paths[0].absolute().parent / "compare.html"
    if not args.out and page.exists() and not pages.is_ours(page):
        raise UserError(f"{page}: not written by kmodels; say --out where the page goes")
    for note in compare.notes(runs):
        console.say(f"note: {note}")
    for table in compare.terminal(runs):
        console.show(table)
    files.write_text(page, compare.html(runs))
    console.say(f"\npage  {page}")
    return 0


def _report(path: Path) -> dict:
    """Read a finished run's report, or a report's file."""
    from kmodels.core.cli import console

    file = path / "report.json" if path.is_dir() else path
    if path.is_dir() and not file.exists():
        if not (path / "run.json").exists():
            raise UserError(f"{path}: no run folder (it has no run.json)")
        command = console.command("kmodels.fit", "--resume", path)
        raise UserError(f"{path}: not finished, so it has no report; go on with: {command}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{file}: not the report of a run") from None


if __name__ == "__main__":
    sys.exit(main())
