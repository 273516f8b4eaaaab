"""Measure how fast the models are, in turn with the same networks in plain PyTorch.

  python -m kmodels.bench --rounds 3 --out speed.json
  python -m kmodels.bench --rounds 3 --out again.json --against speed.json
  python -m kmodels.bench --model plume --backend jax
  python -m kmodels.bench --part growth
  python -m kmodels.bench --part job --model nand
  python -m kmodels.bench --choose --model nand
  python -m kmodels.bench --model nand --contestant ours --backend jax --steps 30
  python -m kmodels.bench --device gpu --full

Without --model and --backend all models are measured on all installed backends, each in a process of its own.
Writes the figures as JSON and, beside it, the tables in Markdown. Close what else the machine does first.

With --rounds every network runs on every backend and in plain PyTorch, each in a fresh process, in turn, so many times;
what --out holds already is not timed again. With --against two such reports are compared.

Without it parts are measured: examples a second that are simulated and loaded (data), other ways to train and layers
against Keras' own (pairs), how a training step's cost grows (growth). With --workers or --scheduler parts are measured
at the same time, each in a process of its own on a worker: give every worker a machine of its own, and all the same
one, or the figures mean little. What runs in turn, --rounds and --device gpu, does not.

With --contestant one training step is timed in this process, which runs nothing else, and told as a line of JSON. With
--device gpu the ConvLSTM3D of plume, Keras' and plain PyTorch's, and all recipes configs/*_full.yaml are timed so, on
the accelerator where there is one; it is run from a clone, and what --out holds already is not timed again.

With --part job whole fits are run, each in a process that finds nothing in a cache: from the command to the report, by
its parts. With --choose a few training steps are timed on every installed backend, for a minute or two a model; where
no backend is asked for, fit and climb take from now on the one that trains the fastest on this machine.

Exit status: 0 measured, 1 a part failed, or more than one in twenty ratios lie outside the spread of the report
--against, 2 bad input or usage.
"""

import json
import os
import sys
import time
from pathlib import Path

from kmodels.benchmarks.bench import PARTS
from kmodels.benchmarks.contestant import CONTESTANTS, PRECISIONS
from kmodels.core.cli import cli, scale
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("bench", __doc__)
    options.add_argument("--model", metavar="NAME", help=f"one of {', '.join(registry.NAMES)} (default: all)")
    options.add_argument(
        "--part",
        choices=[*PARTS, "job", "layer"],
        help="rates of the data, pairs, growth, whole fits (job), or a contestant's layer",
    )
    effort = options.add_mutually_exclusive_group()
    effort.add_argument("--full", action="store_true", help="more turns")
    effort.add_argument(
        "--smoke",
        action="store_true",
        help="the whole path on little data, in a minute or two; the figures mean nothing",
    )
    options.add_argument("--out", metavar="FILE", default="bench.json", help="the figures (default: bench.json)")
    options.add_argument("--against", metavar="FILE", help="an earlier report of --rounds: do both agree?")
    options.add_argument("--rounds", type=int, metavar="N", help="against plain PyTorch, each in a process of its own")
    options.add_argument("--choose", action="store_true", help="time the backends; from now on the fastest is taken")
    options.add_argument("--contestant", choices=CONTESTANTS, help="time this one alone")
    options.add_argument("--steps", type=int, default=30, metavar="N", help="that a contestant takes (default: 30)")
    options.add_argument("--precision", choices=PRECISIONS, default="tf32", help="on an accelerator (default: tf32)")
    options.add_argument("--config", metavar="FILE", help="of a contestant: its recipe in YAML")
    options.add_argument("--variant", metavar="NAME", help="of a contestant: a named recipe of the model")
    options.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="gpu: as said above (default: cpu)")
    scale.add_options(options, "parts of a bench")
    cli.add_backend_option(options)
    return cli.run(options, _bench, argv)


def _bench(args, words) -> int:
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")  # a first step is timed with what it compiles
    if args.model is not None:
        registry.check(args.model)
        if args.model in registry.plugged():
            raise UserError(f"--model {args.model}: bench measures the models of kmodels: {', '.join(registry.NAMES)}")
    scale.check(args)
    alone = args.contestant or args.rounds is not None or args.device == "gpu"
    alone = alone or args.choose or args.part == "job"
    if scale.is_asked(args) and alone:
        turns = "--contestant, --rounds, --device gpu, --part job and --choose"
        raise UserError(f"{turns} run in turn: without --workers and --scheduler")
    if args.contestant:
        return _contestant(args, words)
    cli.reject_extra_arguments(words)
    if args.part == "layer" or args.config or args.variant:
        raise UserError("--part layer, --config and --variant are for one --contestant")
    if args.rounds is not None:
        return _rounds(args)
    if args.choose:
        return _choose(args)
    if args.part == "job":
        return _whole(args)
    if args.device == "gpu":
        return _accelerator(args)
    if args.against:
        raise UserError("--against compares reports of --rounds")
    return _parts(args)


def _parts(args) -> int:
    """Measure data, pairs and growth, and write the report."""
    from kmodels.benchmarks import bench
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import tables
    from kmodels.core.training import backend

    effort = "full" if args.full else "smoke" if args.smoke else "normal"
    models, parts = [args.model] if args.model else registry.NAMES, [args.part] if args.part else PARTS
    todo = bench.jobs(models, _backends(args), parts)
    if (len(todo) == 1 or args.backend) and not scale.is_asked(args):
        backend.start(todo[0].backend, registry.recipe_type(todo[0].model).SMALL_OPERATIONS)
    started = time.monotonic()
    with scale.workers(args, Path(args.out).parent), console.progress("measuring") as bar:
        found = bench.measured(todo, effort, bar)
    found["minutes"] = round((time.monotonic() - started) / 60, 1)
    files.write_json(args.out, found)
    return _write(args.out, found, tables.bench(found))


def _contestant(args, words) -> int:
    """Time one contestant in this process and print what it took as a line of JSON."""
    from kmodels.benchmarks import bench, contestant
    from kmodels.core.training import backend

    if args.model is None:
        raise UserError("--contestant: of which --model?")
    if args.steps < 1:
        raise UserError(f"--steps {args.steps}: 1 or more")
    plain = args.contestant in contestant.PLAIN
    size = "full" if args.full else "smoke" if args.smoke else "default"
    if plain and args.backend not in (None, "torch"):
        raise UserError(f"--contestant {args.contestant} is plain PyTorch: --backend torch, or none")
    kind = registry.recipe_type(args.model)
    contestant.choose_precision(args.precision)
    chosen = backend.start("torch" if plain else args.backend, kind.SMALL_OPERATIONS, kind.FASTEST, args.model)
    case, layer = bench.case(args.model), args.part == "layer"
    if (args.contestant == "keras" and not layer) or (layer and not case.layers):
        raise UserError("--contestant keras is a layer: --model plume --part layer")
    entry = contestant.Contestant(args.model, args.contestant, chosen, layer, args.precision, args.steps, size)
    args.variant = args.variant or (None if args.config else case.variant)
    recipe, (name, count) = cli.recipe(args, words), case.sample
    recipe = recipe if args.smoke else recipe.with_changes({"data": {name: count}})  # little data: none is learned
    print(json.dumps(contestant.measure(entry, recipe)))
    return 0


def _rounds(args) -> int:
    """Let all contestants run in turn, and write the report."""
    from kmodels.benchmarks import rounds
    from kmodels.core.io import files
    from kmodels.core.report import figures, tables

    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: 1 or more")
    earlier = json.loads(Path(args.against).read_text())["rows"] if args.against else None
    models = [args.model] if args.model else registry.NAMES
    todo = rounds.contestants(models, _backends(args), args.steps, args.smoke)
    found = _timed(args.out, lambda *rest: rounds.measured(todo, args.rounds, *rest))
    rows = found["rows"]
    cells = [rounds.table(rows, figure) for figure in rounds.FIGURES]
    if rounds.limits(rows):
        cells.append(rounds.limit_table(rows))
        files.write_bytes(Path(args.out).with_suffix(".png"), figures.png(rounds.roofline(rows)))
    noisy = [f"too noisy to tell: {name}" for name in rounds.noisy(rows)]
    status = _write(args.out, found, tables.several(cells), noisy)
    return status if earlier is None or _agrees(rows, earlier, args.against) else 1


def _accelerator(args) -> int:
    """Time the layer and the full recipes, and write the report."""
    from kmodels.benchmarks import accelerator
    from kmodels.core.report import tables

    missing = [path for path in map(accelerator.config_of, accelerator.MODELS) if not path.exists()]
    if args.full and missing:
        raise UserError(f"{missing[0]}: not here; --device gpu --full is run in a clone, from its top folder")
    todo = accelerator.contestants(_backends(args), args.full)
    found = _timed(args.out, lambda *rest: accelerator.measured(todo, *rest))
    return _write(args.out, found, tables.several(accelerator.tables(found)))


def _whole(args) -> int:
    """Run whole fits in turn, and write the report."""
    from kmodels.benchmarks import whole
    from kmodels.core.report import tables

    models = [args.model] if args.model else registry.NAMES
    todo = [(model, backend) for model in models for backend in _backends(args)]
    found = _timed(args.out, lambda *rest: whole.measured(todo, args.smoke, *rest))
    return _write(args.out, found, tables.table(whole.table(found["rows"])))


def _choose(args) -> int:
    """Time the backends of each model, and remember which is the fastest."""
    from kmodels.benchmarks import choose
    from kmodels.core.cli import console
    from kmodels.core.training import backend

    if args.backend:
        raise UserError("--choose compares the backends: without --backend")
    for model in [args.model] if args.model else registry.NAMES:
        with console.progress("measuring") as bar:
            found, failed = choose.measured(model, args.smoke, bar)
        for line in failed:
            console.say(f"failed: {line}")
        if found and not args.smoke:
            backend.note_fastest(model, list(found))
        console.say(f"a training of {model}: " + ", ".join(f"{name} {took:.0f} s" for name, took in found.items()))
    return 0


def _backends(args) -> list[str]:
    from kmodels.core.training import backend

    return [args.backend] if args.backend else backend.installed()


def _timed(out: str, measured) -> dict:
    """Time contestants by ``measured(before, keep, report)``, where `out` holds what was measured before."""
    from kmodels.core.cli import console
    from kmodels.core.io import files

    before = json.loads(Path(out).read_text()) if Path(out).exists() else {}
    with console.progress("measuring") as bar:
        return measured(before, lambda found: files.write_json(out, found), bar)


def _write(out: str, found: dict, text: str, remarks: list[str] = ()) -> int:
    """Write the tables beside a report and show them, with what failed; return the exit status."""
    from kmodels.core.cli import console
    from kmodels.core.io import files

    beside = Path(out).with_suffix(".md")
    files.write_text(beside, text + "\n")
    for line in (text, *remarks, *(f"failed: {line}" for line in found["failed"])):
        console.say(line)
    console.say(f"\nwritten: {out}, {beside.name}")
    return int(bool(found["failed"]))


def _agrees(rows: list[dict], earlier: list[dict], name: str) -> bool:
    """Say which ratios lie further from those of an earlier report than their spread, and whether so few may."""
    from kmodels.benchmarks import rounds
    from kmodels.core.cli import console

    outside, count = rounds.disagreements(rows, earlier)
    for line in outside:
        console.say(f"outside: {line}")
    agrees = len(outside) <= rounds.OUTSIDE * count
    verdict = "agrees" if agrees else "DISAGREES"
    console.say(f"{verdict} with {name}: {len(outside)} of {count} ratios outside, {rounds.OUTSIDE:.0%} may be")
    return agrees


if __name__ == "__main__":
    sys.exit(main())
