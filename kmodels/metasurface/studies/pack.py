"""Pack the structures of many files into one, such as the rigorous ones in the package.

  python -m kmodels.simulate --model metasurface --data.solver rcwa --data.n_wavelengths 301 --out rigorous
  python -m kmodels.metasurface.studies.pack --data rigorous --out rigorous.h5

Structures are checked as `fit` checks them; recipe fields that say what is allowed (--data.period 800) may follow.
--out has the attributes of the first file. Where the recipe's network is given spectra solved with few orders
(model.few_orders), these are solved and written, too: `fit` then need not.

Exit status: 0 packed, 2 bad input or usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("metasurface.studies.pack", __doc__)
    options.add_argument("--data", required=True, metavar="PATH", help="a folder of HDF5 files")
    options.add_argument("--out", required=True, metavar="FILE", help="all of them, .h5")
    return cli.run(options, _pack, argv)


def _pack(args, words) -> int:
    from kmodels.core.cli import console, parse
    from kmodels.metasurface.data import hdf5
    from kmodels.metasurface.data.load import load
    from kmodels.metasurface.network.preprocess import few_order_spectra
    from kmodels.metasurface.recipe import RECIPE
    from kmodels.metasurface.simulator.structures import few_order_settings

    if Path(args.out).suffix.lower() != ".h5":
        raise UserError(f"--out {args.out}: the suffix must be .h5")
    recipe = parse.resolve(RECIPE, [parse.command_line(RECIPE, words)])
    structures = load(args.data, recipe)
    metadata, more = _attributes(args.data, recipe.data), {}
    if recipe.model.few_orders:
        console.say(f"solving them with {recipe.model.few_orders} orders, which the network corrects")
        few = few_order_spectra(structures, structures.wavelength[None], recipe)
        metadata |= few_order_settings(recipe)
        more = {"few_orders": few[:, 0]}
    hdf5.write(args.out, structures.patterns(), structures.spectra, structures.wavelength, metadata, **more)
    size = Path(args.out).stat().st_size / 1e6
    console.say(f"written: {args.out}, {len(structures)} structures, {size:.2f} MB")
    return 0


def _attributes(path, data) -> dict:
    """Take from the first file the attributes that files of the simulator have."""
    import h5py

    from kmodels.core.io.files import reading
    from kmodels.core.runs.cache import data_files
    from kmodels.metasurface.data.load import SUFFIXES
    from kmodels.metasurface.simulator.structures import attributes

    first = data_files(path, SUFFIXES)[0]
    with reading(first, "HDF5"), h5py.File(first) as file:
        return {name: file.attrs[name] for name in attributes(data) if name in file.attrs}


if __name__ == "__main__":
    sys.exit(main())
