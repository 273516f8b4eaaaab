"""The rules of a device, learned from its legal traces alone: a detector of violations, and the rules said back.

  python -m kmodels.nand.studies.rules --out rules.json

Devices differ in two things that nobody tells the generator: how far back reads may reach (read_offset_limit, 1 to 10)
and the order of programming within a block (strict, monotonic, any). For each one it is trained on legal traces. Its
surprise -ln p of each operation is then a detector, with a threshold that legal validation traces choose; labels only
score it. An n-gram, an automaton (where AALpy is installed) and tables of seen page offsets stand beside it. The
offsets that it believes to be legal, in the states that legal traces reached, are compared with the device's rules.
By default: every limit under every order, half a minute to two minutes each on two cores, or several at a time on
workers. At limit 5 under monotonic and any a network that does not see which pages are written is trained, too. Devices
that --out holds already are not repeated. A picture is written next to --out.

Exit status: 0 every network reaches AUROC 0.99 and localisation 0.95 and says its device's rules, 1 one does not, 2 bad
input or usage.
"""

import functools
import sys
import time
from pathlib import Path

from kmodels.core.cli import cli, scale
from kmodels.core.spec.errors import UserError

LIMITS = range(1, 11)
ORDERS = ("strict", "monotonic", "any")
SEQUENCES = {"strict": 2000, "monotonic": 6000, "any": 6000}  # legal ones to learn from; holes are more to learn
LEGAL, MIXED = 1000, 1000  # legal validation sequences; pairs of a legal and an illegal test sequence
NETWORK, BLIND = "network", "network without pages"
AUROC, LOCALISATION = 0.99, 0.95  # what every network must reach


def main(argv=None) -> int:
    """Run the study; return the exit status."""
    options = cli.parser("nand.studies.rules", __doc__)
    options.add_argument("--out", required=True, metavar="FILE", help="the figures, .json")
    options.add_argument("--limits", type=int, nargs="+", metavar="L", help="read_offset_limit (default: 1 to 10)")
    words = {"nargs": "+", "choices": ORDERS, "default": ORDERS, "metavar": "O"}
    options.add_argument("--orders", **words, help="program_order: strict, monotonic, any (default: all)")
    states = {"choices": ["not_erased", "unknown"], "default": "not_erased"}
    options.add_argument("--initial-state", **states, metavar="S", help="of recordings: not_erased or unknown")
    options.add_argument("--sequences", type=int, metavar="N", help="legal ones to learn from (2000 or 6000)")
    options.add_argument("--epochs", type=int, default=6, metavar="N", help="passes over them (default: 6)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of data and weights (default: 0)")
    scale.add_options(options, "devices")
    cli.add_backend_option(options)
    return cli.run(options, _rules, argv)


def _rules(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    scale.check(args)
    from kmodels.core.training import backend
    from kmodels.nand.generator.recipe import GeneratorRecipe

    backend.start(args.backend, GeneratorRecipe.SMALL_OPERATIONS, GeneratorRecipe.FASTEST, "nand.generator")
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.io.resumed import resumed
    from kmodels.core.report import figures
    from kmodels.core.runs import jobs, provenance
    from kmodels.nand.studies.rules_report import measured, plot, table

    settings = {name: getattr(args, name) for name in ("sequences", "epochs", "seed", "initial_state")}
    before = resumed(Path(args.out), settings, {"devices": {}}, {"initial_state": "not_erased"})  # there was no other
    record = before | settings | provenance.here()
    left = [device for device in _devices(args) if "{} {}".format(*device) not in record["devices"]]

    def todo():
        for order, limit in left:
            console.say(f"program_order {order}, read_offset_limit {limit}")
            yield backend.current(), order, limit, settings

    with scale.workers(args, Path(args.out).parent):
        for (_, order, limit, _), found in jobs.run(_study, todo(), apart=True, ahead=1):
            record["devices"] = _sorted(record["devices"] | {f"{order} {limit}": found})
            files.write_json(args.out, record)
    picture = Path(args.out).with_suffix(".png")
    files.write_bytes(picture, figures.png(plot(record["devices"])))
    console.say(table(record["devices"]))
    console.say(f"{measured(record)}\nwritten: {args.out} and {picture}")
    return int(not all(is_reached(device) for device in record["devices"].values()))


def _check(args) -> None:
    if Path(args.out).suffix.lower() != ".json":
        raise UserError(f"--out {args.out}: the suffix must be .json")
    if (args.sequences or 2) < 2 or args.epochs < 1 or args.seed < 0:
        raise UserError("--sequences: 2 or more; --epochs: 1 or more; --seed: 0 or more")
    if args.limits and not all(1 <= limit <= 15 for limit in args.limits):
        raise UserError("--limits: 1 to 15, fewer than the page offsets that the network tells apart")


def _devices(args) -> list[tuple[str, int]]:
    """List (program order, limit) of the devices that were asked for."""
    return [(order, limit) for order in args.orders for limit in args.limits or LIMITS]


def _sorted(devices: dict[str, dict]) -> dict[str, dict]:
    """Put devices in order, whichever was done first."""
    place = {"program_order": ORDERS.index, "read_offset_limit": int}
    return dict(sorted(devices.items(), key=lambda item: [of(item[1][name]) for name, of in place.items()]))


def _study(chosen: str, order: str, limit: int, settings: dict) -> dict:
    """Study a device on the backend `chosen`, in this process or in one that a worker has begun for it."""
    from kmodels.core.training import backend
    from kmodels.nand.generator.recipe import GeneratorRecipe

    backend.start(chosen, GeneratorRecipe.SMALL_OPERATIONS)
    return study_device(order, limit, **settings)


def is_reached(device: dict) -> bool:
    """Say whether a network detects a device's violations, and says its rules."""
    found, said = device["detectors"][NETWORK], device["believed"]
    rules = all(said[name] == device[name] for name in ("read_offset_limit", "program_order"))
    return found["auroc"] >= AUROC and found["localisation"] >= LOCALISATION and rules


def device_recipe(order: str, limit: int, epochs: int, seed: int, initial_state: str, memory: str = "pages"):
    """Make the generator's recipe for a device; of its rules the network is told none."""
    from kmodels.nand.generator.recipe import GeneratorRecipe

    strategies = ["overwrite", "read_unwritten", "stale_read"] + (["page_hop"] if order == "strict" else [])
    rules = {"read_offset_limit": limit, "program_order": order, "strategies": strategies}
    data = rules | {"initial_state": initial_state}
    return GeneratorRecipe().with_changes(
        {"seed": seed, "data": data, "model": {"memory": memory}, "train": {"epochs": epochs}}
    )


def simulate_parts(recipe, sequences: int) -> dict:
    """Simulate a device's traces: legal ones for training and validation, legal and illegal ones for the test."""
    import numpy as np

    from kmodels.nand.simulator.sequences import sample_pairs

    sizes = {"train": sequences, "validation": LEGAL, "test": MIXED}
    parts = {}
    for stream, (name, n) in enumerate(sizes.items()):
        trace = sample_pairs(np.random.default_rng([recipe.seed, stream]), n, recipe.data)
        parts[name] = trace if name == "test" else trace.take(~trace.invalid)
    return parts


def study_device(order: str, limit: int, sequences: int | None, epochs: int, seed: int, initial_state: str) -> dict:
    """Train and score all detectors of one device, and extract what the network believes."""
    recipe = device_recipe(order, limit, epochs, seed, initial_state)
    parts = simulate_parts(recipe, sequences or SEQUENCES[order])
    started = time.process_time()
    network, detector = _network(recipe, parts)
    seconds = time.process_time() - started
    detectors = {NETWORK: detector}
    if order != "strict" and limit == ORDERS[order][0]:  # it has to remember by itself which pages are left out
        detectors[BLIND] = _network(device_recipe(order, limit, epochs, seed, initial_state, "none"), parts)[1]
    detectors |= _others(network, parts)
    return {
        "read_offset_limit": limit,
        "program_order": order,
        "sequences": len(parts["train"]),
        "training_cpu_s": round(seconds, 1),
        "detectors": detectors,
        "believed": _believed(network, recipe, parts["test"]),
    }


def _network(recipe, parts):
    """Train a generator on legal traces: (the network, the scores of its surprise)."""
    from kmodels.core.training import batching, inference
    from kmodels.nand.generator.data.encode import encode
    from kmodels.nand.generator.evaluation.calibration import calibrate
    from kmodels.nand.generator.evaluation.prediction import decode

    def outputs(part):
        return inference.predict(network, encode(parts[part], recipe), 250)

    examples, size = encode(parts["train"], recipe), recipe.train.batch_size
    steps = batching.steps_per_epoch(len(examples), size)
    network = _untrained(recipe.model.memory, recipe.train.epochs, steps, recipe.seed, recipe.data.initial_state)
    network.adapt(examples.targets["token"])
    batches = batching.batches(examples, size, recipe.seed)
    network.fit(batches, steps_per_epoch=steps, epochs=recipe.train.epochs, verbose=0, shuffle=False)
    calibrate(network, parts["validation"], outputs("validation"))
    prediction = decode(network, parts["test"], outputs("test"))
    return network, _scores(parts["test"], prediction.surprise, prediction.threshold)


def _untrained(memory: str, epochs: int, steps: int, seed: int, initial_state: str):
    """Give the network of all devices as it was before any training: it is told nothing of a device."""
    network, start = _built(memory, epochs, steps, seed, initial_state)
    for variable, value in zip([*network.variables, *network.optimizer.variables], start, strict=True):
        variable.assign(value)
    return network


@functools.cache  # compiled once
def _built(memory: str, epochs: int, steps: int, seed: int, initial_state: str):
    """Build a network and its optimizer: (network, the values of their variables)."""
    import keras

    from kmodels.core.training.inference import as_numpy
    from kmodels.nand.generator.network.generator import build

    keras.utils.set_random_seed(seed)
    network = build(device_recipe("strict", 1, epochs, seed, initial_state, memory), steps * epochs)
    network.optimizer.build(network.trainable_variables)
    return network, [as_numpy(variable) for variable in [*network.variables, *network.optimizer.variables]]


def _scores(trace, surprise, threshold: float) -> dict:
    """Score a detector, and its localisation by the rule that was broken."""
    from kmodels.nand.data.records import CODES
    from kmodels.nand.generator.evaluation.metrics import detection

    scores = detection(trace, surprise, threshold) | {"threshold": threshold}
    for code in sorted(set(trace.strategy[trace.invalid])):
        rows = trace.invalid & (trace.strategy == code)
        scores[f"localisation_{CODES[code]}"] = detection(trace.take(rows), surprise[rows], threshold)["localisation"]
    return scores


def _others(network, parts) -> dict:
    """Fit and score the detectors without a network on the same traces."""
    from kmodels.nand.generator.evaluation.calibration import choose_threshold
    from kmodels.nand.studies.detectors import BlockWords, make_all

    vocabulary = network.vocabulary
    words = {name: BlockWords.of(part, network.rules, vocabulary) for name, part in parts.items()}
    scores = {}
    for name, detector in make_all().items():
        detector.fit(words["train"], words["validation"], vocabulary.words)
        threshold = choose_threshold(detector.surprise(words["validation"]))
        scores[name] = _scores(parts["test"], detector.surprise(words["test"]), threshold)
    return scores


def _believed(network, recipe, test) -> dict:
    """Extract the rules that a network believes, from the states that legal test traces reach."""
    from scipy.special import log_softmax

    from kmodels.core.training import inference
    from kmodels.nand.generator.data.encode import encode
    from kmodels.nand.generator.evaluation import beliefs

    legal = test.take(~test.invalid).take(slice(0, 300))
    log_p = log_softmax(inference.predict(network, encode(legal, recipe), 256)["token"].astype("float64"), axis=-1)
    is_believed = -log_p <= float(network.threshold)
    found = beliefs.extract(network.vocabulary, legal, is_believed, recipe.data.geometry.pages)
    return {
        "read_offset_limit": found.read_offset_limit,
        "program_order": found.program_order,
        "offset": found.offset.tolist(),
        **{name: beliefs.intervals(found.believed(name)) for name in found.share},
        "share": {name: [None if x != x else round(x, 4) for x in share] for name, share in found.share.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
