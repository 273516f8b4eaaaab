"""Design a colour router: search by gradients through a trained network, verify by the simulator.

  python -m kmodels.metasurface.studies.design --preset metasurface --target bayer --out design.h5

Several patterns are optimised side by side; features that are too small are removed; the solver of the run's data then
evaluates each, and as many random patterns as --random says (those in the package, where the run was trained on them).
--out holds the designs, best first, with the solver's spectra, in the layout that fit and predict read; a picture of
the best is written next to it.

Exit status: 0 the best design beats every random pattern, 1 it does not, 2 bad input or usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("metasurface.studies.design", __doc__)
    cli.add_run_options(options)
    options.add_argument("--target", default="bayer", metavar="T", help="bayer (default), blue, green or red")
    options.add_argument("--out", required=True, metavar="FILE", help="designs, .h5")
    options.add_argument("--starts", type=int, default=16, metavar="N", help="patterns to optimise (default: 16)")
    options.add_argument("--steps", type=int, default=200, metavar="N", help="steps of the search (default: 200)")
    options.add_argument(
        "--random", type=int, default=1000, metavar="N", help="random patterns to compare with (default: 1000)"
    )
    options.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _design, argv)


def _design(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    predictor = cli.load_predictor(args, "metasurface")
    import numpy as np

    from kmodels.core.cli import console
    from kmodels.metasurface.evaluation.router import target_weights
    from kmodels.metasurface.studies.search import Search

    data = predictor.recipe.data
    weights = target_weights(data.wavelengths(), data.pixel_order, data.wavelength, args.target)
    rng = np.random.default_rng([args.seed, 0xDE51])
    with console.progress("searching", args.steps) as bar:
        designs = Search(predictor.model, data, weights, args.starts, args.steps).run(rng, bar)
    if not len(designs):
        raise UserError(f"--starts {args.starts}: none gave a pattern without features that are too small; try more")
    transmittance = _simulate(designs, data, "verifying")
    best = transmittance @ weights.ravel()
    order = np.argsort(-best)
    designs, transmittance, best = designs[order], transmittance[order], best[order]
    predicted = _predict(predictor, designs)
    surrogate = predicted.transmittance.reshape(len(designs), -1)
    chance = _simulate_random(args, data) @ weights.ravel()
    _write(Path(args.out), designs, transmittance, surrogate, best, data, args.target)
    if predicted.unlike is not None:
        console.say(f"{predicted.unlike.sum()} of {len(designs)} designs are unlike the patterns of the training")
    tolerance = _simulate(moved_edges(designs[0]), data, "moved edges") @ weights.ravel()
    console.say(
        f"the best design with every edge moved by a pixel, {data.period / data.pixels:.1f} nm: {tolerance[0]:.4f} "
        f"(wider pillars), {tolerance[1]:.4f} (narrower)"
    )
    return _compare(best, surrogate @ weights.ravel(), chance, args)


def _check(args) -> None:
    """Refuse what makes no sense, before a backend is imported."""
    from kmodels.metasurface.evaluation.router import TARGETS

    if args.target not in TARGETS:
        raise UserError(f"--target {args.target}: there are {', '.join(TARGETS)}")
    if Path(args.out).suffix.lower() != ".h5":
        raise UserError(f"--out {args.out}: the suffix must be .h5")
    for name, least in (("starts", 1), ("steps", 1), ("random", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: expected {least} or more")


def _simulate(patterns, data, what: str):
    """Solve patterns by the simulator: (n, 4 w) transmittance."""
    import numpy as np

    from kmodels.core.cli import console
    from kmodels.metasurface.simulator.structures import solver_of

    solver, solved = solver_of(data), []
    with console.progress(what, len(patterns)) as bar:
        for k, pattern in enumerate(patterns):
            solved.append(solver.solve(pattern).transmitted.ravel())
            bar(k + 1, len(patterns))
    return np.array(solved, "float32")


def moved_edges(pattern):
    """Move every edge of a periodic pattern (y, x) by a pixel, outwards and inwards: (2, y, x), as fabrication may."""
    import numpy as np
    import scipy.ndimage

    cross = scipy.ndimage.generate_binary_structure(2, 1)
    moves = scipy.ndimage.maximum_filter, scipy.ndimage.minimum_filter
    return np.stack([move(pattern, footprint=cross, mode="wrap") for move in moves])


def _simulate_random(args, data):
    """Solve random patterns, sampled as the recipe says, by the simulator: (n, 4 w) transmittance.

    Where the package has solved some, they are taken: at most as many as it has.
    """
    import numpy as np

    from kmodels.metasurface.simulator.patterns import sample_pattern
    from kmodels.metasurface.simulator.structures import packaged

    if data.solver == "packaged":
        spectra = packaged(data)[1][: args.random]
        return spectra.reshape(len(spectra), -1)
    streams = np.random.SeedSequence([args.seed, 0xC4A7]).spawn(args.random)
    patterns = (sample_pattern(np.random.default_rng(stream), data) for stream in streams)
    return _simulate(_Counted(patterns, args.random), data, "random patterns")


class _Counted:
    """An iterator that knows its length: patterns are sampled one by one."""

    def __init__(self, items, count: int):
        self.items, self.count = items, count

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.items)


def _predict(predictor, patterns):
    """Predict the spectra of patterns by the network."""
    import numpy as np

    from kmodels.metasurface.data.records import Structures, pack

    data, number = predictor.recipe.data, np.arange(len(patterns))
    names = np.array([f"design:{k}" for k in number])
    structures = Structures(pack(patterns), None, data.wavelengths(), data.pixel_order, names, number)
    return predictor.predict(structures)


def _write(out: Path, patterns, transmittance, surrogate, best, data, target: str) -> None:
    """Write the designs as HDF5, and a picture of the best next to it."""
    from kmodels.core.io import files
    from kmodels.core.report.figures import png
    from kmodels.metasurface.data import hdf5
    from kmodels.metasurface.evaluation import figures
    from kmodels.metasurface.simulator.structures import attributes

    metadata = attributes(data) | {
        "title": f"Colour routers designed for target {target}, best first",
        "target": target,
    }
    w = data.wavelengths()
    hdf5.write(out, patterns, transmittance.reshape(-1, 2, 2, len(w)), w, metadata)
    title = f"designed for {target}: {best[0]:.3f} of the light reaches pixels of its colour"
    spectra = transmittance[0].reshape(2, 2, -1), surrogate[0].reshape(2, 2, -1)
    picture = figures.router(patterns[0], w, *spectra, data.pixel_order, title)
    files.write_bytes(out.with_suffix(".png"), png(picture))


def _compare(best, surrogate, chance, args) -> int:
    """Print designs, random patterns and the network's error; returns the exit status."""
    from kmodels.core.cli import console

    gap = surrogate - best
    beaten = best[0] > chance.max()
    console.say(
        f"{len(best)} designs of {args.starts} starts; fraction of the light in pixels of its colour, by the simulator:"
    )
    console.say(f"  best design          {best[0]:.4f}   (network: {surrogate[0]:.4f})")
    console.say(f"  median design        {sorted(best)[len(best) // 2]:.4f}")
    console.say(f"  best of {len(chance)} random   {chance.max():.4f}   (mean {chance.mean():.4f})")
    console.say(f"network - simulator over the designs: mean {gap.mean():+.4f}, largest {abs(gap).max():.4f}")
    console.say(f"the best design {'beats' if beaten else 'does not beat'} every random pattern")
    console.say(f"written: {args.out} and {Path(args.out).with_suffix('.png')}")
    return int(not beaten)


if __name__ == "__main__":
    sys.exit(main())
