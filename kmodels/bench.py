"""Measure how fast a model's parts are, in turn with what they are compared to.

  python -m kmodels.bench --model plume
  python -m kmodels.bench --model plume --backend jax --out bench.json

Exit status: 0 measured, 2 bad input or usage.
"""

import sys

from kmodels.core import cli, registry


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("bench", __doc__)
    options.add_argument("--model", required=True, choices=registry.BENCHED, help="which model")
    options.add_argument("--smoke", action="store_true", help="the whole path in seconds; the figures mean nothing")
    options.add_argument("--out", metavar="FILE", default="bench.json", help="the figures (default: bench.json)")
    cli.add_backend_option(options)
    return cli.run(options, _bench, argv)


def _bench(args, words) -> int:
    cli.no_more(words)
    from kmodels.core import backend, console, files, provenance

    chosen = backend.select(args.backend)
    bench = registry.bench(args.model)
    with console.progress("measuring") as bar:
        cases = bench(bar, args.smoke)
    about = {"model": args.model, "smoke": args.smoke} | provenance.here()
    files.write_json(args.out, about | {"cases": cases})
    console.show(_table(cases, f"{args.model} on {chosen}; ratio > 1: ours is faster"))
    console.say(f"\nwritten: {args.out}")
    return 0


def _table(cases, title):
    from kmodels.core import console

    table = console.new_table(title)
    for column in ("case", "ours, s", "other, s", "ratio", "lowest-highest", "pairs"):
        table.add_column(column)
    for case in cases:
        seconds = (console.number(case[name]) for name in ("ours", "theirs"))
        spread = f"{case['low']:.2f}-{case['high']:.2f}"
        table.add_row(case["case"], *seconds, f"{case['ratio']:.2f}", spread, str(case["pairs"]))
    return table


if __name__ == "__main__":
    sys.exit(main())
