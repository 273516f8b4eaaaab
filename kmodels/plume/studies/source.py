"""Find where a cloud comes from, and how strong its source is, from the records of a few masts.

  python -m kmodels.plume.studies.source --run runs/plume-... --out source.json

Releases from one unknown stack are simulated over hills and under weather of their own: masts at random places, of
which three at least see the cloud, record it with noise. The source is found by gradients through the equation of
dispersion with the closures of a trained network (model.base = solver), of which both diffusivities are searched for,
too; from the best places of a library of Gaussian puffs, which is also the baseline: it answers by least squares.
Cases that --out holds already are not repeated. A picture of the search is written next to it.

Exit status: 0 the network finds the source within one cell, and its rate within a factor of 1.5, in 80% of the cases,
1 it does not, 2 bad input or usage.
"""

import math
import sys
import time
from dataclasses import asdict
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError

NEAR, FACTOR, SHARE = 1.0, 1.5, 0.80  # cells; of the rate; of the cases
NETWORK, LIBRARY = "network", "library of puffs"


def main(argv=None) -> int:
    """Run the study; return the exit status."""
    options = cli.parser("plume.studies.source", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="run folder of fit")
    options.add_argument("--out", required=True, metavar="FILE", help="the figures, .json")
    options.add_argument("--cases", type=int, default=50, metavar="N", help="releases (default: 50)")
    options.add_argument("--masts", type=int, default=8, metavar="N", help="of each, 3 to 50 (default: 8)")
    options.add_argument("--frames", type=int, default=30, metavar="N", help="recorded (default: 30)")
    options.add_argument("--noise", type=float, default=0.1, metavar="S", help="of the records' logs (default: 0.1)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of the releases (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _study, argv)


def _study(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    predictor = cli.load_predictor(args, "plume")
    model = predictor.model
    if model.base != "solver":
        raise UserError(
            f"{args.run}: the search goes through the solver, and this run has model.base = {model.base}; "
            "use one of kmodels fit --model plume"
        )
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.io.resumed import resumed
    from kmodels.core.report import figures
    from kmodels.core.runs import provenance
    from kmodels.plume.studies.source_report import left_open, measured, plot, table
    from kmodels.plume.studies.source_roll_out import SourceRollOut

    settings = {name: getattr(args, name) for name in ("masts", "frames", "noise", "seed")}
    record = resumed(Path(args.out), settings, {"cases": []}) | settings | provenance.here()
    drawn, roll_out = None, SourceRollOut(model, predictor.recipe)
    with console.progress("searching", args.cases) as bar:
        for number in range(args.cases):
            bar(number, args.cases, f"case {number}")
            if number >= len(record["cases"]) or drawn is None:
                case = release(predictor.recipe.data, number, args)
                found, shown = study_case(roll_out, case)
                drawn = drawn or (case, shown)
                if number >= len(record["cases"]):
                    record["cases"].append(found)
                    files.write_json(args.out, record)
    picture = Path(args.out).with_suffix(".png")
    files.write_bytes(picture, figures.png(plot(*drawn)))
    console.say(table(record["cases"]))
    console.say(f"{left_open(record['cases'])}\n{measured(record)}\nwritten: {args.out} and {picture}")
    return int(not is_reached(record["cases"]))


def _check(args) -> None:
    if Path(args.out).suffix.lower() != ".json":
        raise UserError(f"--out {args.out}: the suffix must be .json")
    if args.cases < 1 or args.frames < 5 or args.seed < 0 or not 0 <= args.noise <= 1:
        raise UserError("--cases: 1 or more; --frames: 5 or more; --seed: 0 or more; --noise: 0 to 1")
    if not 3 <= args.masts <= 50:
        raise UserError(f"--masts {args.masts}: 3 to 50")


def release(data, number: int, args):
    """Simulate case `number`; no training has seen it, whatever its seed."""
    import numpy as np

    from kmodels.plume.studies.release import sample_release

    rng = np.random.default_rng([args.seed, number, 0x50CE])
    return sample_release(rng, data, args.frames, args.masts, args.noise)


def study_case(roll_out, case) -> tuple[dict, dict]:
    """Find the source of a release.

    Parameters
    ----------
    roll_out : SourceRollOut
        Of the network.
    case : Release
        What was recorded.

    Returns
    -------
    found : dict
        `truth`, and by detector where the source is, the distance in cells, the factor of the rate and the seconds; of
        the network also the diffusivities as `multiples` of those in clean air, and what the records leave open:
        `place_sd` [cells], `rate_sd` (of the logarithm). Heights that were found include the rise of the plume.
    shown : dict
        What the picture needs: `map` of the library, `path` and `found` of both.
    """
    from kmodels.plume.studies import puffs, source_search

    started = time.perf_counter()
    library, surface, order = puffs.search(case, roll_out.model.c0)
    middle = time.perf_counter()
    network = source_search.search(roll_out, case, order)
    seconds = {LIBRARY: middle - started, NETWORK: time.perf_counter() - started}
    sources = {NETWORK: network.source, LIBRARY: library}
    found = {name: _scored(source, case) | {"seconds": round(seconds[name], 2)} for name, source in sources.items()}
    found[NETWORK] |= {"multiples": [round(value, 4) for value in network.multiples]}
    found[NETWORK] |= {name: round(getattr(network, name), 4) for name in ("place_sd", "rate_sd")}
    return {"truth": asdict(case.source), **found}, {"map": surface, "path": network.path, "found": sources}


def _scored(source, case) -> dict:
    """Compare a source with the truth: distance along the farther axis [cells], and factor of the rate."""
    truth, (_, dy, dx) = case.source, case.cell
    distance = max(abs(source.x - truth.x) / dx, abs(source.y - truth.y) / dy)
    factor = max(source.rate / truth.rate, truth.rate / source.rate)
    return asdict(source) | {"distance_cells": round(distance, 3), "rate_factor": round(factor, 4)}


def shares(cases: list[dict], name: str) -> tuple[float, float, float]:
    """Compute the shares of cases whose place, whose rate, and both of which are right."""
    near = [case[name]["distance_cells"] <= NEAR for case in cases]
    right = [case[name]["rate_factor"] <= FACTOR for case in cases]
    both = [a and b for a, b in zip(near, right, strict=True)]
    return tuple(sum(flags) / len(flags) for flags in (near, right, both))


def is_undetermined(case: dict) -> bool:
    """Say whether the records leave the place or the rate open: one standard deviation of either misses the target."""
    found = case[NETWORK]
    return found["place_sd"] > NEAR or found["rate_sd"] > math.log(FACTOR)


def is_reached(cases: list[dict]) -> bool:
    """Say whether the network's place and rate are each right in enough cases."""
    near, right, _ = shares(cases, NETWORK)
    return near >= SHARE and right >= SHARE


if __name__ == "__main__":
    sys.exit(main())
