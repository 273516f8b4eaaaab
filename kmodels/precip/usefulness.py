"""Are the drawn fields of use to another model? A small downscaler, trained with and without them.

  python -m kmodels.precip.usefulness --run runs/precip-20261121-093000-1a2b3c4d

The downscaler is a convolutional network of its own that knows nothing of the run's: it learns to say one field of rain
for a coarse state. Without: from the real fields of the run's training days. With: in every epoch a share of the days,
chosen at random, shows a field drawn from the prior in place of the real one. Steps, starts and order are the same.
Both are judged by the critical success index at P99 of the run's held-out days, with several seeds.

Exit status: 0 measured, whichever way it fell; 2 bad input or usage.
"""

import sys
from dataclasses import dataclass

import numpy as np

from kmodels.core import cli
from kmodels.core.errors import UserError

FILTERS, BATCH, RATE = 16, 16, 2e-3
STREAM = 0x05E  # root of what is shown in an epoch


@dataclass(frozen=True)
class Material:
    """What the downscaler learns from and is judged on.

    x: {"train", "test"} -> inputs of the network, dictionaries of arrays. truth: the same -> (days, y, x) [mm/day].
    drawn: (days, K, y, x) [mm/day], of training days. observed: (y, x) bool. p99: of the training days [mm/day].
    """

    x: dict[str, dict[str, np.ndarray]]
    truth: dict[str, np.ndarray]
    drawn: np.ndarray
    observed: np.ndarray
    p99: float


def material(predictor, draws: int, progress) -> Material:
    """The training and held-out days of a run, and `draws` fields drawn for each training day."""
    from kmodels.core import experiment
    from kmodels.precip.draw import sampler_of

    recipe = predictor.recipe
    parts = experiment.prepare(predictor.task, recipe, predictor.run.about["data"])
    days = {name: parts.part(name) for name in ("train", "test")}
    known = predictor.model.known()
    sampler = sampler_of(predictor.model, days["train"], recipe, draws)
    drawn = np.concatenate([fields for _, fields in sampler.blocks(progress)])
    rows = {name: np.arange(len(part)) for name, part in days.items()}
    return Material(
        x={name: inputs(part, rows[name], known) for name, part in days.items()},
        truth={name: part.rain(rows[name]) for name, part in days.items()},
        drawn=drawn,
        observed=days["test"].domain.observed,
        p99=float(known["p99"]),
    )


def inputs(days, rows, known: dict) -> dict[str, np.ndarray]:
    """state (rows, Y, X, C), scaled by the training days; static (rows, y, x, 2)."""
    from kmodels.precip.encode import states, statics

    state = (states(days, rows) - known["state_mean"]) / known["state_sd"]
    return {"state": state.astype("float32"), "static": np.tile(statics(days.domain), (len(rows), 1, 1, 1))}


def downscaler(coarse: tuple[int, int, int], fine: tuple[int, int], scale: float):
    """The compiled network: state and static -> rain (batch, y, x) [mm/day], trained on the squared error.

    scale: [mm/day], so that its numbers and its loss lie around 1.
    """
    import keras
    from keras import layers, ops

    state, static = keras.Input(coarse, name="state"), keras.Input((*fine, 2), name="static")
    x = layers.Conv2D(2 * FILTERS, 3, padding="same", activation="relu")(state)
    x = ops.image.resize(x, fine, interpolation="bilinear", antialias=False, data_format="channels_last")
    x = layers.Concatenate()([x, static])
    for _ in range(2):
        x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu")(x)
    field = layers.Conv2D(1, 3, padding="same", activation="softplus")(x)
    model = keras.Model({"state": state, "static": static}, scale * ops.squeeze(field, -1))
    model.compile(keras.optimizers.Adam(RATE), loss=lambda y, p: ops.mean(ops.square((y - p) / scale)))
    return model


def trained(of: Material, seed: int, share: float, epochs: int):
    """A downscaler that in every epoch saw drawn fields on `share` of the days."""
    from kmodels.core import backend

    backend.seed_everything(seed)
    x, truth = of.x["train"], of.truth["train"]
    model = downscaler(x["state"].shape[1:], truth.shape[1:], scale=of.p99)
    rng = np.random.default_rng([STREAM, seed])
    count, draws = of.drawn.shape[:2]
    for _ in range(epochs):
        order, chance, which = rng.permutation(count), rng.random(count), rng.integers(draws, size=count)
        y = np.where((chance < share)[:, None, None], of.drawn[np.arange(count), which], truth)
        shown = {name: value[order] for name, value in x.items()}
        model.fit(shown, y[order] * of.observed, batch_size=BATCH, shuffle=False, verbose=0)
    return model


def csi(said: np.ndarray, seen: np.ndarray) -> float:
    """Critical success index: hits / (hits + false alarms + misses); not a number without an event. Both bool."""
    events = (said | seen).sum()
    return float((said & seen).sum() / events) if events else float("nan")


def judged(model, of: Material) -> float:
    """CSI of "at least P99" over all cells of the held-out days."""
    found = np.asarray(model.predict(of.x["test"], batch_size=BATCH, verbose=0))
    return csi(*(fields[:, of.observed] >= of.p99 for fields in (found, of.truth["test"])))


def study(of: Material, seeds: int, share: float, epochs: int, progress) -> dict:
    """CSI of each seed with and without, and the mean difference with its standard error."""
    import keras

    found = {"without": [], "with": []}
    for seed in range(seeds):
        for k, (name, part) in enumerate({"without": 0.0, "with": share}.items()):
            progress(2 * seed + k, 2 * seeds, f"seed {seed}, {name}")
            keras.utils.clear_session()
            found[name].append(judged(trained(of, seed, part, epochs), of))
    gain = np.subtract(found["with"], found["without"])
    error = float(gain.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else None
    return found | {"gain": float(gain.mean()), "standard_error": error}


def main(argv=None) -> int:
    """Run the study; returns the exit status."""
    options = cli.parser("precip.usefulness", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written, of a precip model")
    options.add_argument("--seeds", type=int, default=5, metavar="N", help="pairs of downscalers (default: 5)")
    options.add_argument("--epochs", type=int, default=12, metavar="N", help="of each downscaler (default: 12)")
    options.add_argument("--draws", type=int, default=4, metavar="K", help="fields drawn a training day (default: 4)")
    options.add_argument("--share", type=float, default=0.5, help="of the days that show a drawn field (default: 0.5)")
    options.add_argument("--out", default="usefulness.json", metavar="FILE", help="(default: usefulness.json)")
    cli.add_backend_option(options)
    return cli.run(options, _usefulness, argv)


def _usefulness(args, words) -> int:
    cli.no_more(words)
    _check(args)
    predictor = cli.trained(args)
    from kmodels.core import backend, console, files, provenance

    if predictor.task.name != "precip":
        raise UserError(f"{args.run}: a run of {predictor.task.name}; the study is of precip")
    with console.progress("drawing") as bar:
        of = material(predictor, args.draws, bar)
    with console.progress("downscaling") as bar:
        found = study(of, args.seeds, args.share, args.epochs, bar)
    about = {"run": predictor.run.path.name, "seeds": args.seeds, "epochs": args.epochs, "share": args.share}
    about |= {"draws": args.draws, "p99": of.p99, "held_out_days": len(of.truth["test"]), "backend": backend.current()}
    about |= {"commit": provenance.commit(), "versions": backend.versions(), "hardware": provenance.hardware()}
    files.write_json(args.out, about | found)
    console.show(_table(found))
    console.say(f"gain {found['gain']:+.4f}, standard error {console.number(found['standard_error'])}: {args.out}")
    return 0


def _check(args) -> None:
    for name in ("seeds", "epochs", "draws"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: 1 or more")
    if not 0 < args.share <= 1:
        raise UserError(f"--share {args.share:g}: above 0, at most 1")


def _table(found: dict):
    from kmodels.core import console

    table = console.new_table("CSI at P99 of a small downscaler")
    for column in ("seed", "without drawn fields", "with", "gain"):
        table.add_column(column)
    for seed, (a, b) in enumerate(zip(found["without"], found["with"], strict=True)):
        table.add_row(str(seed), f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
