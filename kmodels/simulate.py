"""Make data in the field's own file format, as a lab would have written it.

  python -m kmodels.simulate --model nand --out traces --data.n_sequences 1000
  python -m kmodels.simulate --model echo --out rooms --workers 8
  python -m kmodels.simulate --model echo --out rooms-2 --part 2/4

With --workers or --scheduler, pieces are made on workers: the same files, whoever makes them. --part 2/4 makes the
second of four parts; the files of all parts in one folder are those of the whole.
"""

import re
import sys
from pathlib import Path

from kmodels.core.cli import cli, scale
from kmodels.core.spec.errors import UserError


def simulate(model: str, out, *, variant=None, config=None, seed=None, smoke=False, part=None, **fields) -> Path:
    """Make data in the field's own file format; return its folder.

    Parameters
    ----------
    model : str
        Its name, such as "plume".
    out : str or Path
        Folder for the files; must not hold any yet.
    variant, config, seed, smoke
        As `fit` takes them; they choose the recipe.
    part : str, optional
        Such as "2/4", the second of four parts, whose files together are those of the whole.
    **fields
        Fields of the recipe by their dotted keys: `**{"data.n_runs": 8}`.

    Raises
    ------
    kmodels.core.spec.errors.UserError
        For a field or a choice that does not exist, and for a folder that holds files.
    """
    recipe = cli.recipe_of_keywords(simulate, model, fields, variant=variant, config=config, seed=seed, smoke=smoke)
    number, count = _part(part)
    _check_empty(Path(out))
    _make(recipe, Path(out), number, count)
    return Path(out)


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("simulate", __doc__)
    cli.add_recipe_options(options)
    options.add_argument("--out", required=True, metavar="DIR", help="folder for the files; must not hold any yet")
    options.add_argument("--part", metavar="K/N", help="make the Kth of N parts; other machines make the others")
    scale.add_options(options, "pieces of the simulation")
    return cli.run(options, _simulate, argv)


def _simulate(args, words) -> int:
    from kmodels.core.cli import console

    recipe, out = cli.recipe(args, words), Path(args.out)
    number, count = _part(args.part)
    _check_empty(out)
    with scale.workers(args, out.parent):
        facts = _make(recipe, out, number, count)
    for name, value in facts.items():
        console.say(f"{name:<12} {value}")
    console.say(f"{'written':<12} {out}")
    return 0


def _part(text) -> tuple[int, int]:
    """Read "K/N"; the whole without it."""
    if text is None:
        return 1, 1
    found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", str(text))
    if not found or int(found[1]) > int(found[2]):
        raise UserError(f"--part {text}: expected K/N, such as 2/4, the second of four parts")
    return int(found[1]), int(found[2])


def _check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: exists and is not an empty folder; nothing is overwritten")


def _make(recipe, out: Path, number: int, count: int) -> dict[str, str]:
    """Fill the folder, which is empty or not there yet; returns facts, such as rates."""
    from kmodels.core.cli import console
    from kmodels.core.io import parallel
    from kmodels.core.runs import cache
    from kmodels.core.spec import registry

    fill = registry.simulator(recipe.task)
    try:
        with parallel.only(number, count), console.progress("simulating") as bar:
            return cache.make(out, lambda aside: fill(recipe, aside, bar), f"{recipe.digest()}-{number}-of-{count}")
    except KeyboardInterrupt as stopped:
        raise type(stopped)("stopped; the same command goes on from what is done") from None


if __name__ == "__main__":
    sys.exit(main())
