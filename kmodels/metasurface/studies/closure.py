"""Closure: what stands for the Fourier orders that a solution with few of them leaves out.

  python -m kmodels.metasurface.studies.closure --data.orders 113 --model.few_orders 57 --out closure.json

Random structures are solved at twelve wavelengths, once with the many orders of the recipe's data (--data.orders) and
once with the few that its network is given (--model.few_orders). The four numbers of `FewOrders.closure` that bring
few orders closest to many, in least squares, are found by the simplex of Nelder and Mead; as many other structures
tell what they are worth. Other recipe fields, such as --data.height 500, may follow.

Exit status: 0 better than without a closure on the other structures, 1 not, 2 bad input or usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError

NODES = 12  # wavelengths
START = (0.1, 0.1, 0.3, 0.3)  # of the search
SIZE = 0.1  # of its first simplex


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("metasurface.studies.closure", __doc__)
    options.add_argument("--out", required=True, metavar="FILE", help="what was found, .json")
    options.add_argument("--structures", type=int, default=24, metavar="N", help="to fit, and to test (default: 24)")
    options.add_argument("--steps", type=int, default=60, metavar="N", help="most evaluations (default: 60)")
    cli.add_backend_option(options)
    return cli.run(options, _closure, argv)


def _closure(args, words) -> int:
    if args.structures < 2 or args.steps < 5:
        raise UserError("--structures: 2 or more; --steps: 5 or more")
    if Path(args.out).suffix.lower() != ".json":
        raise UserError(f"--out {args.out}: the suffix must be .json")
    from kmodels.core.cli import console, parse
    from kmodels.core.io import files
    from kmodels.metasurface.recipe import RECIPE

    recipe = parse.resolve(RECIPE, [parse.command_line(RECIPE, words)])
    if not recipe.model.few_orders:
        raise UserError("model.few_orders = 0: there is nothing to find; choose the orders, such as 57")
    fitted, others = _solved(recipe, 2 * args.structures)
    found = fit_closure(recipe, *fitted, args.steps)
    none = ((0.0, 0.0), (0.0, 0.0))
    scores = {name: score(recipe, *others, closure) for name, closure in (("without", none), ("with", found))}
    sizes = {"few_orders": recipe.model.few_orders, "orders": recipe.data.orders, "structures": args.structures}
    files.write_json(args.out, {**sizes, "seed": recipe.seed, "closure": found, "scores": scores})
    for name, of in scores.items():
        console.say(f"{name:>7} closure, other structures: R2 {of['r2']:.4f}, mean absolute error {of['mae']:.4f}")
    console.say(f"closure {found}; written: {args.out}")
    return int(scores["with"]["r2"] <= scores["without"]["r2"])


def _solved(recipe, count: int):
    """Sample and solve structures with many orders: two halves of (patterns (n, y, x, 1), spectra (n, w, 4))."""
    import numpy as np

    from kmodels.core.cli import console
    from kmodels.metasurface.simulator.patterns import sample_pattern
    from kmodels.metasurface.simulator.rcwa import RcwaSolver

    streams = np.random.SeedSequence([recipe.seed, 0xC105]).spawn(count)
    patterns = np.stack([sample_pattern(np.random.default_rng(stream), recipe.data) for stream in streams])
    solver, spectra = RcwaSolver(recipe.data, _wavelengths(recipe)), []
    with console.progress("solving with many orders", count) as bar:
        for k, pattern in enumerate(patterns):
            spectra.append(solver.solve(pattern).transmitted.reshape(4, -1).T)
            bar(k + 1, count)
    patterns, spectra = patterns[..., None].astype("float32"), np.stack(spectra)
    half = count // 2
    return (patterns[:half], spectra[:half]), (patterns[half:], spectra[half:])


def _wavelengths(recipe):
    """Choose Chebyshev points of the band's wave numbers: (NODES,) wavelengths [nm]."""
    import numpy as np

    from kmodels.metasurface.network.optics.wave_numbers import WaveNumbers

    return 2 * np.pi / WaveNumbers(recipe.data.wavelength, NODES).nodes


def fit_closure(recipe, patterns, spectra, steps: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Find the closure with the least squared error.

    Parameters
    ----------
    recipe : MetasurfaceRecipe
        Geometry and few orders.
    patterns : ndarray
        (n, y, x, 1).
    spectra : ndarray
        (n, w, 4) with many orders, at NODES wavelengths.
    steps : int
        Most evaluations.

    Returns
    -------
    tuple
        Of `FewOrders`, to three digits.
    """
    import numpy as np
    from scipy.optimize import minimize

    from kmodels.core.cli import console

    done = 0
    with console.progress("searching", steps) as bar:

        def error(numbers):
            nonlocal done
            done = min(done + 1, steps)
            value = np.square(_few(recipe, patterns, numbers.reshape(2, 2)) - spectra).mean()
            bar(done, steps, f"{value:.2e}")
            return value

        simplex = np.array(START) + SIZE * np.concatenate([np.zeros((1, 4)), np.eye(4)])
        options = {"maxfev": steps, "initial_simplex": simplex, "xatol": 3e-3, "fatol": 1e-8}
        found = minimize(error, START, method="Nelder-Mead", options=options).x
    return tuple(tuple(round(float(number), 3) for number in row) for row in found.reshape(2, 2))


def score(recipe, patterns, spectra, closure) -> dict[str, float]:
    """Compare few orders with many: R2 against the mean spectrum, mean absolute error."""
    import numpy as np

    error = _few(recipe, patterns, closure) - spectra
    spread = spectra - spectra.mean((0, 2), keepdims=True)
    return {"r2": float(1 - np.square(error).sum() / np.square(spread).sum()), "mae": float(np.abs(error).mean())}


def _few(recipe, patterns, closure):
    """Solve with few orders at the wavelengths themselves: (n, w, 4)."""
    import numpy as np

    from kmodels.core.training.inference import as_numpy
    from kmodels.metasurface.network.optics.few_orders import FewOrders

    layer = FewOrders.from_recipe(recipe, nodes=NODES, closure=closure)
    wavelength = np.tile(_wavelengths(recipe), (len(patterns), 1)).astype("float32")
    return as_numpy(layer(patterns, wavelength))


if __name__ == "__main__":
    sys.exit(main())
