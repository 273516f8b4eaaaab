"""Read your own data as fit would, say what is in it, and what of it would be trained on. No backend is needed.

  python -m kmodels.read --model precip --data era5
  python -m kmodels.read --model nand --data my_trace.csv --picture look.png

Exit status: 0 it can be used, 2 bad input or usage.
"""

import sys
from pathlib import Path

import numpy as np

from kmodels.core.cli import cli
from kmodels.core.io import files
from kmodels.core.report import figures
from kmodels.core.runs import user_data
from kmodels.core.spec import registry


def read(model: str, data, *, variant=None, config=None, seed=None, smoke: bool = False, labels: bool = True, **fields):
    """Return the records of a user's data: the field's own, in physical units, as the model's loader checks them.

    Parameters
    ----------
    model : str
        Its name, such as "precip".
    data : str, Path or what the model's loader takes
        A file or a folder.
    variant, config, seed, smoke
        As `fit` takes them; they choose the recipe, which says what the data must agree with.
    labels : bool
        False: what is to be learned may be missing.
    **fields
        Fields of the recipe by their dotted keys: `**{"data.predictors": ["pr", "psl"]}`.

    Returns
    -------
    Records
        With `len(records)` and `records.take(rows)`; everything else is the model's own.

    Raises
    ------
    kmodels.core.spec.errors.UserError
        For what cannot be used: file, row or index, value and rule.
    """
    recipe = cli.recipe_of_keywords(read, model, fields, data, variant=variant, config=config, seed=seed, smoke=smoke)
    return user_data.load(recipe, data, labels)


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("read", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--data", required=True, metavar="PATH", help="your own file or folder")
    options.add_argument("--picture", metavar="PNG", help="draw some of it into this file")
    return cli.run(options, _read, argv)


def describe(model: str, records) -> dict[str, str]:
    """Say what was understood of data.

    Parameters
    ----------
    model : str
        Its name, such as "precip".
    records : Records
        As `read` gives them.

    Returns
    -------
    dict of str to str
        Sizes, periods, units, ranges, shares of what is missing, by what they are of.
    """
    return registry.summary(model).describe(records)


def _read(args, words) -> int:
    from kmodels.core.cli import console

    recipe = cli.recipe(args, words)
    records = user_data.load(recipe, args.data)
    user_data.tell(records, args.data)
    rows = user_data.split(recipe, records, args.data)
    found = describe(recipe.task, records)
    if hasattr(records, "groups"):
        found["groups"] = f"{len(np.unique(records.groups))}, each in one part only"
    found["parts"] = ", ".join(f"{name} {len(index)}" for name, index in rows.items()) + f" of {len(records)}"
    console.show_facts(found)
    if args.picture:
        files.write_bytes(Path(args.picture), figures.png(registry.summary(recipe.task).picture(records)))
        console.say(f"picture: {args.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
