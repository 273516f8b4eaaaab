"""Make data in the field's own file format, as a lab would have written it.

python -m kmodels.simulate --model nand --out traces --data.n_sequences 1000
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("simulate", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--out", required=True, metavar="DIR", help="folder for the files; must not hold any yet")
    return cli.run(options, _simulate, argv)


def _simulate(args, words) -> int:
    recipe = cli.recipe(args, words)
    out = Path(args.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: exists and is not an empty folder; nothing is overwritten")
    from kmodels.core.cli import console
    from kmodels.core.runs import cache
    from kmodels.core.spec import registry

    simulate = registry.simulator(recipe.task)
    try:
        with console.progress("simulating") as bar:
            facts = cache.make(out, lambda aside: simulate(recipe, aside, bar), recipe.digest())
    except KeyboardInterrupt as stopped:
        raise type(stopped)("stopped; the same command goes on from what is done") from None
    for name, value in facts.items():
        console.say(f"{name:<12} {value}")
    console.say(f"{'written':<12} {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
